"""Restart clients one after the other while the rest serve.

Each gets no new visitors, finishes its requests, is stopped and started, warmed
up and takes visitors again. At the first failure everything else goes on
serving. Without names: all clients, then the processes of a frontend. What the
option programs names is stopped and started where you name it.

A command of yours finds the clients' names in PRODUCTIONSTACK_CLIENTS; when it
fails, the restart halts.

With --hold the only client can be restarted too, or the ZEO server: what the
cache has is served meanwhile, everything else waits.

\b
Example: bin/stack restart
         bin/stack restart --hold
         bin/stack restart zeoserver --hold
         bin/stack restart instance2 --warm / --warm /news
         bin/stack restart --parallel 2 --timeout 300
"""

from __future__ import annotations

from collections.abc import Sequence

import click

from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.ctl.lifecycle import hooks
from collective.recipe.productionstack.ctl.lifecycle import restarting
from collective.recipe.productionstack.ctl.traffic import frontends
from collective.recipe.productionstack.ctl.traffic.clients import databases
from collective.recipe.productionstack.ctl.traffic.clients import others
from collective.recipe.productionstack.ctl.traffic.clients import patience
from collective.recipe.productionstack.ctl.traffic.clients import programs
from collective.recipe.productionstack.ctl.traffic.clients import refuse_to_hold
from collective.recipe.productionstack.ctl.traffic.clients import running
from collective.recipe.productionstack.ctl.traffic.clients import supervised
from collective.recipe.productionstack.ctl.traffic.rolling import Roll
from collective.recipe.productionstack.ctl.traffic.rolling import RollSettings
from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.model.announced import Program


@click.command("restart", help=__doc__)
@click.argument("clients", nargs=-1)
@click.option(
    "--only", multiple=True, metavar="CLIENT", help="The same as naming it; repeatable."
)
@click.option(
    "--parallel",
    default=1,
    show_default=True,
    type=click.IntRange(min=1),
    help="So many clients at a time.",
)
@patience("the requests of a client to end")
@click.option(
    "--start-timeout",
    default=300.0,
    show_default=True,
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="Wait as long for a client to answer.",
)
@click.option(
    "--warm",
    "paths",
    multiple=True,
    default=("/",),
    metavar="PATH",
    help="Fetch this page of every site before visitors come (/); repeatable.",
)
@click.option("--before", default="", metavar="COMMAND", help="Run before each client.")
@click.option("--after", default="", metavar="COMMAND", help="Run after each client.")
@click.option(
    "--force",
    is_flag=True,
    help="Take the last client away too; cut requests that do not end.",
)
@click.option(
    "--hold",
    is_flag=True,
    help="Let visitors wait while no client serves, up to queue-timeout each.",
)
@click.pass_obj
def command(
    control: Control,
    /,
    *,
    clients: tuple[str, ...],
    only: tuple[str, ...],
    parallel: int,
    **given: object,
) -> int:
    settings = RollSettings(**given)  # type: ignore[arg-type]
    for text in (settings.before, settings.after):
        hooks.words(text)
    _refuse_odd_paths(settings.paths)
    names = (*clients, *only)
    with control.lock():
        extras = others(control.newest(), names)
        stores = databases(control.newest(), names) if settings.hold else []
        fronts = frontends.programs(control.newest(), names)
        done = {two.name for two in (*extras, *stores, *fronts)} if names else set()
        names = tuple(one for one in names if one not in done)
        if names or stores or fronts or not extras:
            stack = running(control)
            wanted = programs(stack, names) if names or not done else []
            roll = Roll(control, stack, settings)
            for one in stores:
                roll.database(one)
            if wanted and settings.hold:
                refuse_to_hold(stack)
            if wanted:
                roll.run(wanted, parallel)
            if fronts:
                frontends.FrontendRoll(control, stack, settings).run(fronts, parallel)
        _restart(control, extras, settings.start_timeout)
    return 0


def _restart(control: Control, extras: Sequence[Program], seconds: float) -> None:
    """Restart what the option programs names, one after the other."""
    if not extras:
        return
    stack = supervised(control)
    with control.screen.steps() as steps:
        for program in extras:
            # Somebody else may answer at its address: it has to stay up itself.
            done = restarting.restart(control, stack, program, steps, seconds)
            done.settle([program])
    shown = ", ".join(one.name for one in extras)
    control.screen.say(f"restart: {shown} restarted")


def _refuse_odd_paths(paths: Sequence[str]) -> None:
    for path in paths:
        if not path.startswith("/") or not path.isascii() or not path.isprintable():
            message = f"--warm {path}: not a path such as /news; encode other letters."
            raise ControlError(message)
