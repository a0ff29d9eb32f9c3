"""cron: backup, pack and rotation, as a block for the user's own crontab."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from collective.recipe.productionstack.model.announced import Job
from collective.recipe.productionstack.model.announced import nothing
from collective.recipe.productionstack.model.stack import Stack
from collective.recipe.productionstack.sources import backup
from collective.recipe.productionstack.sources import zeoserver

NAME = "cron"
ROLES: tuple[str, ...] = ()
NEEDS: tuple[str, ...] = ("backup",)
COLLECTS = "jobs"
VERSIONED = ("", "")

OFF = "off"

SUNDAY, MONDAY = 0, 1


def files(stack: Stack) -> tuple[tuple[str, str, dict[str, Any]], ...]:
    """Return path in the tree, template and further values of each file."""
    return (("crontab", "cron/crontab.j2", {"lock": _lock(stack)}),)


programs = nothing
logs = nothing


def jobs(stack: Stack) -> tuple[Job, ...]:
    """Return the lines for the crontab: verbs, which wait for each other themselves."""
    if stack.alone:
        return tuple(_scripts(stack))
    pack_time = stack.data.keeping.times[1]
    verb = (f"{stack.folders.bin}/{stack.name}", "--quiet")
    wanted = list(_backups(stack, verb))
    if stack.data.storage:
        wanted.append(
            Job(
                name="pack",
                why="Pack the database: old revisions go; back it up whole.",
                schedule=pack_time or weekly(stack, "pack", SUNDAY),
                command=(*verb, "pack"),
                then=_copied(stack, verb),
                waits=True,
            )
        )
    wanted += _certificates(stack, verb)
    return tuple(one for one in wanted if one.schedule != OFF)


def _copied(stack: Stack, verb: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """Return the commands of a backup: the second one copies it away."""
    sync = ((*verb, "sync-backup"),) if stack.data.keeping.sync_target else ()
    return ((*verb, "backup"), *sync) if stack.data.backups else ()


def _backups(stack: Stack, verb: tuple[str, ...]) -> Iterator[Job]:
    copied = _copied(stack, verb)
    if not copied:
        return
    backup_time, _, verify_time = stack.data.keeping.times
    yield Job(
        name="backup",
        why="Back up the database and its blobs, and judge the result.",
        schedule=backup_time or daily(stack, "backup"),
        command=copied[0],
        then=copied[1:],
        waits=True,
    )
    far = (*verb, "verify-backup", "--from", "far", "--part")
    yield Job(
        name="verify",
        why="Restore the newest backup into a scratch folder and read it.",
        schedule=verify_time or weekly(stack, "verify", MONDAY),
        command=(*verb, "verify-backup"),
        then=(far,) if stack.data.keeping.sync_target else (),
        waits=True,
    )


def _certificates(stack: Stack, verb: tuple[str, ...]) -> Iterator[Job]:
    if stack.chain.has_web_server and any(
        site.certificate for site in stack.virtual_hosts
    ):
        ours = any(site.acme for site in stack.virtual_hosts)
        why = "Let the web server take in certificates whose files were renewed."
        # There are some that last a day; hours 1 to 3 may come twice, or not at all.
        hours = "5,11,17,23" if ours else "8"
        yield Job(
            name="certificate",
            why="Renew the certificates that are due." if ours else why,
            schedule=f"{_spread(stack, 'certificate') % 60} {hours} * * *",
            command=(*verb, "certificate", "renew"),
        )


def _scripts(stack: Stack) -> Iterator[Job]:
    """Yield the parts' own scripts: a piece alone has no verbs that judge them."""
    for one in stack.data.backups:
        yield backup.job(one, daily(stack, one.name))
    if stack.data.storage:
        schedule = weekly(stack, "pack", SUNDAY)
        yield zeoserver.job(stack.data.storage, schedule)
        for other in stack.data.others:
            yield replace(zeoserver.job(other, schedule), name=f"pack {other.name}")


def _lock(stack: Stack) -> tuple[str, ...]:
    """Return what keeps jobs apart that are no verbs, which do it themselves."""
    if not stack.alone:
        return ()
    return ("/usr/bin/flock", "-w", "7200", f"{stack.folders.var}/maintenance.lock")


checks = nothing


def daily(stack: Stack, job: str) -> str:
    """Return a time between 04:00 and 05:59, spread by name and folder.

    Hours 1 to 3 are left out: they come twice, or not at all, when clocks change.
    """
    number = _spread(stack, job)
    return f"{number % 60} {4 + number // 60 % 2} * * *"


def weekly(stack: Stack, job: str, day: int) -> str:
    """Return a time on a day between 06:00 and 07:59, after the daily backup."""
    number = _spread(stack, job)
    return f"{number % 60} {6 + number // 60 % 2} * * {day}"


def _spread(stack: Stack, job: str) -> int:
    text = f"{stack.folders.buildout}:{stack.name}:{job}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
