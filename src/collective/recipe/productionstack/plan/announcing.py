"""Complete a stack with everything that its parts and daemons announce."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from collective.recipe.productionstack.daemons import registry
from collective.recipe.productionstack.daemons.volto import processes
from collective.recipe.productionstack.model.announced import Announced
from collective.recipe.productionstack.model.announced import Log
from collective.recipe.productionstack.model.announced import Program
from collective.recipe.productionstack.model.stack import Stack
from collective.recipe.productionstack.sources import zeoserver
from collective.recipe.productionstack.sources import zope2instance


def complete(stack: Stack) -> Stack:
    """Return the stack with everything that its parts and services announce."""
    written = [one for one in registry.SERVICES if stack.writes(one.NAME)]
    logs = (*_part_logs(stack), *(log for one in written for log in one.logs(stack)))
    announced = Announced(
        programs=(
            *_part_programs(stack),
            *(program for one in written for program in one.programs(stack)),
        ),
        logs=tuple(sorted(logs, key=lambda log: log.path)),
        jobs=tuple(job for one in written for job in one.jobs(stack)),
        checks=(
            *(check for one in written for check in one.checks(stack)),
            *(processes.checks(stack) if _runs_programs(stack) else ()),
        ),
    )
    return dataclasses.replace(stack, announced=announced)


def _runs_programs(stack: Stack) -> bool:
    return not stack.alone or registry.is_collected(stack, "programs")


def _part_programs(stack: Stack) -> Iterator[Program]:
    if not _runs_programs(stack):
        return
    yield from map(zeoserver.program, stack.data.storages)
    yield from stack.extras.before
    for client in stack.zope.clients:
        yield zope2instance.program(client)
    if stack.zope.debug_client:
        yield zope2instance.program(stack.zope.debug_client, debug=True)
    yield from stack.extras.after
    yield from processes.programs(stack)


def _part_logs(stack: Stack) -> Iterator[Log]:
    if stack.alone and not registry.is_collected(stack, "logs"):
        return
    for storage in stack.data.storages:
        yield from storage.logs
    for client in stack.zope.all_clients:
        yield from client.logs
    yield from stack.extras.logs
