"""Start programs one group after the other and wait until each answers."""

from __future__ import annotations

import time
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path

from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.ctl.lifecycle import start_record
from collective.recipe.productionstack.ctl.lifecycle import supervisord
from collective.recipe.productionstack.ctl.screen import Steps
from collective.recipe.productionstack.daemons import health
from collective.recipe.productionstack.daemons import roles
from collective.recipe.productionstack.daemons.supervisor.control import Info
from collective.recipe.productionstack.daemons.supervisor.control import Supervisor
from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.machine import waiting
from collective.recipe.productionstack.machine.own_processes import SUPERVISOR
from collective.recipe.productionstack.machine.run import last_lines
from collective.recipe.productionstack.model.announced import Program
from collective.recipe.productionstack.model.chain import BALANCER
from collective.recipe.productionstack.model.stack import Stack

ROOT_CLASS = b"OFS.Application"
SMALL = 256 * 1024
EXITED_FOR = 4.0
"""Seconds after which a program that ended is not about to be started again."""


@dataclass
class Starter:
    """Starts programs under a supervisord until a deadline."""

    control: Control
    stack: Stack
    supervisor: Supervisor
    steps: Steps
    deadline: float
    exited: dict[str, float] = field(default_factory=dict)

    @property
    def left(self) -> float:
        """Seconds until the deadline; below 0 when it is over."""
        return self.deadline - time.monotonic()

    def start(self, programs: Sequence[Program]) -> list[Program]:
        """Start those that do not run, wait for all; return the ones started."""
        infos = self.supervisor.infos()
        missing = [one for one in programs if not _is_up(infos.get(one.name))]
        if missing:
            supervisord.make_folders(self.stack)
        for program in missing:
            self._start(program)
        self.wait(programs)
        return missing

    def wait(self, programs: Iterable[Program]) -> None:
        """Wait until programs answer."""
        left = {program.name: program for program in programs}
        for name in left:
            self.steps.begin(name, "starting")
        for _ in waiting.tries():
            infos = self.supervisor.infos()
            for name, answer in health.probe_all(left.values(), 2).items():
                if answer == health.OK and _is_up(infos.get(name)):
                    self.steps.done(name, "answers")
                    del left[name]
                else:
                    self._look(left[name], infos.get(name), answer)
            if not left:
                return

    def wait_for_server(self) -> None:
        """Wait until HAProxy sends requests to at least one client."""
        balancer = roles.balancer(self.stack)
        self.until(
            lambda: any(one.is_up for one in balancer.servers_seen().values()),
            "balancer",
            f"{roles.title(self.stack, BALANCER)} finds no client that answers its "
            "health check",
        )

    def settle(self, programs: Sequence[Program] = ()) -> None:
        """Wait until supervisor has watched them, or all, and calls them running."""
        every = (one for one in self.stack.announced.programs if not one.standby)
        wanted = list(programs) or list(every)
        for _ in waiting.tries():
            infos = self.supervisor.infos()
            left = [one for one in wanted if infos[one.name].state != "RUNNING"]
            if not left:
                self.steps.end_quietly(SUPERVISOR, "has seen them stay up")
                return
            names = ", ".join(one.name for one in left)
            self.steps.begin(SUPERVISOR, f"watches whether they stay up: {names}")
            for program in left:
                self._judge(program, infos[program.name], "answers, is being watched")

    def until(self, done: Callable[[], bool], step: str, trouble: str) -> None:
        """Wait for anything else.

        Raises ControlError at the deadline.
        """
        self.steps.begin(step, "waiting")
        if not waiting.until(done, self.left):
            raise ControlError(f"{trouble}. {self._advice()}")
        self.steps.done(step, "ready")

    def _start(self, program: Program) -> None:
        seen = start_record.look(self.stack, program, _applied(self.stack))
        self.steps.begin(program.name, "starting")
        self._wait_stopped(program)
        self.supervisor.start(program.name)
        info = self.supervisor.infos()[program.name]
        start_record.remember(self.stack, program.name, seen, info.pid)

    def _wait_stopped(self, program: Program) -> None:
        """Wait while a program is being stopped: it cannot be started before."""
        for _ in waiting.tries():
            info = self.supervisor.infos().get(program.name)
            if info is None:
                message = (
                    f"supervisord does not know {program.name}. "
                    f"Run {self.control.script} reload, then {self.control.script} up."
                )
                raise ControlError(message)
            if info.state != "STOPPING":
                return
            self._look(program, info, "is being stopped")

    def _look(self, program: Program, info: Info | None, answer: str) -> None:
        """Show what a program does, or give up on it."""
        state = info.state if info else "STOPPED"
        self.steps.begin(program.name, f"{state.lower()}: {answer}")
        self._judge(program, info, answer)

    def _judge(self, program: Program, info: Info | None, answer: str) -> None:
        """Give up on a program that cannot come up any more."""
        state = info.state if info else "STOPPED"
        if state == "FATAL" or self._stays_down(program.name, state):
            raise ControlError(self._failure(program, f"is {state}", info))
        if self.left < 0:
            raise ControlError(self._failure(program, f"is {state}, {answer}", info))

    def _stays_down(self, name: str, state: str) -> bool:
        if state not in {"EXITED", "STOPPED", "UNKNOWN"}:
            self.exited.pop(name, None)
            return False
        since = self.exited.setdefault(name, time.monotonic())
        return time.monotonic() - since > EXITED_FOR

    def _failure(self, program: Program, what: str, info: Info | None) -> str:
        why = f" ({info.why})" if info and info.why and info.state != "RUNNING" else ""
        said = last_lines(self.supervisor.tail(program.name))
        log = f"\nThe end of its log:{said}" if said else ""
        return f"{program.name} {what}{why}.{log}\n{self._advice()}"

    def _advice(self) -> str:
        script = self.control.script
        return (
            f"Logs are in {self.stack.folders.log}. Mend the cause, then run "
            f"{script} up again (after bin/buildout: {script} down first)."
        )


def is_empty(stack: Stack) -> bool:
    """Whether the first client must start alone to make the root of the database.

    An initialised Data.fs names the class of its root near its beginning; one of
    any size is in use. Where we see no Data.fs the safe answer is given.
    """
    if stack.data.storage is None:
        return True
    path = Path(stack.data.storage.data_file)
    try:
        if path.stat().st_size > SMALL:
            return False
        return ROOT_CLASS not in path.read_bytes()
    except OSError:
        return True


def forget_index(stack: Stack) -> None:
    """Delete the index that ZEO wrote for the empty database.

    FileStorage writes the next one when it is closed or packed; until then every
    backup would complain that this one does not fit.
    """
    if stack.data.storage is not None:
        Path(f"{stack.data.storage.data_file}.index").unlink(missing_ok=True)


def _is_up(info: Info | None) -> bool:
    return info is not None and info.is_up


def _applied(stack: Stack) -> Path:
    return Path(stack.folders.applied).resolve()
