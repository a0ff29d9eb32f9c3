"""How each job ended last, kept for ``status``, alerts and metrics."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from pathlib import Path

from collective.recipe.productionstack.machine import state
from collective.recipe.productionstack.model.stack import Stack

FOLDER = "jobs"
LOCK = "maintenance.lock"
"""Held by whichever job is at work: one at a time."""

HOUR = 3600
WEEK_HOURS = 7 * 24
CERTIFICATE = "certificate"
DAILY = ("backup", "sync", CERTIFICATE)
FAR = "far"
"""The verification of copies elsewhere."""
UP = "up"
"""The stamp of the first ``up``: a fresh stack has had no time for a backup."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """One job: seconds since the epoch, bytes; ``good`` is when it was last good."""

    name: str
    ok: bool
    ended: float
    seconds: float = 0.0
    verdict: str = ""
    size: int = 0
    good: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Age:
    """How old the last good run of a job is, and how old it may be; in seconds."""

    name: str
    age: float | None
    limit: float
    ok: bool
    stamp: Stamp | None


def load(stack: Stack, name: str) -> Stamp | None:
    """Return how a job ended last; None when it never ran."""
    try:
        return Stamp(**state.read(_path(stack, name)))
    except TypeError:
        return None


def save(stack: Stack, stamp: Stamp) -> None:
    """Write down how a job ended; the time of its last success stays."""
    before = load(stack, stamp.name)
    good = stamp.ended if stamp.ok else (before.good if before else 0.0)
    values = dataclasses.asdict(dataclasses.replace(stamp, good=good))
    state.write(_path(stack, stamp.name), values)


def note_up(stack: Stack) -> None:
    """Remember the first ``up``."""
    if load(stack, UP) is None:
        save(stack, Stamp(name=UP, ok=True, ended=time.time()))


def names(stack: Stack) -> list[str]:
    """Return the jobs that this stack is expected to run."""
    planned = {job.name for job in stack.announced.jobs}
    copied = bool(stack.data.keeping.sync_target)
    wanted = {
        "backup": "backup" in planned,
        "sync": "backup" in planned and copied,
        "verify": "verify" in planned,
        FAR: "verify" in planned and copied,
        "pack": "pack" in planned,
        CERTIFICATE: CERTIFICATE in planned
        and any(one.acme for one in stack.virtual_hosts),
    }
    # Who runs one from elsewhere wants to see it too; without a place for copies
    # nobody can run those about them again.
    able = [name for name in wanted if copied or name not in {"sync", FAR}]
    return [name for name in able if wanted[name] or load(stack, name)]


def age(stack: Stack, name: str, now: float) -> Age:
    """Judge one job: its last run must be good, and young enough."""
    stamp, begun = load(stack, name), load(stack, UP)
    known = [one.good for one in (stamp, begun) if one and one.good <= now + HOUR]
    hours = stack.data.keeping.age_limit + (0 if name in DAILY else WEEK_HOURS)
    good = stamp.good if stamp and stamp.good in known else 0.0
    # What lies ahead was written while a clock was wrong: it says nothing.
    since = max(known) if known else (0.0 if stamp or begun else now)
    young = now - since <= hours * HOUR
    return Age(
        name=name,
        age=now - good if good else None,
        limit=hours * HOUR,
        ok=young and (stamp is None or stamp.ok),
        stamp=stamp,
    )


def ages(stack: Stack) -> list[Age]:
    """Judge every job that is expected to run."""
    now = time.time()
    return [age(stack, name, now) for name in names(stack)]


def _path(stack: Stack, name: str) -> Path:
    return Path(stack.folders.var, FOLDER, f"{name}.json")
