"""The certificates that are to be got now, one after the other, and how that ended."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from collective.recipe.productionstack.ctl.certifying import obtaining
from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.ctl.jobs import outcomes
from collective.recipe.productionstack.ctl.jobs import task
from collective.recipe.productionstack.ctl.jobs.outcomes import CERTIFICATE
from collective.recipe.productionstack.ctl.jobs.task import Outcome
from collective.recipe.productionstack.daemons import certificates
from collective.recipe.productionstack.daemons import pairs
from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.errors import printable
from collective.recipe.productionstack.machine import locks
from collective.recipe.productionstack.model.site import VirtualHost
from collective.recipe.productionstack.model.stack import Stack

LOCK = ".lock"
DAY = 86400.0
PRIVATE = 0o077


def due(stack: Stack) -> list[VirtualHost]:
    """Return the sites that need another certificate now."""
    return [one for one in pairs.sites(stack) if certificates.of_site(stack, one).due]


def renew(control: Control, stack: Stack) -> None:
    """Get what is due; how it ended is written down, and the first failure told.

    Raises ControlError where one did not come.
    """
    before = outcomes.load(stack, CERTIFICATE)
    known = bool(before and not before.ok and time.time() - before.ended < DAY)
    get(control, stack, None, told=not known)


def get(
    control: Control,
    stack: Stack,
    wanted: Sequence[VirtualHost] | None,
    *,
    told: bool = False,
) -> None:
    """Get certificates for these sites, or for those that are due.

    Raises ControlError where one did not come; the others are got nevertheless.
    """
    begun = time.time()
    os.umask(PRIVATE)
    try:
        with _turn(control, stack) as lock:
            # Looked at inside: another may have got them while we waited.
            chosen = due(stack) if wanted is None else wanted
            _get(control, stack, chosen, lock)
    except (ControlError, OSError) as error:
        task.failed(control, stack, CERTIFICATE, begun, str(error), told=told)
        raise
    if not due(stack):
        what = Outcome(f"{len(pairs.sites(stack))} last")
        outcomes.save(stack, task.stamp(CERTIFICATE, begun, what, ok=True))
    if not chosen:
        control.screen.say("no certificate is due")


def _get(
    control: Control, stack: Stack, chosen: Sequence[VirtualHost], lock: int
) -> None:
    pairs.sweep(stack)
    if chosen:
        obtaining.refuse_beforehand(control, stack)
    troubles: list[str] = []
    with control.screen.steps() as steps:
        for site in chosen:
            steps.begin(site.host, f"{stack.acme.acme} asks for a certificate")
            try:
                obtaining.obtain(control, stack, site, lock)
            except (ControlError, OSError) as error:
                troubles.append(f"{site.host}: {printable(str(error), limit=2000)}")
                steps.say(f"{site.host:<16} got none")
            else:
                steps.done(site.host, "visitors get a new certificate")
    if troubles:
        raise ControlError("\n".join(troubles))


def _turn(control: Control, stack: Stack) -> AbstractContextManager[int]:
    def busy(holder: str) -> str:
        return (
            f"another {control.script} gets certificates ({holder or 'its program'}). "
            "Wait until it has ended, then try again."
        )

    path = Path(stack.folders.certificates, LOCK)
    note = f"pid {os.getpid()}"
    return locks.held(path, note, busy, obtaining.BUSY_SECONDS)
