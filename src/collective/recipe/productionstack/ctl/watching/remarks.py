"""What ``status`` says in words, below the programs."""

from __future__ import annotations

from collections.abc import Iterator

from collective.recipe.productionstack.ctl.backups import guarding
from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.ctl.jobs.outcomes import Age
from collective.recipe.productionstack.ctl.lifecycle import boot
from collective.recipe.productionstack.ctl.lifecycle import start_record
from collective.recipe.productionstack.ctl.watching import certificates
from collective.recipe.productionstack.ctl.watching import counters
from collective.recipe.productionstack.ctl.watching import sites
from collective.recipe.productionstack.ctl.watching.status import PROBE_SECONDS
from collective.recipe.productionstack.ctl.watching.status import Status
from collective.recipe.productionstack.daemons import health
from collective.recipe.productionstack.daemons import roles
from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.errors import printable

FEW = 10
"""So many sites are listed though all is well with them."""


def lines(control: Control, status: Status) -> Iterator[str]:
    """Yield what is to be said below the programs; blank lines between the groups."""
    groups = (
        _sites(control, status),
        _configuration(control, status),
        [*counters.lines(status.counted), *_cache(status)],
        _kept(control, status),
        [certificates.line(control, one) for one in status.certificates],
        _machine(control, status),
    )
    for group in groups:
        if group:
            yield ""
            yield from group


def _sites(control: Control, status: Status) -> list[str]:
    said = [
        f"{site.shown}: {answer}"
        for site, answer in status.sites.items()
        if len(status.sites) <= FEW or answer != health.OK
    ]
    if status.maintenance:
        shown = ", ".join(status.maintenance)
        said.append(
            f"maintenance: visitors of {shown} see 503; backup, pack, watchdog wait: "
            f"{control.script} maintenance off"
        )
    return said


def _configuration(control: Control, status: Status) -> list[str]:
    script = control.script
    said = [f"configuration: {status.applied or 'none'} applied, {_current(status)}"]
    if status.current and status.applied != status.current:
        said[0] += f": {script} diff, {script} reload"
    for name, one in sorted(status.stale.items()):
        what = start_record.how_to_restart(control, status.stack, name)
        what = f"{script} reload" if one.reload else what
        said.append(f"{name} has not taken in {', '.join(one.reasons)}: {what}")
    if status.drained:
        names = " ".join(status.drained)
        said.append(f"{names}: drained, no visitors: {script} ready {names}")
    return said


def _cache(status: Status) -> list[str]:
    """Say what the cache cannot do, where something is missing for it."""
    stack = status.stack
    if stack.alone or not stack.chain.has_cache:
        return []
    short = roles.cache(stack).shortcoming()
    return [f"cache: {short}"] if short else []


def _kept(control: Control, status: Status) -> list[str]:
    said = [_job_line(control, one) for one in status.ages]
    said += [f"backup: FAILED: {text}" for text in status.backups]
    said += [f"backup: WARNING: {text}" for text in guarding.left_out(status.stack)]
    return said + [f"disk: {text}" for text in status.disks]


def _machine(control: Control, status: Status) -> list[str]:
    # What status has asked itself stands above, and is newer.
    asked = tuple(map(sites.no_page, status.sites))
    said = [f"watchdog: {text}" for text in status.alerts if not text.startswith(asked)]
    if status.files:
        said.append(f"open files: {status.files}")
    said.append(f"after a reboot: {_boot(control)}")
    said += [f"boot: {text}" for text in status.boot]
    if not status.seen.answers:
        gone = "hangs" if status.seen.supervisor else "does not run"
        said.append(f"supervisord {gone}: {control.script} up")
    for name, pids in sorted(status.seen.leftovers.items()):
        shown = ", ".join(map(str, pids))
        said.append(
            f"{name} runs without supervisord (pid {shown}): {control.script} up"
        )
    return said


VERBS = {
    "verify": "verify-backup",
    "sync": "sync-backup",
    "far": "verify-backup --from far",
    "certificate": "certificate renew",
}
"""The verbs that do jobs of other names."""


def _job_line(control: Control, one: Age) -> str:
    """Say how old a job's last good run is, and what is wrong with the last one."""
    age = "never yet" if one.age is None else f"{span(int(one.age))} ago"
    verb = VERBS.get(one.name, one.name)
    if one.stamp and not one.stamp.ok:
        text = printable(one.stamp.verdict, limit=200)
        return f"{one.name}: FAILED: {text} (good: {age})"
    if not one.ok:
        return f"{one.name}: TOO OLD: {age}: {control.script} {verb}"
    return f"{one.name}: {age}" + (f", {one.stamp.verdict}" if one.stamp else "")


def _boot(control: Control) -> str:
    try:
        return boot.how(control, PROBE_SECONDS)
    except ControlError:
        return f"unknown, your crontab cannot be read: {control.script} boot"


def _current(status: Status) -> str:
    if status.applied == status.current:
        return "the current one"
    return f"{status.current or 'none'} generated since"


def span(seconds: int | None) -> str:
    """Return seconds in two units at the most, such as ``3d 4h``."""
    if seconds is None:
        return "-"
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
