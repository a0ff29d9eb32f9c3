"""Talk to a running nginx."""

from __future__ import annotations

import dataclasses
import os
import signal
from collections.abc import Callable
from contextlib import AbstractContextManager
from contextlib import suppress
from pathlib import Path

from collective.recipe.productionstack.daemons import health
from collective.recipe.productionstack.daemons.nginx import modules
from collective.recipe.productionstack.daemons.nginx import upstreams
from collective.recipe.productionstack.daemons.nginx.process import Nginx
from collective.recipe.productionstack.daemons.nginx.upstreams import Differing
from collective.recipe.productionstack.daemons.roles import Server
from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.machine import waiting
from collective.recipe.productionstack.machine.net import sockets
from collective.recipe.productionstack.model.address import Address
from collective.recipe.productionstack.model.announced import CLIENT
from collective.recipe.productionstack.model.announced import Health
from collective.recipe.productionstack.model.announced import Program
from collective.recipe.productionstack.model.chain import BALANCER
from collective.recipe.productionstack.model.chain import CACHE
from collective.recipe.productionstack.model.chain import WEB_SERVER
from collective.recipe.productionstack.model.stack import Stack

TITLE = "nginx"

NO_QUEUE = (
    "nginx has no queue in which visitors could wait while no client serves. Restart "
    "without --hold (clients one after the other), or write: load-balancer = haproxy"
)

NO_BAN = (
    "nginx drops one address after the other; everything else goes by itself after a "
    "minute. Name the addresses, or write: proxy-cache = varnish"
)


class NginxBalancer(Nginx):
    """A running nginx, as it spreads requests over the clients.

    It tells nobody what it knows of them: each is asked here how it is, and the kernel
    which connections it has.
    """

    def __init__(self, stack: Stack, timeout: float) -> None:
        """Remember how long a client has for an answer."""
        super().__init__(stack, timeout)
        self.timeout = timeout

    def servers(self) -> dict[str, Server]:
        """Return the clients by name, each asked just now.

        Raises ControlError where nginx does not run.
        """
        if not self.master():
            message = f"nginx does not run. Its log is in {self.stack.folders.log}."
            raise ControlError(message)
        told = upstreams.load(self.stack)
        addresses = self._addresses(told)
        answers = health.probe_all(map(_asked, addresses.items()), self.timeout)
        return {
            name: Server(
                name,
                _status(name in told.drained, answers[name]),
                sockets.connected(address),
            )
            for name, address in addresses.items()
        }

    def servers_seen(self) -> dict[str, Server]:
        """Return the clients by name; empty when nginx does not run."""
        with suppress(ControlError):
            return self.servers()
        return {}

    def counters(self) -> dict[str, int]:
        """Return nothing: nobody waits here, and nothing is counted."""
        return {}

    def drained(self) -> list[str]:
        """Return the clients that were told to take nothing new."""
        return sorted(upstreams.load(self.stack).drained)

    def set_state(self, name: str, state: str) -> None:
        """Give a client ``drain`` (nothing new) or ``ready``, by a reload.

        Raises ControlError when nginx stays with what it had.
        """
        told = upstreams.load(self.stack)
        wanted = told.drained | {name} if state == "drain" else told.drained - {name}
        self._tell(dataclasses.replace(told, drained=wanted))

    def holding(self) -> AbstractContextManager[None]:
        """Refuse: nothing waits here.

        Raises ControlError always.
        """
        raise ControlError(NO_QUEUE)

    def is_holding(self) -> bool:
        """Return False: nobody waits here."""
        return False

    def let_go(self) -> None:
        """Do nothing: nobody is held."""

    def keep_all(self, *, asking: bool) -> None:
        """Do nothing: no client is asked how it is."""

    def add(self, name: str, address: Address, most: int) -> None:
        """Know one more client until the next reload; ``most`` is its own affair."""
        del most
        told = upstreams.load(self.stack)
        if name in told.removed:
            self._tell(dataclasses.replace(told, removed=told.removed - {name}))
        else:
            added = {**told.added, name: str(address)}
            self._tell(dataclasses.replace(told, added=added))

    def remove(self, name: str) -> None:
        """Forget a client until the next reload; what it has in hand it finishes."""
        told = upstreams.load(self.stack)
        added = {one: where for one, where in told.added.items() if one != name}
        removed = told.removed if name in told.added else told.removed | {name}
        self._tell(
            Differing(drained=told.drained - {name}, removed=removed, added=added)
        )

    def wait_idle(
        self, names: set[str], seconds: float, stop: Callable[[], bool] = lambda: False
    ) -> bool:
        """Wait until drained clients have no connection; return whether that came true.

        Workers from before a reload close those that nobody uses.
        """
        every = self._addresses(upstreams.load(self.stack))
        addresses = [every[name] for name in names if name in every]
        return waiting.until(
            lambda: not any(map(sockets.connected, addresses)), seconds, 0.05, stop
        )

    def busy(self, names: set[str]) -> str:
        """Return which of these clients still has requests, in words."""
        every = self._addresses(upstreams.load(self.stack))
        had = [one for one in sorted(names) if sockets.connected(every[one])]
        return f"{', '.join(had or sorted(names))} still had requests"

    def _addresses(self, told: Differing) -> dict[str, Address]:
        found = {client.name: client.address for client in self.stack.zope.clients}
        for name, text in told.added.items():
            host, _, port = text.rpartition(":")
            found[name] = Address(host.strip("[]"), int(port))
        return {name: at for name, at in found.items() if name not in told.removed}

    def _tell(self, told: Differing) -> None:
        """Write it down and reload; what was before comes back where that fails."""
        before = upstreams.load(self.stack)
        if told == before:
            return
        upstreams.save(self.stack, told)
        try:
            self.take_in(self._hang_up)
        except ControlError as error:
            upstreams.save(self.stack, before)
            raise ControlError(str(error)) from error

    def _hang_up(self) -> None:
        """Let the master read its files again; ControlError where there is none."""
        if not (master := self.master()):
            message = f"nginx does not run. Its log is in {self.stack.folders.log}."
            raise ControlError(message)
        with suppress(ProcessLookupError):
            os.kill(master, signal.SIGHUP)


class NginxCache(Nginx):
    """A running nginx, as it keeps answers."""

    exact = True

    def ban(self, *words: str) -> None:
        """Refuse: it drops one address after the other.

        Raises ControlError always.
        """
        del words
        raise ControlError(NO_BAN)

    def step_aside(self, seconds: float) -> bool:
        """Return True: it is the web server that goes on."""
        del seconds
        return True

    def counters(self) -> dict[str, int]:
        """Return nothing: nothing is counted."""
        return {}

    def shortcoming(self) -> str:
        """Say why an edit drops nothing here, empty where it does."""
        path = Path(self.stack.folders.applied, "nginx/cache.conf")
        try:
            purges = "keptlong" in path.read_text(encoding="utf-8")
        except OSError:
            return ""
        if purges:
            return ""
        return (
            "pages are kept for two seconds at most: nginx has no module that drops "
            f"what is edited. Install {modules.PURGE_PACKAGE}, then run bin/buildout"
        )


def _asked(client: tuple[str, Address]) -> Program:
    """Return a client as what asks how programs are takes it."""
    name, address = client
    how = Health(address=address, path="/@@ok")
    return Program(name=name, kind=CLIENT, command=(), health=how)


def _status(is_drained: bool, answer: str) -> str:  # noqa: FBT001
    if is_drained:
        return "DRAIN"
    return "UP" if answer == health.OK else f"DOWN ({answer})"


FILLS = {WEB_SERVER: Nginx, BALANCER: NginxBalancer, CACHE: NginxCache}
