"""Ports for daemons that no other test, worker or program takes meanwhile.

They lie below the range that the kernel gives to outgoing connections. A row of them
is ours while a Unix socket of an abstract name is bound: the kernel lets one process
bind it, in the very network namespace whose ports these are, and forgets it when that
process ends.
"""

from __future__ import annotations

import atexit
import random
import socket
from pathlib import Path

ROW = 30
ROWS = 100
"""So many are enough for all who test at the same time."""

LOWEST = 12000
EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")

_ours: dict[int, socket.socket] = {}


@atexit.register
def _give_back_all() -> None:
    """Close what is still ours: Python would warn of each."""
    while _ours:
        _ours.popitem()[1].close()


def take(count: int = ROW) -> tuple[int, ...]:
    """Return free ports in a row, ours until given back or the end of this process.

    Raises AssertionError when no row is free.
    """
    assert count <= ROW, count
    # No two takers begin at the same place, and none where another has just ended.
    firsts = list(range(LOWEST, _highest() - ROW, ROW))
    random.SystemRandom().shuffle(firsts)
    for first in firsts:
        if _reserve(first):
            if all(map(is_free, range(first, first + ROW))):
                return tuple(range(first, first + count))
            _ours.pop(first).close()
    message = f"no {ROW} free ports in a row"
    raise AssertionError(message)


def give_back(ports: tuple[int, ...]) -> None:
    """Let others have them: call this when nothing listens there any more."""
    _ours.pop(ports[0]).close()


def is_free(port: int) -> bool:
    """Whether nobody listens there, on any address."""
    with socket.socket() as one:
        try:
            one.bind(("", port))
        except OSError:
            return False
    return True


def _highest() -> int:
    """Return where the kernel's own range begins, unless that leaves too few."""
    begins = int(EPHEMERAL.read_text().split()[0])
    return begins if begins - LOWEST > ROWS * ROW else LOWEST + 1000 * ROW


def _reserve(first: int) -> bool:
    one = socket.socket(socket.AF_UNIX)
    try:
        one.bind(f"\0collective.recipe.productionstack-test-ports-{first}")
    except OSError:
        one.close()
        return False
    _ours[first] = one
    return True
