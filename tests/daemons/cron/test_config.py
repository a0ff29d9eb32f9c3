"""The crontab: lines that cron and a plain shell understand."""

from __future__ import annotations

import dataclasses
import re
import shlex

from hypothesis import given
from hypothesis import strategies as st

from collective.recipe.productionstack.daemons.cron import config as cron
from collective.recipe.productionstack.model.stack import Stack
from collective.recipe.productionstack.model.storage import Keeping
from collective.recipe.productionstack.plan import announcing
from collective.recipe.productionstack.plan import rendering
from tests.support import samples

LINE = re.compile(r"^(\d+|\*) (\d+|\*) \* \* (\*|[01]) (.+)$")


def jobs(stack: Stack) -> list[list[str]]:
    """Return the words of every command."""
    text = rendering.tree_of(announcing.complete(stack)).text_of("crontab")
    found = []
    for line in text.splitlines():
        if line and not line.startswith("#"):
            match = LINE.match(line)
            assert match is not None, line
            mask, _, command = match[4].partition("; ")
            assert mask == "umask 027"
            words = shlex.split(command.replace(r"\%", "%").replace("; }", " }"))
            if words[0] == "test":
                unless = ["test", "-e", stack.maintenance_file, "||"]
                assert words[:4] == unless
                words = words[4:]
            words = words[1:-1] if words[0] == "{" else words
            found += [part.split("\0") for part in "\0".join(words).split("\0&&\0")]
    return found


def test_jobs() -> None:
    """Backup, verification, pack (with a backup after it) and rotation."""
    verbs = [words[2] for words in jobs(samples.STACK) if words[0] == "/b/bin/stack"]
    assert verbs == ["backup", "verify-backup", "pack", "backup"]
    assert len(jobs(samples.STACK)) == len(verbs) + 1


def test_a_copy_follows_each_good_backup() -> None:
    keeping = Keeping(
        sync_target=("far.example.com:/srv/copies",), mailto="me@example.com"
    )
    stack = announcing.complete(samples.changed(samples.STACK, keeping=keeping))
    text = rendering.tree_of(stack).text_of("crontab")
    assert (
        text.count("/b/bin/stack --quiet backup && /b/bin/stack --quiet sync-back") == 2
    )
    assert text.count("verify-backup && /b/bin/stack --quiet verify-backup --fr") == 1
    assert "\nMAILTO=me@example.com\n" in text


def test_each_time_can_be_chosen_or_off() -> None:
    keeping = Keeping(times=("30 4 * * *", "off", "0 7 * * 3"))
    stack = announcing.complete(samples.changed(samples.STACK, keeping=keeping))
    found = {job.name: job.schedule for job in stack.announced.jobs}
    assert found["backup"] == "30 4 * * *"
    assert found["verify"] == "0 7 * * 3"
    assert "pack" not in found


def test_a_piece_alone_runs_the_scripts_under_one_lock() -> None:
    alone = dataclasses.replace(samples.STACK, alone=True, services=("cron",))
    commands = jobs(announcing.complete(alone))
    lock = ["/usr/bin/flock", "-w", "7200", "/b/var/stack/maintenance.lock"]
    assert [*lock, "/b/bin/backup", "-q"] in commands
    assert [*lock, "/b/bin/zeopack"] in commands


def test_commands_are_absolute() -> None:
    """cron's PATH leads nowhere."""
    assert all(words[0].startswith("/") for words in jobs(samples.STACK))


def test_spaces_and_percent_free() -> None:
    """A folder with spaces is one word for the shell."""
    places = dataclasses.replace(samples.FOLDERS, var="/my site/var/stack")
    stack = dataclasses.replace(samples.STACK, folders=places)
    alone = announcing.complete(
        dataclasses.replace(stack, alone=True, services=("cron",))
    )
    assert [words[3] for words in jobs(alone) if words[0] == "/usr/bin/flock"][:1] == [
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
    minute, hour, *rest = cron.weekly(stack, job, cron.SUNDAY).split()
    assert (int(minute) in range(60), hour in {"6", "7"}) == (True, True)
    assert rest == ["*", "*", "0"]


def test_same_folder_same_time() -> None:
    """A time does not move from one run to the next."""
    assert cron.daily(samples.STACK, "backup") == cron.daily(samples.STACK, "backup")
