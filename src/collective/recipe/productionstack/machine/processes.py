"""The process table as the kernel tells it; standard library only, quick."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
GONE = frozenset("ZX")
"""States of a process that has ended: a zombie holds nothing any more."""

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Process:
    """One process; ``ticks`` is when it started, in clock ticks since boot."""

    pid: int
    parent: int
    state: str
    ticks: int
    memory: int

    @property
    def uptime(self) -> float:
        """Seconds since it started."""
        return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - self.ticks / _TICKS)


Table = dict[int, Process]


def table() -> Table:
    """Return every process that has not ended, by pid."""
    pids = (int(path.name) for path in PROC.iterdir() if path.name.isdigit())
    found = (process(pid) for pid in pids)
    return {one.pid: one for one in found if one is not None}


def process(pid: int) -> Process | None:
    """Return one process, or None when it has ended."""
    try:
        text = (PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    # The name stands in parentheses and may itself hold spaces and parentheses.
    fields = text.rpartition(")")[2].split()
    if fields[0] in GONE:
        return None
    memory = int(fields[21]) * _PAGE
    return Process(pid, int(fields[1]), fields[0], int(fields[19]), memory)


def control_groups(pid: int) -> set[str]:
    """Return the names of the control groups around a process, at any height."""
    try:
        text = (PROC / str(pid) / "cgroup").read_text(errors="replace")
    except OSError:
        return set()
    return {name for line in text.splitlines() for name in line.split("/")[1:]}


def alive(pid: int) -> bool:
    """Whether a process still runs."""
    return process(pid) is not None


def has_capability(pid: int, number: int) -> bool:
    """Whether a process has an effective capability (capabilities(7))."""
    try:
        text = (PROC / str(pid) / "status").read_text()
    except OSError:
        return False
    mask = text.partition("CapEff:")[2].split()[:1] or ["0"]
    return bool(int(mask[0], 16) >> number & 1)


def environment(pid: int) -> dict[str, str]:
    """Return what a process was started with; empty where we may not look."""
    try:
        data = (PROC / str(pid) / "environ").read_bytes()
    except OSError:
        return {}
    pairs = (os.fsdecode(item).partition("=") for item in data.split(b"\0") if item)
    return {name: value for name, _, value in pairs}


def arguments(pid: int) -> list[str]:
    """Return the words of a process' command line; none before it has any, or after."""
    try:
        data = (PROC / str(pid) / "cmdline").read_bytes()
    except OSError:
        return []
    text = os.fsdecode(data).rstrip("\0")
    return text.split("\0") if text else []


def command(pid: int) -> str:
    """Return a process' command line for people to read."""
    return " ".join(arguments(pid)).strip()


def children(processes: Table, pid: int) -> list[int]:
    """Return the direct children of a process."""
    return [one.pid for one in processes.values() if one.parent == pid]


def family(processes: Table, pid: int) -> list[int]:
    """Return a process and all its descendants."""
    found, waiting = [], [pid]
    while waiting:
        one = waiting.pop()
        if one in processes and one not in found:
            found.append(one)
            waiting += children(processes, one)
    return found


def memory(processes: Table, pids: Iterable[int]) -> int:
    """Return the bytes in memory of processes and their descendants."""
    every = {one for pid in pids for one in family(processes, pid)}
    return sum(processes[pid].memory for pid in every)


def open_files(pid: int) -> Iterator[str]:
    """Yield where the open descriptors of a process lead; none of other users."""
    folder = PROC / str(pid) / "fd"
    with suppress(OSError):
        for path in folder.iterdir():
            with suppress(OSError):
                # As text: "socket:[123]" is no path.
                yield os.readlink(path)  # noqa: PTH115


def holders(path: str) -> set[int]:
    """Return the processes of this user that hold a file open."""
    real = os.path.realpath(path)
    pids = (int(path.name) for path in PROC.iterdir() if path.name.isdigit())
    return {pid for pid in pids if alive(pid) and real in open_files(pid)}
