"""Where something listens, and what no configuration can hold."""

from __future__ import annotations

import re
from dataclasses import dataclass

LAST_PORT = 65535

SOCKET_LIMIT = 97
"""Bytes of a socket's path that HAProxy accepts; the others take a few more."""

UNSAFE = re.compile(r"[%$\"\\\x00-\x1f\x7f\x85\u2028\u2029]")
"""What no path or value that reaches a configuration may hold."""


def unsafe_in(path: str) -> str:
    """Name what a configuration would misread in a path, or return nothing."""
    if found := UNSAFE.search(path):
        shown = found[0] if found[0].isprintable() else ascii(found[0])[1:-1]
        return f"the character {shown}"
    return "a semicolon after a space" if " ;" in path else ""


ANY_HOST = frozenset({"", "0.0.0.0", "::", "*"})
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, slots=True, order=True)
class Address:
    """A TCP host and port, or the path of a Unix socket."""

    host: str = ""
    port: int = 0
    path: str = ""

    def __str__(self) -> str:
        """Return ``host:port``, ``[v6]:port`` or the socket's path."""
        if self.path:
            return self.path
        return (
            f"[{self.host}]:{self.port}"
            if ":" in self.host
            else f"{self.host}:{self.port}"
        )

    @property
    def is_public(self) -> bool:
        """Whether other machines may reach it (every interface, or not loopback)."""
        return (
            not self.path
            and self.host not in LOOPBACK
            and not self.host.startswith("127.")
        )

    @property
    def is_everywhere(self) -> bool:
        """Whether it listens on all interfaces."""
        return not self.path and self.host in ANY_HOST

    @property
    def to_connect(self) -> Address:
        """The address to connect to on this machine (a wildcard is no target)."""
        if self.path or (self.host not in ANY_HOST and self.host != "localhost"):
            return self
        return Address("::1" if self.host == "::" else "127.0.0.1", self.port)

    def clashes_with(self, other: Address) -> bool:
        """Whether both cannot be listened on at the same time."""
        if self.path or other.path:
            return bool(self.path) and self.path == other.path
        if self.port != other.port:
            return False
        return (
            self.is_everywhere
            or other.is_everywhere
            or (self.to_connect.host == other.to_connect.host)
        )
