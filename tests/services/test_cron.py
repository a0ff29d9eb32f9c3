"""The crontab: lines that cron and a plain shell understand."""

from __future__ import annotations

import dataclasses
import re
import shlex

from hypothesis import given
from hypothesis import strategies as st

from collective.recipe.productionstack import services
from collective.recipe.productionstack.model import Stack
from collective.recipe.productionstack.services import cron
from tests.support import samples

LINE = re.compile(r"^(\d+|\*) (\d+|\*) \* \* (\*|0) (.+)$")


def jobs(stack: Stack) -> list[list[str]]:
    """Return the words of every command."""
    text = services.tree_of(services.complete(stack)).text_of("crontab")
    found = []
    for line in text.splitlines():
        if line and not line.startswith("#"):
            match = LINE.match(line)
            assert match is not None, line
            mask, _, command = match[4].partition("; ")
            assert mask == "umask 027"
            words = shlex.split(command.replace(r"\%", "%"))
            if words[0] == "test":
                unless = ["test", "-e", stack.maintenance_file, "||"]
                assert words[:4] == unless
                words = words[4:]
            found.append(words)
    return found


def test_jobs() -> None:
    """Backup, pack and rotation; the first two never side by side."""
    commands = jobs(samples.STACK)
    lock = ["/usr/bin/flock", "-w", "7200", "/b/var/stack/maintenance.lock"]
    assert [*lock, "/b/bin/backup", "-q"] in commands
    assert [*lock, "/b/bin/zeopack"] in commands
    assert any(words[0] == "/usr/sbin/logrotate" for words in commands)


def test_commands_are_absolute() -> None:
    """cron's PATH leads nowhere."""
    assert all(words[0].startswith("/") for words in jobs(samples.STACK))


def test_spaces_and_percent_free() -> None:
    """A folder with spaces is one word for the shell."""
    places = dataclasses.replace(samples.FOLDERS, var="/my site/var/stack")
    stack = dataclasses.replace(samples.STACK, folders=places)
    assert [words[3] for words in jobs(stack) if words[0] == "/usr/bin/flock"][:1] == [
        "/my site/var/stack/maintenance.lock"
    ]


@given(st.text(min_size=1, max_size=20), st.sampled_from(["backup", "pack"]))
def test_times(folder: str, job: str) -> None:
    """No job in the hours that come twice or never; the pack follows the backup."""
    places = dataclasses.replace(samples.FOLDERS, buildout=f"/{folder}")
    stack = dataclasses.replace(samples.STACK, folders=places)
    minute, hour, *rest = cron.daily(stack, job).split()
    assert (int(minute) in range(60), hour in {"4", "5"}, rest) == (
        True,
        True,
        ["*"] * 3,
    )
    minute, hour, *rest = cron.weekly(stack, job).split()
    assert (int(minute) in range(60), hour in {"6", "7"}) == (True, True)
    assert rest == ["*", "*", "0"]


def test_same_folder_same_time() -> None:
    """A time does not move from one run to the next."""
    assert cron.daily(samples.STACK, "backup") == cron.daily(samples.STACK, "backup")
