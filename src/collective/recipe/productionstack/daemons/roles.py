"""What the rest asks of whoever fills a role: web server, cache, balancer.

A daemon's ``control.py`` says in ``FILLS`` which of its classes fills which role.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from contextlib import AbstractContextManager
from contextlib import nullcontext
from dataclasses import dataclass
from importlib import import_module
from typing import Any
from typing import Protocol

from collective.recipe.productionstack.model.address import Address
from collective.recipe.productionstack.model.announced import Program
from collective.recipe.productionstack.model.chain import BALANCER
from collective.recipe.productionstack.model.chain import CACHE
from collective.recipe.productionstack.model.chain import WEB_SERVER
from collective.recipe.productionstack.model.stack import Stack

TIMEOUT = 2.0
"""Seconds that a daemon has for an answer."""

UNMARKED = ("nginx",)
"""Daemons that overwrite the environment which names their stack."""


class Daemon(Protocol):
    """One that runs, in whatever role."""

    def reload(self, send: Callable[[], None]) -> None:
        """Let it take in the applied files; ``send`` gives it its program's signal.

        Raises ControlError when it stays with what it had.
        """

    def master(self) -> int:
        """Return the pid to send signals to by its own word, 0 when there is none."""


class WebServer(Daemon, Protocol):
    """Answers visitors."""

    def maintenance_text(self, hosts: list[str]) -> str:
        """Return the file by which it shows visitors of hosts the maintenance page."""

    def maintenance_hosts(self, text: str) -> set[str]:
        """Return the hosts that such a file names."""


class Cache(Daemon, Protocol):
    """Keeps pages."""

    exact: bool
    """Whether a purge drops one address, and not the same with any query."""

    def ban(self, *words: str) -> None:
        """Drop every stored object that the words of a ban describe.

        Raises ControlError when it refuses, or is not there.
        """

    def step_aside(self, seconds: float) -> bool:
        """Send the web server past it, and finish what it has been asked before.

        Return whether that was so in time. Raises ControlError when it cannot be asked.
        """

    def counters(self) -> dict[str, int]:
        """Return ``hits misses passed evicted failed_fetches cut_off``, or nothing."""

    def shortcoming(self) -> str:
        """Say why an edit drops nothing here, empty where it does."""


@dataclass(frozen=True, slots=True)
class Server:
    """A client as the balancer sees it: its state, and how many requests it has now.

    ``pool`` names the pool that it is in, and is empty where it serves everybody.
    """

    name: str
    status: str
    requests: int
    pool: str = ""

    @property
    def is_up(self) -> bool:
        """Whether it gets requests (``UP 1/2`` is on its way down or up)."""
        return self.status == "UP" or self.status.startswith("no check")


class Balancer(Daemon, Protocol):
    """Spreads requests over clients."""

    def servers(self) -> dict[str, Server]:
        """Return the clients by name.

        Raises ControlError where it does not answer: who has requests is not known.
        """

    def servers_seen(self) -> dict[str, Server]:
        """Return the clients by name; empty when it does not answer."""

    def counters(self) -> dict[str, int]:
        """Return ``waiting waited_at_most errors``, or nothing."""

    def drained(self) -> list[str]:
        """Return the clients that were told to take nothing new, up or down."""

    def set_state(self, name: str, state: str) -> None:
        """Give a client ``drain`` (nothing new) or ``ready``; else ControlError."""

    def holding(self) -> AbstractContextManager[None]:
        """Let visitors wait in the queue while no client serves.

        Raises ControlError where it cannot.
        """

    def is_holding(self) -> bool:
        """Whether visitors wait while no client serves; no where it is not known."""

    def let_go(self) -> None:
        """Hold nobody any more, where one that held visitors was killed meanwhile."""

    def keep_all(self, *, asking: bool) -> None:
        """Ask no client how it is, so that none is taken out, or ask again."""

    def add(self, name: str, address: Address, most: int) -> None:
        """Know one more client until the next reload, ``most`` requests at a time."""

    def remove(self, name: str) -> None:
        """Forget a client until the next reload; its connections are closed."""

    def wait_idle(
        self, names: set[str], seconds: float, stop: Callable[[], bool] = lambda: False
    ) -> bool:
        """Wait until clients have no requests; return whether that came true."""

    def busy(self, names: set[str]) -> str:
        """Return which of these clients still has requests, and where, in words."""


class DaemonControl(Protocol):
    """The members of a daemon's ``control.py`` that fills a role."""

    TITLE: str
    """Its name as people write it."""

    FILLS: Mapping[str, Callable[..., Any]]
    """The class for each role; it is made from the stack and a timeout in seconds."""


def control_of(name: str) -> DaemonControl:
    """Return how a daemon of that name is talked to."""
    module: Any = import_module(f"{__package__}.{name}.control")
    return module  # type: ignore[no-any-return]


def title(stack: Stack, role: str) -> str:
    """Return the name of the daemon in a role, as people write it."""
    return control_of(stack.chain.filled_by(role)).TITLE


def in_role(stack: Stack, role: str, timeout: float = TIMEOUT) -> Any:
    """Return the daemon in a role; whoever is not there answers nothing."""
    made = control_of(stack.chain.filled_by(role)).FILLS[role]
    return made(stack, timeout)


def of_program(stack: Stack, program: Program) -> Daemon:
    """Return the daemon that a program of the chain is, whatever roles it fills."""
    made = next(iter(control_of(program.kind).FILLS.values()))
    daemon: Daemon = made(stack, TIMEOUT)
    return daemon


def web_server(stack: Stack) -> WebServer:
    """Return the web server of a stack that has one."""
    found: WebServer = in_role(stack, WEB_SERVER)
    return found


def cache(stack: Stack) -> Cache:
    """Return the cache of a stack that has one."""
    found: Cache = in_role(stack, CACHE)
    return found


def balancer(stack: Stack, timeout: float = TIMEOUT) -> Balancer:
    """Return the balancer; where there is none it knows no client."""
    if not stack.chain.has_balancer:
        return Nobody()
    found: Balancer = in_role(stack, BALANCER, timeout)
    return found


def frontends(stack: Stack, timeout: float = TIMEOUT) -> Balancer:
    """Return the balancer as it knows the processes that make pages, not clients."""
    module: Any = import_module(f"{__package__}.{stack.chain.load_balancer}.nodes")
    found: Balancer = module.Nodes(stack, timeout)
    return found


class Nobody:
    """A balancer that is not there."""

    def reload(self, send: Callable[[], None]) -> None:
        """Do nothing."""

    def master(self) -> int:
        """Return 0."""
        return 0

    def servers(self) -> dict[str, Server]:
        """Return no client."""
        return {}

    def servers_seen(self) -> dict[str, Server]:
        """Return no client."""
        return {}

    def counters(self) -> dict[str, int]:
        """Return nothing."""
        return {}

    def drained(self) -> list[str]:
        """Return no client."""
        return []

    def set_state(self, name: str, state: str) -> None:
        """Do nothing."""

    def holding(self) -> AbstractContextManager[None]:
        """Do nothing."""
        return nullcontext()

    def is_holding(self) -> bool:
        """Return False: nobody waits."""
        return False

    def let_go(self) -> None:
        """Do nothing."""

    def keep_all(self, *, asking: bool) -> None:
        """Do nothing."""

    def add(self, name: str, address: Address, most: int) -> None:
        """Do nothing."""

    def remove(self, name: str) -> None:
        """Do nothing."""

    def wait_idle(
        self, names: set[str], seconds: float, stop: Callable[[], bool] = lambda: False
    ) -> bool:
        """Return True: nobody has requests."""
        del names, seconds, stop
        return True

    def busy(self, names: set[str]) -> str:
        """Return that they had requests, which nobody knows."""
        return f"{', '.join(sorted(names))} still had requests"
