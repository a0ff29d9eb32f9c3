"""The clients that HAProxy knows: which are meant, and which come and go."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import TypeVar

import click

from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.ctl.lifecycle import survey
from collective.recipe.productionstack.daemons import roles
from collective.recipe.productionstack.daemons.roles import Balancer
from collective.recipe.productionstack.daemons.roles import Server
from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.errors import printable
from collective.recipe.productionstack.machine import waiting
from collective.recipe.productionstack.model.address import LAST_PORT
from collective.recipe.productionstack.model.address import Address
from collective.recipe.productionstack.model.announced import Program
from collective.recipe.productionstack.model.chain import BALANCER
from collective.recipe.productionstack.model.stack import Stack

Command = TypeVar("Command", bound=Callable[..., Any])

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
PORT = re.compile(r"[1-9][0-9]{0,4}")
HOST = re.compile(r"[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:]{2,45}\]")

UP_SECONDS = 15.0


def patience(what: str) -> Callable[[Command], Command]:
    """Give a verb its ``--timeout`` in seconds, for requests to end."""
    return click.option(
        "--timeout",
        default=60.0,
        show_default=True,
        type=click.FloatRange(min=0),
        metavar="SECONDS",
        help=f"Wait as long for {what}.",
    )


def running(control: Control) -> Stack:
    """Return the stack that runs.

    Raises ControlError where its balancer cannot be asked.
    """
    stack = control.newest()
    if stack.alone or not stack.chain.has_balancer:
        message = (
            f"[{stack.name}] has no load balancer of its own, so nothing can keep "
            "visitors away from a client. Use load-balancer = haproxy."
        )
        raise ControlError(message)
    supervised(control)
    if not roles.balancer(stack).servers_seen():
        title = roles.title(stack, BALANCER)
        message = f"{title} does not answer. Run {control.script} up, which starts it."
        raise ControlError(message)
    return stack


def supervised(control: Control) -> Stack:
    """Return the stack that runs.

    Raises ControlError where supervisord does not.
    """
    stack = control.newest()
    if not survey.take(stack).answers:
        message = f"nothing runs under supervisord. Run {control.script} up."
        raise ControlError(message)
    return stack


def programs(stack: Stack, names: Sequence[str]) -> list[Program]:
    """Return the balanced clients of those names, or all of them.

    Raises ControlError for a name that is no balanced client.
    """
    clients = {one.name for one in stack.zope.clients}
    for name in names:
        if name not in clients:
            raise ControlError(_unknown(stack, name, clients))
    return [
        program
        for program in stack.announced.programs
        if program.name in (names or clients) and program.name in clients
    ]


def others(stack: Stack, names: Sequence[str]) -> list[Program]:
    """Return the programs of those names that no visitor is sent to."""
    return [
        one for one in stack.announced.programs if one.is_extra and one.name in names
    ]


def databases(stack: Stack, names: Sequence[str]) -> list[Program]:
    """Return the database servers of those names."""
    return [
        one for one in stack.announced.programs if one.is_storage and one.name in names
    ]


def _unknown(stack: Stack, name: str, clients: set[str]) -> str:
    known = ", ".join(sorted(clients))
    if stack.zope.debug_client and name == stack.zope.debug_client.name:
        return f"{name} is the debug client, which gets no visitors. Clients: {known}."
    if others(stack, [name]):
        return (
            f"{name} gets no visitors: the option programs names it, and restart {name}"
            f" restarts it. Clients: {known}."
        )
    if name in {program.name for program in stack.announced.programs}:
        return (
            f"{name} is no client: it is restarted by down and up, "
            f"or killed and started again by supervisord (a database by restart "
            f"--hold). Clients: {known}."
        )
    near = difflib.get_close_matches(name, sorted(clients), n=1)
    hint = f"Did you mean {near[0]}?" if near else f"Clients: {known}."
    return f"there is no client {name}. {hint}"


def refuse_to_hold(stack: Stack) -> None:
    """See that visitors who are held are those whom nobody else could serve.

    Raises ControlError where they would be chosen by their address.
    """
    if stack.zope.balancing.algorithm == "source" and len(stack.zope.clients) > 1:
        message = (
            f"[{stack.name}] balance = source sends visitors by their address, so some "
            "would wait while clients serve. Restart without --hold."
        )
        raise ControlError(message)


def address(stack: Stack, name: str, text: str | None) -> Address:
    """Read the address of a client that is not of this stack.

    Raises ControlError for a name or an address that cannot be one.
    """
    if not NAME.fullmatch(name):
        message = f"{name!r} is no name for a client. Use letters, digits, - and _."
        raise ControlError(message)
    host, _, port = (text or "").rpartition(":")
    if not PORT.fullmatch(port) or int(port) > LAST_PORT or not HOST.fullmatch(host):
        given = f", not {printable(text)}" if text else ""
        message = (
            f"{name} is no client of [{stack.name}], so it needs an address such as "
            f"127.0.0.1:8099{given}."
        )
        raise ControlError(message)
    return Address(host.strip("[]"), int(port))


def not_known(stack: Stack, name: str) -> str:
    """Say that the balancer has no such client, and which it has."""
    known = ", ".join(sorted(roles.balancer(stack).servers_seen()))
    return f"{roles.title(stack, BALANCER)} knows no {name}, only {known}."


def wait_up(
    balancer: Balancer, names: Iterable[str], seconds: float = UP_SECONDS
) -> list[str]:
    """Wait until HAProxy finds clients well; return those that are not."""
    for _ in waiting.tries(seconds):
        servers = balancer.servers_seen()
        late = [one for one in names if one not in servers or not servers[one].is_up]
        if not late:
            break
    return late


def refuse_last(
    control: Control,
    known: Mapping[str, Server],
    names: set[str],
    *,
    force: bool,
    instead: str = "Do it all the same with --force",
) -> None:
    """See that somebody serves without these clients.

    Raises ControlError where nobody would, unless forced.
    """
    # A pool's visitors go to the others while none of it serves.
    serving = {one.name for one in known.values() if one.is_up and not one.pool}
    if force or serving - names or not serving & names:
        return
    shown = ", ".join(sorted(serving & names))
    only = "is the only client that serves" if len(serving) == 1 else "are all clients"
    message = (
        f"{shown} {only}. Without it visitors see pages that the cache still has, and "
        '"Back soon" (503) for everything else until Zope has started again. '
        f"{instead}; see {control.script} status for the others."
    )
    raise ControlError(message)
