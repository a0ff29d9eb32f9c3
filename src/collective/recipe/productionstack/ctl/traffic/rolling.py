"""Restart clients one after the other while the rest serve."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import nullcontext
from contextlib import suppress
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING

from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.ctl.lifecycle import hooks
from collective.recipe.productionstack.ctl.lifecycle import restarting
from collective.recipe.productionstack.ctl.lifecycle import stopping
from collective.recipe.productionstack.ctl.lifecycle import survey
from collective.recipe.productionstack.ctl.lifecycle.starting import Starter
from collective.recipe.productionstack.ctl.traffic import clients
from collective.recipe.productionstack.ctl.traffic import warming
from collective.recipe.productionstack.daemons import roles
from collective.recipe.productionstack.daemons.roles import Server
from collective.recipe.productionstack.daemons.supervisor.control import adopt
from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.model.announced import Program
from collective.recipe.productionstack.model.chain import BALANCER
from collective.recipe.productionstack.model.stack import Stack

if TYPE_CHECKING:
    from typing_extensions import Self


HOLD = "Let visitors wait for it with --hold, or do it all the same with --force"

BACK_SECONDS = 60.0
"""HAProxy needs two good checks before it sends visitors again."""


@dataclass(frozen=True, kw_only=True)
class RollSettings:
    """How a roll is done; times in seconds."""

    timeout: float = 60
    start_timeout: float = 300
    paths: Sequence[str] = ("/",)
    before: str = ""
    after: str = ""
    force: bool = False
    hold: bool = False


class Halt:
    """The first Ctrl-C lets the client at hand come back; the second ends at once.

    A lost terminal (HUP) and TERM count too.
    """

    SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def __init__(self, say: Callable[[str], None]) -> None:
        """Remember how to tell the user."""
        self.say = say
        self.wanted = False

    def __enter__(self) -> Self:
        """Take the signals over."""
        self.before = {one: signal.signal(one, self.note) for one in self.SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        """Give them back."""
        for one, handler in self.before.items():
            signal.signal(one, handler)

    def note(self, number: int, frame: FrameType | None) -> None:
        """Note the first signal.

        Raises KeyboardInterrupt for the second.
        """
        del number, frame
        if self.wanted:
            raise KeyboardInterrupt
        self.wanted = True
        with suppress(OSError):
            self.say("stopping as soon as this client serves; once more: at once")


class Roll:
    """A rolling restart: one balancer, and for each step one look at what runs."""

    what = "client"
    many = "clients"

    def __init__(self, control: Control, stack: Stack, settings: RollSettings) -> None:
        """Know the balancer; no client is touched yet."""
        self.control, self.stack, self.settings = control, stack, settings
        self.balancer = roles.balancer(stack)
        self.balancer.let_go()
        self.done: list[str] = []
        self.away: set[str] = set()

    def run(self, wanted: Iterable[Program], parallel: int = 1) -> None:
        """Restart clients, so many at a time.

        Raises ControlError that says what serves on and what comes next.
        """
        begun = time.monotonic()
        left = self._weakest_first(wanted)
        screen = self.control.screen
        held = self.balancer.holding() if self.settings.hold else nullcontext()
        with screen.steps() as self.steps, Halt(screen.warn) as self.halt, held:
            self._groups(left, parallel)
        count = len(self.done)
        number = f"{count} {self.what if count == 1 else self.many}"
        seconds = time.monotonic() - begun
        screen.say(f"restart: {number} restarted and serving ({seconds:.0f} s)")
        self._warn_of(seconds if self.settings.hold else 0)

    def database(self, program: Program) -> None:
        """Restart the database's server while visitors wait for it.

        Raises ControlError where it does not answer, or no client serves after it.
        """
        begun = time.monotonic()
        screen, held = self.control.screen, self.balancer.holding()
        with screen.steps() as self.steps, Halt(screen.warn) as self.halt, held:
            known = self.balancer.servers().items()
            names = {name for name, one in known if one.is_up}
            self._drain(names)
            seconds = self.settings.start_timeout
            try:
                restarting.restart(
                    self.control, self.stack, program, self.steps, seconds
                )
            finally:
                self._release(names)
            self._take_back(names)
        seconds = time.monotonic() - begun
        screen.say(f"restart: {program.name} restarted ({seconds:.0f} s)")
        self._warn_of(seconds)

    def _warn_of(self, seconds: float) -> None:
        """Say so where visitors were held for longer than each of them waits."""
        patience = self.stack.zope.balancing.queue_timeout
        if seconds > patience:
            self.control.screen.warn(
                f"Visitors wait at most {patience} s (queue-timeout), so some may have "
                "seen 503 meanwhile. A larger one lets them wait longer."
            )

    def _groups(self, left: list[Program], parallel: int) -> None:
        """Restart some after the others; ControlError says what was not done."""
        while left:
            group, left = left[:parallel], left[parallel:]
            try:
                self._group(group)
            except (ControlError, KeyboardInterrupt) as error:
                raise self._halted(error, left) from error
            self.done += [program.name for program in group]
            if self.halt.wanted and left:
                raise self._halted(KeyboardInterrupt(), left)

    def _weakest_first(self, wanted: Iterable[Program]) -> list[Program]:
        """Begin with what does not serve: it takes nobody away."""
        servers = self.balancer.servers()
        return sorted(
            wanted, key=lambda one: one.name in servers and servers[one.name].is_up
        )

    def _group(self, programs: Sequence[Program]) -> None:
        """Restart some clients at a time; ControlError leaves them drained."""
        names = {program.name for program in programs}
        servers = self.balancer.servers()
        self._refuse_last(servers, names)
        hooks.run_one(self.stack, self.settings.before, names)
        self._drain(names & servers.keys())
        self.away |= names
        # Not sooner: one may have crashed and been started again meanwhile.
        seen = survey.take(self.stack)
        running = [one for one in programs if seen.pid(one.name)]
        stopping.programs(self.control, self.stack, seen, running, self.steps)
        self._start(programs)
        self._take_back(names)
        self.away -= names
        hooks.run_one(self.stack, self.settings.after, names)

    def _refuse_last(self, servers: Mapping[str, Server], names: set[str]) -> None:
        """See that somebody serves without these, or that visitors wait for them."""
        if not self.settings.hold:
            force = self.settings.force
            clients.refuse_last(self.control, servers, names, force=force, instead=HOLD)

    def _drain(self, names: set[str]) -> None:
        """Let the requests of clients end.

        Raises ControlError where they do not end in time; those clients serve again.
        """
        for name in names:
            self.balancer.set_state(name, "drain")
            self.steps.begin(name, "drained, waiting for its requests to end")
        idle = self.balancer.wait_idle(
            names, self.settings.timeout, lambda: self.halt.wanted
        )
        if self.halt.wanted or not (idle or self.settings.force):
            message = self._busy(names)
            self._release(names)
            raise ControlError(message)
        for name in names:
            self.steps.done(name, "drained" if idle else "drained; requests are cut")

    def _busy(self, names: set[str]) -> str:
        """Say why clients were left running."""
        shown = ", ".join(sorted(names))
        if self.halt.wanted:
            return f"interrupted: {shown} was not stopped and serves again."
        seconds = self.settings.timeout
        return (
            f"{self.balancer.busy(names)} after {seconds:.0f} s, so it was not stopped "
            "and serves again. Wait longer with --timeout, or stop it all the same "
            "with --force: those requests are lost then."
        )

    def _start(self, programs: Sequence[Program]) -> None:
        supervisor = survey.connect(self.stack)
        adopt(supervisor)
        deadline = time.monotonic() + self.settings.start_timeout
        starter = Starter(self.control, self.stack, supervisor, self.steps, deadline)
        starter.start(programs)
        self._warm(programs)

    def _warm(self, programs: Sequence[Program]) -> None:
        """Ask each for pages before visitors do."""
        for program in programs:
            warming.warm(self.stack, program.name, self.settings.paths, self.steps)

    def _take_back(self, names: set[str]) -> None:
        """Let visitors in again and see that the balancer sends them.

        Raises ControlError where it does not within a minute.
        """
        self._release(names)
        for name in sorted(names):
            self.steps.begin(name, "waiting for the balancer's own check")
        if late := clients.wait_up(self.balancer, sorted(names), BACK_SECONDS):
            states = self.balancer.servers_seen()
            shown = ", ".join(
                f"{name} is {states[name].status if name in states else 'unknown'}"
                for name in late
            )
            title = roles.title(self.stack, BALANCER)
            message = f"for {title} {shown} though it answers; see its log."
            raise ControlError(message)
        for name in sorted(names):
            self.steps.done(name, "serves")

    def _release(self, names: Iterable[str]) -> None:
        """Let the balancer send visitors again."""
        for name in names:
            self.balancer.set_state(name, "ready")

    def _halted(self, error: BaseException, left: Sequence[Program]) -> ControlError:
        """Leave what failed without visitors; say what serves and what comes next."""
        away = sorted(self.away)
        for name in away:
            with suppress(ControlError):
                self.balancer.set_state(name, "drain")
        text = str(error) or "interrupted."
        lines = [text if text.endswith((".", "\n")) else f"{text}."]
        if away:
            seen = survey.take(self.stack)
            state = ", ".join(f"{one} ({seen.state(one).lower()})" for one in away)
            lines.append(
                f"Without visitors now: {state}. Mend the cause, then run "
                f"{self.control.script} restart {' '.join(away)}"
            )
        up = [name for name, one in self.balancer.servers_seen().items() if one.is_up]
        lines.append(f"Serving: {', '.join(sorted(up)) or 'none'}.")
        if self.done:
            lines.append(f"Restarted: {', '.join(self.done)}.")
        if left:
            lines.append(f"Not restarted: {', '.join(one.name for one in left)}.")
        return ControlError("\n".join(lines))
