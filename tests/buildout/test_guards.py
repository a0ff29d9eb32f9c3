"""What stops a run before anything happens."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from collective.recipe.productionstack.buildout import guards
from collective.recipe.productionstack.errors import StackError


class Buildout(dict[str, dict[str, str]]):
    """Just the section that is asked for."""

    def __init__(self, **options: str) -> None:
        super().__init__(buildout=options)


@pytest.fixture
def root(monkeypatch: pytest.MonkeyPatch) -> None:
    """Be root, as far as this process can tell."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)


def test_root_is_refused(root: None) -> None:
    """Root gets one clear sentence."""
    with pytest.raises(StackError, match="Refusing to run buildout as root"):
        guards.refuse_root(Buildout())


def test_root_may_insist(root: None, caplog: pytest.LogCaptureFixture) -> None:
    """``allow-root`` lifts that, with a warning."""
    with caplog.at_level(logging.WARNING):
        guards.refuse_root(Buildout(**{"allow-root": "true"}))
    assert caplog.messages == ["running as root because of [buildout] allow-root"]


def test_users_are_welcome() -> None:
    """Everybody else is let in without a word."""
    if os.geteuid() != 0:
        guards.refuse_root(Buildout())


HOLD = """
import os, subprocess, sys
from collective.recipe.productionstack.buildout import guards
from collective.recipe.productionstack.errors import StackError
try:
    guards.hold_lock(sys.argv[1])
    guards.hold_lock(sys.argv[1])
except StackError as error:
    sys.exit(str(error))
if sys.argv[2:]:
    print("holding", flush=True)
    if sys.argv[2] == "wait":
        sys.stdin.read()
    else:  # as buildout does when it has upgraded itself
        sys.exit(subprocess.call([sys.executable, "-c", sys.argv[3], sys.argv[1]]))
"""


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start a process that takes the lock."""
    return subprocess.Popen(
        (sys.executable, "-c", HOLD, str(folder), *arguments),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_second_run(tmp_path: Path) -> None:
    """A second run is refused at once, and let in when the first has ended."""
    with start(tmp_path, "wait") as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "holding\n"
        second = start(tmp_path)
        said = second.communicate(timeout=20)[1]
        assert second.returncode == 1
        assert said.startswith(f"Another buildout runs in {tmp_path} at this moment.")
        first.communicate("", timeout=20)
    third = start(tmp_path)
    third.communicate(timeout=20)
    assert third.returncode == 0


def test_own_child_is_let_in(tmp_path: Path) -> None:
    """buildout runs itself again after an upgrade: that is no second run."""
    first = start(tmp_path, "child", HOLD)
    said = first.communicate(timeout=20)[1]
    assert first.returncode == 0, said
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("alive", "installed", "said"),
    [
        (["nginx"], False, "its programs run: nginx. Stop them first: bin/stack down"),
        ([], True, "its jobs stand in your crontab. Take them out first: bin/stack"),
    ],
)
def test_live_stack_is_not_dropped(
    monkeypatch: pytest.MonkeyPatch, alive: list[str], said: str, *, installed: bool
) -> None:
    """A stack that still does something is not removed, and the way out is named."""
    from collective.recipe.productionstack.daemons.cron import control as crontab
    from collective.recipe.productionstack.machine import own_processes

    monkeypatch.setattr(own_processes, "is_running", lambda *_: alive)
    monkeypatch.setattr(crontab, "installed", lambda *_: installed)
    with pytest.raises(StackError) as error:
        guards.refuse_live("/b", "stack")
    assert said in str(error.value)


def test_stack_at_rest_may_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stack that does nothing is in nobody's way."""
    from collective.recipe.productionstack.daemons.cron import control as crontab
    from collective.recipe.productionstack.machine import own_processes

    monkeypatch.setattr(own_processes, "is_running", lambda *_: [])
    monkeypatch.setattr(crontab, "installed", lambda *_: False)
    guards.refuse_live("/b", "stack")


def test_somebody_else_is_told_who_builds_here(tmp_path: Path) -> None:
    """The tests run as an ordinary user; /etc/passwd is root's."""
    theirs = {"buildout": {"directory": "/etc", "installed": "passwd"}}
    with pytest.raises(StackError, match=r"is root's.* sudo -u root -H bin/buildout"):
        guards.refuse_others(theirs)
    ours = {"buildout": {"directory": str(tmp_path), "installed": ".installed.cfg"}}
    guards.refuse_others(ours)
    (tmp_path / ".installed.cfg").touch()
    guards.refuse_others(ours)
