"""What every job on a database has: its turn, its verdict, its stamp, its alert."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from collective.recipe.productionstack.ctl.alerts import Alert
from collective.recipe.productionstack.ctl.alerts import Post
from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.ctl.jobs import outcomes
from collective.recipe.productionstack.ctl.jobs.outcomes import LOCK
from collective.recipe.productionstack.ctl.jobs.outcomes import Stamp
from collective.recipe.productionstack.ctl.screen import Steps
from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.errors import printable
from collective.recipe.productionstack.machine import locks
from collective.recipe.productionstack.model.stack import Stack

OTHER = "another job"
PATIENCE = 7200.0


def turn(
    control: Control, stack: Stack, what: str, seconds: float = PATIENCE
) -> AbstractContextManager[int]:
    """Wait for our turn; give the lock's descriptor, for programs to hold too.

    Raises ControlError when others are still at work after that time.
    """

    def busy(holder: str) -> str:
        return (
            f"{holder or OTHER} still works on the database after {seconds:.0f} s; "
            f"{what} was not begun. Look at that one, then run this again."
        )

    def tell(holder: str) -> None:
        control.screen.tell(f"{what}: waiting for {holder or OTHER} to end")

    note = f"{what} (pid {os.getpid()})"
    return locks.held(Path(stack.folders.var, LOCK), note, busy, seconds, tell)


NICE = 10
PRIVATE = 0o027
"""What a job writes is for the user and the group alone, as a database is."""

waiting = click.option(
    "--wait",
    default=PATIENCE,
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
class Outcome:
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
    control: Control,
    name: str,
    wait: float,
    work: Callable[[Task], Outcome],
    *,
    stamped: bool = True,
) -> int:
    """Do a job in its turn; what it says and how it ended is kept.

    A question that is no job is not ``stamped``: it says nothing about the last run.
    Raises ControlError when it failed; that is noted, and told as the options say.
    """
    stack = control.newest()
    begun = time.time()
    try:
        with turn(control, stack, name, wait) as lock:
            os.nice(NICE)
            os.umask(PRIVATE)
            with control.screen.steps() as steps:
                verdict = work(Task(control, stack, steps, lock))
        if stamped:
            outcomes.save(stack, stamp(name, begun, verdict, ok=True))
    except ControlError as error:
        if stamped:
            failed(control, stack, name, begun, str(error))
        raise
    except Exception as error:
        what = f"{type(error).__name__}: {error}" if str(error) else repr(error)
        message = f"{name} failed: {what}. Mend that, then run it again."
        if stamped:
            failed(control, stack, name, begun, message)
        raise ControlError(message) from error
    control.screen.tell(f"{name}: {verdict.text}")
    return 0


def failed(  # noqa: PLR0913 (as many as there are to say)
    control: Control,
    stack: Stack,
    name: str,
    begun: float,
    said: str,
    *,
    told: bool = True,
) -> None:
    """Write down that a job failed, and tell it as the options say."""
    text = printable(said, limit=2000)
    first = text.strip().splitlines()[0] if text.strip() else "no reason was given"
    try:
        outcomes.save(stack, stamp(name, begun, Outcome(first), ok=False))
    except OSError as error:
        # A full disk is why it failed: then the alert is all that tells of it.
        text = (
            f"{text}\nstatus does not know of it, its note cannot be written: {error}"
        )
        control.screen.fail(text.splitlines()[-1])
    if not told:
        return
    post = Post(lambda _: None)
    post.send(stack, Alert(f"{name} failed: {first}", text))
    if post.waiting:
        control.screen.fail("The alert about this could not be delivered.")


def stamp(name: str, begun: float, verdict: Outcome, *, ok: bool) -> Stamp:
    """Return how a job that began then ends now."""
    now = time.time()
    return Stamp(
        name=name,
        ok=ok,
        ended=now,
        seconds=round(now - begun, 1),
        verdict=verdict.text,
        size=verdict.size,
    )
