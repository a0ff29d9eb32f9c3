"""Who listens where: the kernel's tables of sockets, matched with processes."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from collective.recipe.productionstack.machine import processes
from collective.recipe.productionstack.model.address import Address

LISTENING = "0A"
CONNECTED = frozenset({"01", "02", "03"})
"""Established, or about to be (include/net/tcp_states.h)."""
UNIX_LISTENING = 0x10000
UNKNOWN = -1
"""The kernel does not say whose a Unix socket is."""


@dataclass(frozen=True, slots=True)
class Listener:
    """A listening socket; ``inode`` is how its process' descriptors name it."""

    address: Address
    inode: str
    uid: int


def listening() -> Iterator[Listener]:
    """Yield every listening TCP and Unix socket of this machine."""
    for name in ("tcp", "tcp6"):
        for words in _rows(f"net/{name}"):
            if words[3] == LISTENING:
                yield Listener(_decode(words[1]), words[9], int(words[7]))
    for words in _rows("net/unix"):
        if len(words) > 7 and int(words[3], 16) & UNIX_LISTENING:  # noqa: PLR2004
            yield Listener(Address(path=" ".join(words[7:])), words[6], UNKNOWN)


def connected(address: Address) -> int:
    """Count the connections from this machine to an address, whoever has them."""
    wanted = _resolved(address)
    rows = (words for name in ("tcp", "tcp6") for words in _rows(f"net/{name}"))
    return sum(
        words[3] in CONNECTED and _decode(words[2]) in wanted
        for words in rows
        if len(words) > 3  # noqa: PLR2004
    )


def _resolved(address: Address) -> set[Address]:
    """Return an address with its name replaced by the numbers that it stands for."""
    try:
        found = socket.getaddrinfo(
            address.host.strip("[]"), address.port, type=socket.SOCK_STREAM
        )
    except OSError:
        return {address}
    return {Address(str(one[4][0]), address.port) for one in found}


def _rows(name: str) -> Iterator[list[str]]:
    try:
        lines = (processes.PROC / name).read_text(errors="replace").splitlines()[1:]
    except OSError:
        lines = []
    return (line.split() for line in lines)


def _decode(text: str) -> Address:
    """Read an address as the kernel prints it: 32-bit words in the machine's order."""
    host, _, port = text.partition(":")
    words = [int(host[at : at + 8], 16) for at in range(0, len(host), 8)]
    packed = b"".join(word.to_bytes(4, sys.byteorder) for word in words)
    kind = socket.AF_INET if len(packed) == 4 else socket.AF_INET6  # noqa: PLR2004
    shown = socket.inet_ntop(kind, packed)
    return Address(shown.removeprefix("::ffff:"), int(port, 16))


def owners(inodes: set[str]) -> dict[str, set[int]]:
    """Return the processes of this user that hold sockets, by inode."""
    found: dict[str, set[int]] = {}
    for folder in processes.PROC.iterdir():
        if folder.name.isdigit() and _is_mine(folder):
            for target in processes.open_files(int(folder.name)):
                inode = target.removeprefix("socket:[").rstrip("]")
                if target.startswith("socket:[") and inode in inodes:
                    found.setdefault(inode, set()).add(int(folder.name))
    return found


def _is_mine(folder: Path) -> bool:
    try:
        return folder.stat().st_uid == os.getuid()
    except OSError:
        return False
