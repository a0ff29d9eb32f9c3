"""HTTP connections to addresses of either kind."""

from __future__ import annotations

import http.client
import socket

from collective.recipe.productionstack.model.address import Address

GREETING = b"PROXY UNKNOWN ::1 ::1 0 0\r\n"
"""How a connection that stands for nobody else begins, in version 1 of HAProxy's
protocol (doc/proxy-protocol.txt 2.1): whoever connects is who asks. What stands behind
UNKNOWN is for nobody; Apache cannot read less than 16 bytes."""


def connection(
    address: Address, timeout: float, *, proxied: bool = False
) -> http.client.HTTPConnection:
    """Return an HTTP connection to an address of either kind."""
    if address.path:
        return UnixConnection(address.path, timeout)
    target = address.to_connect
    kind = ProxiedConnection if proxied else http.client.HTTPConnection
    return kind(target.host, target.port, timeout=timeout)


class ProxiedConnection(http.client.HTTPConnection):
    """HTTP to who wants the PROXY protocol first."""

    def connect(self) -> None:
        """Connect and greet."""
        super().connect()
        self.sock.sendall(GREETING)


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str, timeout: float) -> None:
        """Remember the socket's path."""
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self) -> None:
        """Connect to the socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)
