"""What we write: one module per service, each with the same members in the same order.

``NAME``; ``files`` says which templates make which files of the tree; ``values`` are
given to them; ``programs``, ``logs``, ``jobs`` and ``checks`` are announced, and
collected by the services that write supervisor's, logrotate's and cron's files.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any
from typing import Protocol

from collective.recipe.productionstack import render
from collective.recipe.productionstack.announced import Check
from collective.recipe.productionstack.announced import Job
from collective.recipe.productionstack.announced import Log
from collective.recipe.productionstack.announced import Program
from collective.recipe.productionstack.model import Stack
from collective.recipe.productionstack.services import cron
from collective.recipe.productionstack.services import haproxy
from collective.recipe.productionstack.services import logrotate
from collective.recipe.productionstack.services import nginx
from collective.recipe.productionstack.services import supervisor
from collective.recipe.productionstack.services import varnish
from collective.recipe.productionstack.sources import backup
from collective.recipe.productionstack.sources import zeoserver
from collective.recipe.productionstack.sources import zope2instance
from collective.recipe.productionstack.tree import File
from collective.recipe.productionstack.tree import Tree


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


def complete(stack: Stack) -> Stack:
    """Return the stack with everything that its parts and services announce."""
    written = [service for service in SERVICES if stack.writes(service.NAME)]
    return dataclasses.replace(
        stack,
        programs=(
            *_part_programs(stack),
            *(p for s in written for p in s.programs(stack)),
        ),
        logs=tuple(
            sorted(
                (*_part_logs(stack), *(log for s in written for log in s.logs(stack))),
                key=lambda log: log.path,
            )
        ),
        jobs=(*_part_jobs(stack), *(j for s in written for j in s.jobs(stack))),
        checks=tuple(check for s in written for check in s.checks(stack)),
    )


def tree_of(stack: Stack) -> Tree:
    """Render every file of a complete stack.

    Raises render.TemplateError when a template is broken.
    """
    return Tree((*_rendered(stack), File("stack.json", stack.to_json())))


def _rendered(stack: Stack) -> Iterator[File]:
    for service in SERVICES:
        if not stack.writes(service.NAME):
            continue
        for path, template, values in service.files(stack):
            text = render.render(
                template, {"stack": stack, **values}, stack.user_templates
            )
            yield File(path, text)


def _part_programs(stack: Stack) -> Iterator[Program]:
    if stack.alone and not stack.writes(supervisor.NAME):
        return
    if stack.storage:
        yield zeoserver.program(stack.storage)
    for client in stack.clients:
        yield zope2instance.program(client)
    if stack.debug_client:
        yield zope2instance.program(stack.debug_client, debug=True)


def _part_logs(stack: Stack) -> Iterator[Log]:
    if stack.alone and not stack.writes(logrotate.NAME):
        return
    if stack.storage:
        yield from stack.storage.logs
    for client in stack.all_clients:
        yield from client.logs


def _part_jobs(stack: Stack) -> Iterator[Job]:
    if stack.alone and not stack.writes(cron.NAME):
        return
    if stack.alone:
        # A piece alone has no bin/stack that could judge what they did.
        yield from (
            backup.job(one, cron.daily(stack, one.name)) for one in stack.backups
        )
        if stack.storage:
            yield zeoserver.job(stack.storage, cron.weekly(stack, "pack", cron.SUNDAY))
