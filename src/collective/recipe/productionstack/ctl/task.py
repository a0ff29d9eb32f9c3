"""What every job on a database has: its turn, its verdict, its stamp, its alert."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click

from collective.recipe.productionstack.ctl import stamps
from collective.recipe.productionstack.ctl import turn
from collective.recipe.productionstack.ctl.alerts import Alert
from collective.recipe.productionstack.ctl.alerts import Post
from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.ctl.screen import Steps
from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.errors import printable
from collective.recipe.productionstack.model import Stack

NICE = 10
PRIVATE = 0o027
"""What a job writes is for the user and the group alone, as a database is."""

waiting = click.option(
    "--wait",
    default=turn.SECONDS,
    show_default=True,
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="Wait as long for another job on the database to end.",
)


def limited(seconds: float) -> Callable[[Any], Any]:
    """Return the option that ends what takes too long."""
    return click.option(
        "--timeout",
        default=float(seconds),
        show_default=True,
        type=click.FloatRange(min=1),
        metavar="SECONDS",
        help="End what takes longer.",
    )


@dataclass(frozen=True, slots=True)
class Verdict:
    """One line about what was done; bytes."""

    text: str
    size: int = 0


@dataclass(frozen=True, slots=True)
class Task:
    """A job that has its turn; programs that it starts hold the lock too."""

    control: Control
    stack: Stack
    steps: Steps
    lock: int


def run(
    control: Control, name: str, wait: float, work: Callable[[Task], Verdict]
) -> int:
    """Do a job in its turn; what it says and how it ended is kept.

    Raises ControlError when it failed; that is noted, and told as the options say.
    """
    stack = control.newest()
    begun = time.time()
    try:
        with turn.take(control, stack, name, wait) as lock:
            os.nice(NICE)
            os.umask(PRIVATE)
            with control.screen.steps() as steps:
                verdict = work(Task(control, stack, steps, lock))
    except (ControlError, OSError, ValueError) as error:
        _failed(control, stack, name, begun, str(error))
        if isinstance(error, ControlError):
            raise
        message = f"{name} failed: {error}. Mend that, then run it again."
        raise ControlError(message) from error
    stamps.save(stack, _stamp(name, begun, verdict, ok=True))
    control.screen.say(f"{name}: {verdict.text}")
    return 0


def _failed(control: Control, stack: Stack, name: str, begun: float, said: str) -> None:
    text = printable(said, limit=2000)
    first = text.strip().splitlines()[0] if text.strip() else "no reason was given"
    stamps.save(stack, _stamp(name, begun, Verdict(first), ok=False))
    post = Post(lambda _: None)
    post.send(stack, Alert(f"{name} failed: {first}", text))
    if post.waiting:
        control.screen.fail("The alert about this could not be delivered.")


def _stamp(name: str, begun: float, verdict: Verdict, *, ok: bool) -> stamps.Stamp:
    now = time.time()
    return stamps.Stamp(
        name=name,
        ok=ok,
        ended=now,
        seconds=round(now - begun, 1),
        verdict=verdict.text,
        size=verdict.size,
    )
