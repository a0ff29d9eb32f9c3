"""``status``: what runs and answers, in less than a second."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass
from dataclasses import field
from typing import TYPE_CHECKING
from typing import Any

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
                {"host": site.name, "path": site.path, "answer": answer}
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
            "address": str(program.health.address) if program.health.asked else "",
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
