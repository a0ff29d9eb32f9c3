"""``drain``, ``ready``, ``add``, ``remove``: who gets visitors, by hand."""

from __future__ import annotations

import time

import click

from collective.recipe.productionstack.ctl import members
from collective.recipe.productionstack.ctl import rolling
from collective.recipe.productionstack.ctl.balancer import Balancer
from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.errors import ControlError

UP_SECONDS = 15.0


@click.command("drain", short_help="Give clients no new requests.")
@click.argument("clients", nargs=-1, required=True)
@click.option(
    "--timeout",
    default=60.0,
    show_default=True,
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="Wait as long for requests to end; 0 does not wait.",
)
@click.option("--force", is_flag=True, help="Drain the last client too.")
@click.pass_obj
def drain(
    control: Control, *, clients: tuple[str, ...], timeout: float, force: bool
) -> int:
    """Give clients no new requests and wait until they have none.

    They stay so until ready, restart, or the next start of HAProxy; a reload keeps it.

    \b
    Example: bin/stack drain instance2
    """
    with control.lock():
        stack = members.running(control)
        names = {one.name for one in members.programs(stack, clients)}
        balancer = Balancer(stack)
        rolling.refuse_last(control, balancer, names, force=force)
        for name in names:
            balancer.set_state(name, "drain")
        with control.screen.steps() as steps:
            for name in names:
                steps.begin(name, "waiting for its requests to end")
            idle = balancer.wait_idle(names, timeout)
            for name in sorted(names):
                steps.done(name, "drained" if idle else "drained, requests still run")
        control.screen.say(
            f"{control.script} ready {' '.join(sorted(names))} lets visitors in again"
        )
    return 0 if idle or not timeout else 1


@click.command("ready", short_help="Let drained clients have visitors again.")
@click.argument("clients", nargs=-1, required=True)
@click.pass_obj
def ready(control: Control, *, clients: tuple[str, ...]) -> int:
    """Let clients have visitors again, and see that they get them.

    \b
    Example: bin/stack ready instance2
    """
    with control.lock():
        stack = members.running(control)
        names = sorted(one.name for one in members.programs(stack, clients))
        balancer = Balancer(stack)
        for name in names:
            balancer.set_state(name, "ready")
        late = _wait_up(balancer, names)
    if late:
        message = (
            f"{', '.join(late)} may have visitors, but HAProxy's check finds it down. "
            f"See {control.script} status; {control.script} restart brings it back."
        )
        raise ControlError(message)
    control.screen.say(f"ready: {', '.join(names)}")
    return 0


@click.command("add", short_help="Let HAProxy know one more client for now.")
@click.argument("client")
@click.argument("address", required=False)
@click.pass_obj
def add(control: Control, *, client: str, address: str | None) -> int:
    """Send visitors to one more client until the next reload.

    CLIENT is one that was removed, or a new name with the ADDRESS of a Zope that
    serves the same database.

    \b
    Example: bin/stack add instance2
             bin/stack add helper 127.0.0.1:8099
    """
    with control.lock():
        stack = members.running(control)
        balancer = Balancer(stack)
        if client in balancer.servers():
            message = f"HAProxy knows {client} already; to use it: ready {client}."
            raise ControlError(message)
        known = {one.name: one for one in stack.clients}
        if client in known and address is None:
            place, most = known[client].address, known[client].maxconn
        else:
            place = members.address(stack, client, address)
            most = min(one.maxconn for one in stack.clients)
        balancer.add(client, place, most)
        late = _wait_up(balancer, [client])
    if late:
        message = (
            f"{client} is known now, but does not answer at {place} yet. It gets "
            f"visitors as soon as it does; {control.script} remove {client} undoes it."
        )
        raise ControlError(message)
    control.screen.say(f"add: {client} at {place} serves, until the next reload")
    return 0


@click.command("remove", short_help="Let HAProxy forget a client for now.")
@click.argument("client")
@click.option(
    "--timeout",
    default=60.0,
    show_default=True,
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="Wait as long for its requests to end.",
)
@click.option("--force", is_flag=True, help="Remove the last one; cut its requests.")
@click.pass_obj
def remove(control: Control, *, client: str, timeout: float, force: bool) -> int:
    """Let HAProxy forget a client until the next reload; the process goes on.

    \b
    Example: bin/stack remove instance2
    """
    with control.lock():
        stack = members.running(control)
        balancer = Balancer(stack)
        if client not in balancer.servers():
            raise ControlError(_not_known(balancer, client))
        rolling.refuse_last(control, balancer, {client}, force=force)
        balancer.set_state(client, "drain")
        if not balancer.wait_idle({client}, timeout) and not force:
            balancer.set_state(client, "ready")
            message = (
                f"{client} still had requests after {timeout:.0f} s and serves again. "
                "Wait longer with --timeout, or cut them with --force."
            )
            raise ControlError(message)
        balancer.remove(client)
    control.screen.say(
        f"remove: HAProxy has forgotten {client} until the next reload; "
        f"{control.script} add {client} takes it back"
    )
    return 0


def _not_known(balancer: Balancer, name: str) -> str:
    return f"HAProxy knows no {name}, only {', '.join(sorted(balancer.servers()))}."


def _wait_up(balancer: Balancer, names: list[str]) -> list[str]:
    """Wait until HAProxy finds clients well; return those that are not."""
    deadline = time.monotonic() + UP_SECONDS
    while late := [name for name in names if not _is_up(balancer, name)]:
        if time.monotonic() > deadline:
            break
        time.sleep(0.1)
    return late


def _is_up(balancer: Balancer, name: str) -> bool:
    server = balancer.servers().get(name)
    return server is not None and server.is_up
