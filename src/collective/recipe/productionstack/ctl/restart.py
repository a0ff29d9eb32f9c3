"""``restart``: clients one after the other, without a lost request."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress

import click

from collective.recipe.productionstack.announced import Program
from collective.recipe.productionstack.ctl import hooks
from collective.recipe.productionstack.ctl import members
from collective.recipe.productionstack.ctl import survey
from collective.recipe.productionstack.ctl.balancer import Balancer
from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.ctl.rolling import Halt
from collective.recipe.productionstack.ctl.rolling import Roll
from collective.recipe.productionstack.ctl.rolling import Settings
from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.model import Stack

SECONDS = click.FloatRange(min=0)


@click.command("restart", short_help="Restart clients, without a lost request.")
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
@click.option(
    "--timeout",
    default=60.0,
    show_default=True,
    type=SECONDS,
    metavar="SECONDS",
    help="Wait as long for the requests of a client to end.",
)
@click.option(
    "--start-timeout",
    default=300.0,
    show_default=True,
    type=SECONDS,
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
    """Restart clients one after the other while the rest serve.

    Each gets no new visitors, finishes its requests, is stopped and started, warmed
    up and takes visitors again. At the first failure everything else goes on
    serving. Without names: all clients.

    A command of yours finds the clients' names in PRODUCTIONSTACK_CLIENTS; when it
    fails, the restart halts.

    \b
    Example: bin/stack restart
             bin/stack restart instance2 --warm / --warm /news
             bin/stack restart --parallel 2 --timeout 300
    """
    settings = Settings(**given)  # type: ignore[arg-type]
    for text in (settings.before, settings.after):
        hooks.words(text)
    _refuse_odd_paths(settings.paths)
    with control.lock():
        stack = members.running(control)
        wanted = members.programs(stack, (*clients, *only))
        roll(control, stack, wanted, parallel, settings)
    return 0


def _refuse_odd_paths(paths: Sequence[str]) -> None:
    for path in paths:
        if not path.startswith("/") or not path.isascii() or not path.isprintable():
            message = f"--warm {path}: not a path such as /news; encode other letters."
            raise ControlError(message)


def roll(
    control: Control,
    stack: Stack,
    wanted: Sequence[Program],
    parallel: int,
    settings: Settings,
) -> None:
    """Restart clients, so many at a time; ControlError says what serves on."""
    begun = time.monotonic()
    left = [program.name for program in _weakest_first(stack, wanted)]
    known = {program.name: program for program in wanted}
    done: list[str] = []
    with control.screen.steps() as steps, Halt(control.screen.warn) as halt:
        ours = Roll(control, stack, steps, settings, halt)
        while left:
            names, left = left[:parallel], left[parallel:]
            try:
                ours.group([known[name] for name in names])
            except (ControlError, KeyboardInterrupt) as error:
                raise _halted(control, ours, error, done, left) from error
            done += names
            if halt.wanted and left:
                raise _halted(control, ours, KeyboardInterrupt(), done, left)
    number = "1 client" if len(done) == 1 else f"{len(done)} clients"
    seconds = time.monotonic() - begun
    control.screen.say(f"restart: {number} restarted and serving ({seconds:.0f} s)")


def _weakest_first(stack: Stack, wanted: Sequence[Program]) -> list[Program]:
    """Begin with what does not serve: it takes nobody away."""
    servers = Balancer(stack).servers()
    return sorted(
        wanted,
        key=lambda one: one.name in servers and servers[one.name].is_up,
    )


def _halted(
    control: Control,
    roll: Roll,
    error: BaseException,
    done: Sequence[str],
    left: Sequence[str],
) -> ControlError:
    """Leave what failed without visitors; say what serves and what comes next."""
    away = sorted(roll.away)
    for name in away:
        with suppress(ControlError):
            roll.balancer.set_state(name, "drain")
    text = str(error) or "interrupted."
    lines = [text if text.endswith((".", "\n")) else f"{text}."]
    if away:
        pids = survey.take(roll.stack)
        state = ", ".join(f"{one} ({pids.state(one).lower()})" for one in away)
        again = " ".join(away)
        lines.append(
            f"Without visitors now: {state}. Mend the cause, then run "
            f"{control.script} restart {again}"
        )
    up = [name for name, one in roll.balancer.servers().items() if one.is_up]
    lines.append(f"Serving: {', '.join(sorted(up)) or 'none'}.")
    if done:
        lines.append(f"Restarted: {', '.join(done)}.")
    if left:
        lines.append(f"Not restarted: {', '.join(left)}.")
    return ControlError("\n".join(lines))
