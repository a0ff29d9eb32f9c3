"""Who holds a lock, who waits for it, and who is told."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.machine import locks


def busy(holder: str) -> str:
    return f"taken by {holder or 'nobody knows'}"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a lock whose folder is not there yet."""
    return tmp_path / "var/one.lock"


def test_a_lock_is_private_and_names_its_holder(path: Path) -> None:
    with locks.held(path, "me (pid 7)", busy) as handle:
        assert path.read_text() == "me (pid 7)"
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.parent.stat().st_mode & 0o777 == 0o700
        assert locks.is_held(str(path))
        assert not os.get_inheritable(handle)
    assert path.read_text() == ""
    assert not locks.is_held(str(path))


def test_who_may_not_wait_is_told_who_holds_it(path: Path) -> None:
    told: list[str] = []
    with locks.held(path, "first", busy):
        with (
            pytest.raises(ControlError, match=r"^taken by first$"),
            locks.held(path, "second", busy, tell=told.append),
        ):
            pytest.fail("two hold it")
        assert path.read_text() == "first"
    assert told == []
    with locks.held(path, "second", busy):
        assert path.read_text() == "second"


def test_who_waits_is_told_once_and_gets_it(path: Path) -> None:
    told: list[str] = []
    waits = threading.Event()

    def tell(holder: str) -> None:
        told.append(holder)
        waits.set()

    def wait() -> None:
        with locks.held(path, "second", busy, 30, tell):
            told.append(path.read_text())

    thread = threading.Thread(target=wait)
    with locks.held(path, "first", busy):
        thread.start()
        assert waits.wait(30)
    thread.join(30)
    assert told == ["first", "second"]


def test_waiting_ends(path: Path) -> None:
    told: list[str] = []
    path.parent.mkdir()
    with path.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        with (
            pytest.raises(ControlError, match="taken by nobody knows"),
            locks.held(path, "second", busy, 0.3, told.append),
        ):
            pytest.fail("two hold it")
    assert told == [""]


def test_a_program_keeps_the_lock_that_it_was_given(path: Path) -> None:
    with locks.held(path, "first", busy) as handle:
        child = subprocess.Popen(
            [sys.executable, "-c", "input()"],
            stdin=subprocess.PIPE,
            pass_fds=[handle],
        )
    assert locks.is_held(str(path))
    child.communicate(b"\n")
    assert not locks.is_held(str(path))


def test_what_is_not_there_is_not_held(path: Path) -> None:
    assert not locks.is_held(str(path))
    assert not path.exists()
