"""What little the daemons need: 1024 open files, no root, one folder."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from collective.recipe.productionstack.plan import rendering
from tests.daemons import stage
from tests.daemons.stage import Stage

pytestmark = pytest.mark.usefixtures("daemons")


@pytest.fixture(scope="module")
def few(web: str) -> Iterator[Stage]:
    """Give the chain where nobody may open more than 1024 files."""
    with Stage(files=1024, web_server=web) as one:
        yield one.start()


def test_every_daemon_serves_with_1024_open_files(few: Stage) -> None:
    replies = stage.at_once(100, lambda: few.get("/x"))

    assert stage.statuses(replies) == {200: 100}
    for name, process in few.running.items():
        limits = Path(f"/proc/{process.pid}/limits").read_text()
        assert re.search(r"Max open files +1024 +1024 ", limits), name


def test_haproxy_computes_its_own_maxconn(few: Stage) -> None:
    found = re.search(r"^Maxconn: (\d+)$", few.balancer("show info"), re.MULTILINE)

    assert found
    assert 200 < int(found[1]) < 1024


def test_no_daemon_complains_about_root(few: Stage) -> None:
    lines = "\n".join(few.said(name) for name in few.running).lower().splitlines()
    # Varnish 7.7: its log can be swapped out, that is all (how-to/tune-the-cache).
    said = "\n".join(line for line in lines if "mlock() of vsm failed" not in line)
    log = few.log("error").read_text().lower()

    for word in ("permission", "denied", " root", "emerg", "cannot", "alert"):
        assert word not in said
    assert "permission denied" not in log


@pytest.mark.parametrize(
    "line",
    [r"^\s*user\s", r"^\s*group\s", r"^\s*chroot\s", r"^\s*daemon(?! off)\b", r"^su\b"],
)
def test_no_file_asks_for_what_only_root_may(few: Stage, line: str) -> None:
    for file in rendering.tree_of(few.stack).files:
        assert not re.search(line, file.text, re.MULTILINE), file.path


def test_nothing_lies_outside_the_folder(few: Stage) -> None:
    """Every open file for writing is below the buildout or no file at all."""
    for process in few.running.values():
        for link in Path(f"/proc/{process.pid}/fd").iterdir():
            target = str(link.readlink())
            allowed = (few.stack.folders.buildout, "/dev/", "/usr/", "socket:", "pipe:")
            assert target.startswith((*allowed, "anon_inode:", "/memfd:")), target
