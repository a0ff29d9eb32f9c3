"""Talk to HAProxy over its runtime socket."""

from __future__ import annotations

import csv
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager

from collective.recipe.productionstack.daemons.haproxy import holding
from collective.recipe.productionstack.daemons.haproxy.servers import BACKEND
from collective.recipe.productionstack.daemons.haproxy.servers import backend
from collective.recipe.productionstack.daemons.haproxy.servers import parameters
from collective.recipe.productionstack.daemons.roles import Server
from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.machine import processes
from collective.recipe.productionstack.machine import waiting
from collective.recipe.productionstack.model.address import Address
from collective.recipe.productionstack.model.chain import BALANCER
from collective.recipe.productionstack.model.stack import Stack

TITLE = "HAProxy"
IDLE_SECONDS = 15.0
RELOAD_SECONDS, RELOAD_TRIES = 4.0, 4

FORCED_MAINT, FORCED_DRAIN = 0x01, 0x08

NO_CLIENTS = frozenset({"BACKEND", "FRONTEND", holding.SERVER})
"""Rows of its statistics that are about something else."""


class Haproxy:
    """A running HAProxy."""

    def __init__(self, stack: Stack, timeout: float) -> None:
        """Remember the socket; nothing is connected yet."""
        self.path = stack.socket("haproxy").path
        self.room = stack.socket("hold")
        self.address = stack.chain.balancer.to_connect
        self.log = stack.folders.log
        self.timeout = timeout
        self.balancing = stack.zope.balancing
        self.pools = {
            name: pool for pool in self.balancing.pools for name in pool.clients
        }
        self.backends = {BACKEND, *map(backend, self.balancing.pools)}
        # HAProxy sends who is sticky even to a drained server.
        self.away = "maint" if self.balancing.sticky else "drain"

    def servers(self) -> dict[str, Server]:
        """Return the servers of all backends.

        Raises ControlError when HAProxy does not answer.
        """
        return {
            row["svname"]: Server(
                row["svname"],
                row["status"],
                int(row["scur"] or 0),
                "" if row["pxname"] == BACKEND else row["pxname"],
            )
            for row in self._statistics()
            if row["pxname"] in self.backends and row["svname"] not in NO_CLIENTS
        }

    def servers_seen(self) -> dict[str, Server]:
        """Return the servers of all backends; empty when HAProxy does not answer."""
        try:
            return self.servers()
        except ControlError:
            return {}

    def counters(self) -> dict[str, int]:
        """Return what waits now, and what was counted; empty when it is not there."""
        try:
            rows = [row for row in self._statistics() if row["svname"] == "BACKEND"]
        except ControlError:
            return {}
        return {
            "waiting": sum(int(row["qcur"] or 0) for row in rows),
            "waited_at_most": max((int(row["qmax"] or 0) for row in rows), default=0),
            "errors": sum(int(row["hrsp_5xx"] or 0) for row in rows),
        }

    def drained(self) -> list[str]:
        """Return the servers that were told to take nothing new, up or down."""
        away = FORCED_MAINT | FORCED_DRAIN
        return [
            name
            for name, told in self._told().items()
            if told & away and name not in NO_CLIENTS
        ]

    def worker(self) -> int:
        """Return the pid of the worker that answers, 0 when none does."""
        try:
            lines = self.ask("show info").splitlines()
        except ControlError:
            return 0
        found = [line.partition(":")[2] for line in lines if line.startswith("Pid:")]
        return int(found[0]) if found else 0

    def master(self) -> int:
        """Return the parent of the worker, 0 when none answers."""
        worker = processes.process(self.worker())
        return worker.parent if worker else 0

    def reload(self, send: Callable[[], None]) -> None:
        """Send its signal and see that another worker comes; drained ones stay so.

        Raises ControlError when none does: then HAProxy refuses its files.
        """
        drained, before = self.drained(), self.worker()
        if not any(self._has_another(before, send) for _ in range(RELOAD_TRIES)):
            message = (
                "haproxy did not take the configuration in and serves on with the old "
                f"one. Its log in {self.log} says why."
            )
            raise ControlError(message)
        # A new worker knows nothing of it.
        for name in self.servers_seen().keys() & set(drained):
            self.set_state(name, "drain")

    def set_state(self, name: str, state: str) -> None:
        """Give a server ``drain`` (nothing new) or ``ready``.

        Raises ControlError where HAProxy does not answer or refuses.
        """
        wanted, place = self.away if state == "drain" else state, self._place(name)
        self._tell(f"set server {place} state {wanted}")
        if state == "ready":
            # Who leaves drain takes nobody from the queue, until the next one comes:
            # a new limit, the same, makes it look there.
            self._tell(f"set maxconn server {place} {self._limit(name)}")

    def holding(self) -> AbstractContextManager[None]:
        """Let visitors wait while no client serves; else ControlError."""
        server = f"{BACKEND}/{holding.SERVER}"
        return holding.holding(
            self.room,
            self.address,
            lambda state: self._tell(f"set server {server} state {state}"),
            lambda: self._number(holding.SERVER, "scur") > 0,
            lambda: self._number("BACKEND", "qcur") == 0,
        )

    def is_holding(self) -> bool:
        """Whether visitors wait while no client serves; no where it is not known."""
        told = self._told()
        return holding.SERVER in told and not told[holding.SERVER] & FORCED_MAINT

    def let_go(self) -> None:
        """Hold nobody any more, where one that held visitors was killed meanwhile."""
        if self.is_holding():
            self._tell(f"set server {BACKEND}/{holding.SERVER} state maint")

    def keep_all(self, *, asking: bool) -> None:
        """Ask no client how it is, so that none is taken out, or ask again."""
        for name in self.servers():
            word = "enable" if asking else "disable"
            self._tell(f"{word} health {self._place(name)}")

    def add(self, name: str, address: Address, most: int) -> None:
        """Make a server until the next reload; ``most`` requests at a time."""
        pool, place = self.pools.get(name), self._place(name)
        alone = pool is not None and len(pool.clients) == 1
        watched = parameters(self.balancing, alone=alone)
        self._tell(
            f"add server {place} {address} maxconn {most} {watched}",
            "New server registered",
        )
        self._tell(f"enable server {place}")
        self._tell(f"enable health {place}")

    def remove(self, name: str) -> None:
        """Forget a server until the next reload; its connections are closed.

        Raises ControlError where HAProxy refuses; the server serves on then.
        """
        place = self._place(name)
        self.set_state(name, "maint")
        self._tell(f"shutdown sessions server {place}")
        # Kept connections take a moment to end.
        for _ in waiting.tries(IDLE_SECONDS, 0.2):
            said = self.ask(f"del server {place}")
            if "Server deleted" in said:
                return
        self.set_state(name, "ready")
        message = f"HAProxy does not forget {name}: {said.strip()}. It serves on."
        raise ControlError(message)

    def wait_idle(
        self,
        names: set[str],
        seconds: float,
        stop: Callable[[], bool] = lambda: False,
    ) -> bool:
        """Wait until servers have no requests; return whether that came true.

        As long as HAProxy does not answer it is not so, nor while a worker from before
        a reload is there: it knows nothing of what servers were told since.
        """
        return waiting.until(
            lambda: self._idle(names) and self._is_alone(),
            seconds,
            0.05,
            stop,
        )

    def busy(self, names: set[str]) -> str:
        """Return which of these servers still has requests, and where, in words."""
        seen = self.servers_seen()
        had = [name for name in sorted(names) if name in seen and seen[name].requests]
        if had or not seen or self._is_alone():
            return f"{', '.join(had or sorted(names))} still had requests"
        return (
            f"{', '.join(sorted(names))} may still have had requests in HAProxy's "
            "worker from before the last reload (it ends 2 minutes after it at most)"
        )

    def ask(self, text: str) -> str:
        """Send one command and return the answer.

        Raises ControlError when HAProxy does not answer.
        """
        try:
            return self._exchange(text)
        except OSError as error:
            message = f"HAProxy does not answer on {self.path} ({error}). See var/log."
            raise ControlError(message) from None

    def _statistics(self) -> list[dict[str, str]]:
        """Return a row for each server and more; ControlError without an answer."""
        return list(csv.DictReader(self.ask("show stat").lstrip("# ").splitlines()))

    def _told(self) -> dict[str, int]:
        """Return what servers were told, as bits; empty when HAProxy does not answer.

        The columns and bits are those of its management guide, "show servers state".
        """
        try:
            lines = self.ask("show servers state").splitlines()
        except ControlError:
            return {}
        rows = [line.split() for line in lines if line and not line.startswith("#")]
        return {row[3]: int(row[6]) for row in rows if row[6:]}

    def _number(self, name: str, column: str) -> int:
        """Return what HAProxy counts of one server, or all, of the clients' backend."""
        rows = [row for row in self._statistics() if row["pxname"] == BACKEND]
        return sum(int(row[column] or 0) for row in rows if row["svname"] == name)

    def _limit(self, name: str) -> int:
        """Return how many requests a server takes at a time; 0: as many as come."""
        rows = [row for row in self._statistics() if row["svname"] == name]
        return int(rows[0]["slim"] or 0) if rows else 0

    def _place(self, name: str) -> str:
        return f"{backend(self.pools.get(name))}/{name}"

    def _tell(self, text: str, answer: str = "") -> None:
        """Send a command that must be answered by silence, or by these words."""
        said = self.ask(text).strip()
        if answer not in said or (said and not answer):
            message = f"HAProxy refuses: {text}: {said}. Its log is in var/log."
            raise ControlError(message)

    def _idle(self, names: set[str]) -> bool:
        seen = self.servers_seen()
        return bool(seen) and not any(
            one.requests for one in seen.values() if one.name in names
        )

    def _has_another(self, before: int, send: Callable[[], None]) -> bool:
        """Send the signal; a master that has just reloaded may lose it."""
        send()
        return waiting.until(lambda: self.worker() not in {0, before}, RELOAD_SECONDS)

    def _is_alone(self) -> bool:
        """Whether no worker from before a reload still ends what it had begun."""
        worker, table = self.worker(), processes.table()
        if worker not in table:
            return False
        return processes.children(table, table[worker].parent) == [worker]

    def _exchange(self, text: str) -> str:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as one:
            one.settimeout(self.timeout)
            one.connect(self.path)
            one.sendall(f"{text}\n".encode())
            parts = []
            while data := one.recv(65536):
                parts.append(data)
        return b"".join(parts).decode(errors="replace")


FILLS = {BALANCER: Haproxy}
