"""What we write: one module per service, each with the same members in the same order.

``NAME``; ``files`` says which templates make which files of the tree; ``values`` are
given to them; ``programs``, ``logs``, ``jobs`` and ``checks`` are announced, and
collected by the services that write supervisor's, logrotate's and cron's files.
"""

from __future__ import annotations

from typing import Any
from typing import Protocol

from collective.recipe.productionstack.daemons.cron import config as cron
from collective.recipe.productionstack.daemons.haproxy import config as haproxy
from collective.recipe.productionstack.daemons.logrotate import config as logrotate
from collective.recipe.productionstack.daemons.nginx import config as nginx
from collective.recipe.productionstack.daemons.supervisor import config as supervisor
from collective.recipe.productionstack.daemons.varnish import config as varnish
from collective.recipe.productionstack.model.announced import Check
from collective.recipe.productionstack.model.announced import Job
from collective.recipe.productionstack.model.announced import Log
from collective.recipe.productionstack.model.announced import Program
from collective.recipe.productionstack.model.stack import Stack


class Service(Protocol):
    """The members of a service's module, in their order."""

    NAME: str

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


SERVICES: tuple[Service, ...] = (haproxy, varnish, nginx, supervisor, logrotate, cron)
"""In the order in which their programs start, the watchdog (supervisor's) last."""
