"""Complete a stack with everything that its parts and daemons announce."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from collective.recipe.productionstack.daemons import registry
from collective.recipe.productionstack.daemons.cron import config as cron
from collective.recipe.productionstack.daemons.logrotate import config as logrotate
from collective.recipe.productionstack.daemons.supervisor import config as supervisor
from collective.recipe.productionstack.model.announced import Job
from collective.recipe.productionstack.model.announced import Log
from collective.recipe.productionstack.model.announced import Program
from collective.recipe.productionstack.model.stack import Stack
from collective.recipe.productionstack.sources import backup
from collective.recipe.productionstack.sources import zeoserver
from collective.recipe.productionstack.sources import zope2instance


def complete(stack: Stack) -> Stack:
    """Return the stack with everything that its parts and services announce."""
    written = [service for service in registry.SERVICES if stack.writes(service.NAME)]
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
