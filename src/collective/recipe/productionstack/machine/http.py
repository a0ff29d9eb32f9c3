"""HTTP connections to addresses of either kind."""

from __future__ import annotations

import http.client
import socket

from collective.recipe.productionstack.model.address import Address


def connection(address: Address, timeout: float) -> http.client.HTTPConnection:
    """Return an HTTP connection to an address of either kind."""
    if address.path:
        return UnixConnection(address.path, timeout)
    target = address.to_connect
    return http.client.HTTPConnection(target.host, target.port, timeout=timeout)


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
