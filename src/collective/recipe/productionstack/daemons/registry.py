"""What we write: one module per daemon, each with the same members in the same order.

``files`` says which templates make which files of the tree; ``values`` are given to
them; ``programs``, ``logs``, ``jobs`` and ``checks`` are announced, and collected by
the daemons that write supervisor's, logrotate's and cron's files.
"""

from __future__ import annotations

from typing import Any
from typing import Protocol

from collective.recipe.productionstack.daemons.apache import config as apache
from collective.recipe.productionstack.daemons.cron import config as cron
from collective.recipe.productionstack.daemons.haproxy import config as haproxy
from collective.recipe.productionstack.daemons.logrotate import config as logrotate
from collective.recipe.productionstack.daemons.nginx import config as nginx
from collective.recipe.productionstack.daemons.supervisor import config as supervisor
from collective.recipe.productionstack.daemons.varnish import config as varnish
from collective.recipe.productionstack.machine.own_processes import SUPERVISOR
from collective.recipe.productionstack.model.announced import Check
from collective.recipe.productionstack.model.announced import Job
from collective.recipe.productionstack.model.announced import Log
from collective.recipe.productionstack.model.announced import Program
from collective.recipe.productionstack.model.stack import Stack

WHOLE = "default"
"""The entry point of the recipe that makes a whole stack, not one service alone."""


class Service(Protocol):
    """The members of a daemon's ``config.py``, in their order."""

    NAME: str

    ROLES: tuple[str, ...]
    """The roles of the chain that it can fill."""

    NEEDS: tuple[str, ...]
    """What a part that writes it alone is nothing without: sites, clients, backup."""

    COLLECTS: str
    """What it collects of all that is announced: programs, logs or jobs."""

    VERSIONED: tuple[str, str]
    """The daemon and the argument that tells its version, where files depend on it."""

    def files(self, stack: Stack) -> tuple[tuple[str, str, dict[str, Any]], ...]:
        """Return path in the tree, template and further values of each file."""

    def programs(self, stack: Stack) -> tuple[Program, ...]:
        """Return what is to be supervised."""

    def logs(self, stack: Stack) -> tuple[Log, ...]:
        """Return the files to rotate."""

    def jobs(self, stack: Stack) -> tuple[Job, ...]:
        """Return the lines for the crontab."""

    def checks(self, stack: Stack) -> tuple[Check, ...]:
        """Return how the daemon is asked about the files."""


SERVICES: tuple[Service, ...] = (
    *(haproxy, varnish, nginx, apache),
    *(supervisor, logrotate, cron),
)
"""In the order in which their programs start, the watchdog (supervisor's) last."""

TAKEN = frozenset({SUPERVISOR, supervisor.WATCHDOG, *(one.NAME for one in SERVICES)})
"""Names that a program of the user cannot have."""


def needs(entry: str) -> frozenset[str]:
    """Return what a part needs that is made by an entry point of the recipe."""
    found = (one for one in SERVICES if entry in {WHOLE, one.NAME})
    return frozenset(what for one in found for what in one.NEEDS)


def is_collected(stack: Stack, what: str) -> bool:
    """Whether the stack writes the service that collects programs, logs or jobs."""
    return any(what == one.COLLECTS and stack.writes(one.NAME) for one in SERVICES)


def versioned() -> dict[str, tuple[str, str]]:
    """Return daemon and version argument of the services whose files differ by it."""
    return {one.NAME: one.VERSIONED for one in SERVICES if one.VERSIONED[0]}
