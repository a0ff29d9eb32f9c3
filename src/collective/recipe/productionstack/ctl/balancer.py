"""Talk to HAProxy over its runtime socket."""

from __future__ import annotations

import csv
import socket
import time
from dataclasses import dataclass

from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.model import Stack

BACKEND = "plone"


@dataclass(frozen=True, slots=True)
class Server:
    """One server of the backend: its state and how many requests it has now."""

    name: str
    status: str
    requests: int

    @property
    def is_up(self) -> bool:
        """Whether it gets requests (``UP 1/2`` is on its way down or up)."""
        return self.status == "UP" or self.status.startswith("no check")


class Balancer:
    """A running HAProxy."""

    def __init__(self, stack: Stack, timeout: float = 2) -> None:
        """Remember the socket; nothing is connected yet."""
        self.path = stack.socket("haproxy").path
        self.timeout = timeout

    def servers(self) -> dict[str, Server]:
        """Return the servers of the backend; empty when HAProxy does not answer."""
        try:
            lines = self.ask("show stat").lstrip("# ").splitlines()
        except ControlError:
            return {}
        rows = [row for row in csv.DictReader(lines) if row["pxname"] == BACKEND]
        return {
            row["svname"]: Server(row["svname"], row["status"], int(row["scur"] or 0))
            for row in rows
            if row["svname"] not in {"BACKEND", "FRONTEND"}
        }

    def worker(self) -> int:
        """Return the pid of the worker that answers, 0 when none does."""
        try:
            lines = self.ask("show info").splitlines()
        except ControlError:
            return 0
        found = [line.partition(":")[2] for line in lines if line.startswith("Pid:")]
        return int(found[0]) if found else 0

    def set_state(self, name: str, state: str) -> None:
        """Give a server ``drain`` (nothing new) or ``ready``."""
        said = self.ask(f"set server {BACKEND}/{name} state {state}").strip()
        if said:
            message = (
                f"HAProxy did not set {name} to {state}: {said}. Its log is in var/log."
            )
            raise ControlError(message)

    def wait_idle(self, names: set[str], seconds: float) -> bool:
        """Wait until servers have no requests; return whether that came true."""
        deadline = time.monotonic() + seconds
        while busy := self._busy(names):
            if time.monotonic() > deadline:
                return False
            time.sleep(min(0.2, 0.05 * busy))
        return True

    def ask(self, text: str) -> str:
        """Send one command and return the answer."""
        try:
            return self._exchange(text)
        except OSError as error:
            message = f"HAProxy does not answer on {self.path} ({error}). See var/log."
            raise ControlError(message) from None

    def _busy(self, names: set[str]) -> int:
        return sum(one.requests for one in self.servers().values() if one.name in names)

    def _exchange(self, text: str) -> str:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as one:
            one.settimeout(self.timeout)
            one.connect(self.path)
            one.sendall(f"{text}\n".encode())
            parts = []
            while data := one.recv(65536):
                parts.append(data)
        return b"".join(parts).decode(errors="replace")
