"""``status``: what runs and answers, in less than a second."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass
from dataclasses import field
from typing import TYPE_CHECKING
from typing import Any

from collective.recipe.productionstack.ctl.backups import guarding
from collective.recipe.productionstack.ctl.backups.kept import standing
from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.ctl.jobs import outcomes
from collective.recipe.productionstack.ctl.jobs.outcomes import Age
from collective.recipe.productionstack.ctl.lifecycle import boot
from collective.recipe.productionstack.ctl.lifecycle import start_record
from collective.recipe.productionstack.ctl.lifecycle import survey
from collective.recipe.productionstack.ctl.lifecycle.start_record import Stale
from collective.recipe.productionstack.ctl.lifecycle.survey import Survey
from collective.recipe.productionstack.ctl.traffic.maintenance import hosts
from collective.recipe.productionstack.ctl.watching import certificates
from collective.recipe.productionstack.ctl.watching import counters
from collective.recipe.productionstack.ctl.watching import machine
from collective.recipe.productionstack.ctl.watching import sites
from collective.recipe.productionstack.ctl.watching import troubles
from collective.recipe.productionstack.daemons import certificates as loaded
from collective.recipe.productionstack.daemons import health
from collective.recipe.productionstack.daemons import roles
from collective.recipe.productionstack.daemons.certificates import Certificate
from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.errors import printable
from collective.recipe.productionstack.machine.own_processes import SUPERVISOR
from collective.recipe.productionstack.model.announced import Program
from collective.recipe.productionstack.model.site import Site
from collective.recipe.productionstack.model.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterable
    from collections.abc import Iterator
    from collections.abc import Mapping


PROBE_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Status:
    """Everything that ``status`` shows."""

    stack: Stack
    seen: Survey
    answers: Mapping[str, str]
    stale: Mapping[str, Stale]
    applied: str | None
    current: str | None
    drained: tuple[str, ...] = ()
    maintenance: tuple[str, ...] = ()
    alerts: tuple[str, ...] = ()
    boot: tuple[str, ...] = ()
    ages: tuple[Age, ...] = ()
    backups: tuple[str, ...] = ()
    certificates: tuple[Certificate, ...] = ()
    sites: Mapping[Site, str] = field(default_factory=dict)
    disks: tuple[str, ...] = ()
    files: str = ""
    counted: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether every program, site, job, disk and certificate is as it should be."""
        lasting = all(one.ok for one in self.certificates)
        there = all(answer == health.OK for answer in self.sites.values())
        well = there and lasting and not self.disks and not self.backups
        return self.runs and well and all(one.ok for one in self.ages)

    @property
    def runs(self) -> bool:
        """Whether every program that should run is supervised and answers."""
        return self.seen.answers and all(
            self.is_good(program)
            for program in self.stack.announced.programs
            if not program.standby
        )

    def is_good(self, program: Program) -> bool:
        """Whether one program runs and answers."""
        # STARTING is RUNNING that supervisor has not watched for long enough yet.
        running = self.seen.state(program.name) in {"RUNNING", "STARTING"}
        return running and self.answers.get(program.name) == health.OK

    def to_json(self) -> dict[str, Any]:
        """Return what a machine reads."""
        more: dict[str, tuple[Any, ...]] = {
            "maintenance": self.maintenance,
            "alerts": self.alerts,
            "boot": self.boot,
            "backups": self.backups,
            "drained": self.drained,
            "disks": self.disks,
            "sites": tuple(
                {"host": site.host, "path": site.path, "answer": answer}
                for site, answer in self.sites.items()
            ),
            "certificates": tuple(map(certificates.values, self.certificates)),
        }
        return {
            "ok": self.ok,
            "configuration": {"applied": self.applied, "current": self.current},
            "programs": [
                self.program(program) for program in self.stack.announced.programs
            ],
            "jobs": [_job(one) for one in self.ages],
            **{name: list(found) for name, found in more.items() if found},
            **({"traffic": self.counted} if self.counted else {}),
        }

    def program(self, program: Program) -> dict[str, Any]:
        """Return one program's line."""
        pid = self.seen.pid(program.name)
        process = self.seen.table.get(pid)
        memory = sum(
            self.seen.table[one].memory
            for one in self.seen.pids(program.name)
            if one in self.seen.table
        )
        return {
            "name": program.name,
            "state": self.seen.state(program.name),
            "pid": pid or None,
            "uptime": int(process.uptime) if process else None,
            "address": str(program.health.address),
            "health": self.answers.get(program.name, "not running"),
            "memory": memory or None,
            "standby": program.standby,
            "drained": program.name in self.drained,
        }


def supervisord(status: Status) -> dict[str, Any]:
    """Return the line of the one that looks after the programs."""
    pid = status.seen.supervisor
    process = status.seen.table.get(pid)
    silent = "no answer" if pid else "not running"
    return {
        "name": SUPERVISOR,
        "pid": pid or None,
        "uptime": int(process.uptime) if process else None,
        "health": health.OK if status.seen.answers else silent,
        "memory": process.memory if process else None,
        "standby": False,
    }


def look(control: Control) -> Status:
    """Look at everything at once; nothing that hangs holds the rest up."""
    stack = control.newest()
    answers: dict[str, str] = {}
    there: dict[Site, str] = {}
    shown: list[Certificate] = []
    counted: dict[str, dict[str, int]] = {}
    asking = (
        lambda: answers.update(
            health.probe_all(stack.announced.programs, PROBE_SECONDS)
        ),
        lambda: there.update(sites.look(stack, PROBE_SECONDS)),
        lambda: shown.extend(loaded.look(stack, PROBE_SECONDS)),
        lambda: counted.update(counters.take(stack)),
    )
    with _beside(asking):
        seen = survey.take(stack, PROBE_SECONDS)
    drained = _drained(stack) if seen.pid(stack.chain.load_balancer) else ()
    applied, current = control.trees.applied(), control.trees.current()
    return Status(
        stack=stack,
        seen=seen,
        answers={name: text for name, text in answers.items() if seen.pid(name)},
        stale=start_record.stale(stack, seen) if applied else {},
        applied=applied.name if applied else None,
        current=current.name if current else None,
        drained=drained,
        maintenance=tuple(sorted(hosts(stack))),
        ages=tuple(outcomes.ages(stack)),
        certificates=tuple(shown),
        sites={} if seen.is_empty else there,
        disks=tuple(machine.disks(stack).values()),
        files=machine.open_files(seen.supervisor),
        alerts=tuple(sorted(troubles.load(stack).values())),
        boot=tuple(boot.warnings(control)),
        backups=tuple(standing.of_all(stack).values()),
        counted=counted,
    )


@contextmanager
def _beside(asking: Iterable[Callable[[], None]]) -> Iterator[None]:
    """Let others ask while the block runs; leave it when all have asked."""
    threads = [threading.Thread(target=one, daemon=True) for one in asking]
    for thread in threads:
        thread.start()
    yield
    for thread in threads:
        thread.join()


def _drained(stack: Stack) -> tuple[str, ...]:
    return tuple(sorted(roles.balancer(stack, PROBE_SECONDS).drained()))


def remarks(control: Control, status: Status) -> list[str]:
    """Return what is to be said below the programs."""
    script = control.script
    lines = [f"configuration: {status.applied or 'none'} applied, {_current(status)}"]
    if status.current and status.applied != status.current:
        lines[0] += f": {script} diff, {script} reload"
    for name, one in sorted(status.stale.items()):
        what = start_record.how_to_restart(control, status.stack, name)
        what = f"{script} reload" if one.reload else what
        lines.append(f"{name} has not taken in {', '.join(one.reasons)}: {what}")
    if status.drained:
        names = " ".join(status.drained)
        lines.append(f"{names}: drained, no visitors: {script} ready {names}")
    if status.maintenance:
        shown = ", ".join(status.maintenance)
        lines.append(
            f"maintenance: visitors of {shown} see 503; backup, pack, watchdog wait: "
            f"{script} maintenance off"
        )
    lines += counters.lines(status.counted)
    lines += [_job_line(control, one) for one in status.ages]
    lines += [f"backup: FAILED: {text}" for text in status.backups]
    lines += [f"backup: WARNING: {text}" for text in guarding.left_out(status.stack)]
    lines += [
        f"{site.host}: {answer}"
        for site, answer in status.sites.items()
        if answer != health.OK
    ]
    lines += [f"disk: {text}" for text in status.disks]
    if status.files:
        lines.append(f"open files: {status.files}")
    lines += [certificates.line(control, one) for one in status.certificates]
    lines += [f"watchdog: {text}" for text in status.alerts]
    lines.append(f"after a reboot: {_boot(control)}")
    lines += [f"boot: {text}" for text in status.boot]
    if not status.seen.answers:
        gone = "hangs" if status.seen.supervisor else "does not run"
        lines.append(f"supervisord {gone}: {script} up")
    for name, pids in sorted(status.seen.leftovers.items()):
        shown = ", ".join(map(str, pids))
        lines.append(f"{name} runs without supervisord (pid {shown}): {script} up")
    return lines


def _job(one: Age) -> dict[str, Any]:
    stamp = one.stamp
    more = {"verdict": stamp.verdict, "size": stamp.size} if stamp else {}
    return {
        "name": one.name,
        "age": one.age,
        "limit": one.limit,
        "ok": one.ok,
        **more,
    }


def _job_line(control: Control, one: Age) -> str:
    """Say how old a job's last good run is, and what is wrong with the last one."""
    age = "never yet" if one.age is None else f"{span(int(one.age))} ago"
    verb = {"verify": "verify-backup", "sync": "sync-backup"}.get(one.name, one.name)
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
