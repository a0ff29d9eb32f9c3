"""What the watchdog makes of what it sees. Pure: nothing here touches anything."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import field

from collective.recipe.productionstack.machine.files import MEGABYTE

EXITS = 5
"""A client that ends so often by itself within EXITS_SECONDS is given up."""

EXITS_SECONDS = 600.0
CALM_SECONDS = 3600.0
"""An exit is forgotten after that time."""

AWAY_SECONDS = 60.0
"""A client leaves 30 s after it has lost ZEO; that is no fault of its own."""

SILENT_SECONDS = 120.0
STARTING_SECONDS = 600.0
"""So long a program may take to answer for the first time."""

OVER_LOOKS = 6
AGAIN_SECONDS = 600.0
"""A client that needs its limit again so soon is not restarted again and again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One program now; memory in bytes, uptime in seconds.

    ``ours`` is whether bin/stack itself started the process with that pid; else
    supervisord has started it again.
    """

    name: str
    is_client: bool = True
    state: str = "RUNNING"
    pid: int = 0
    ours: bool = False
    answers: bool = True
    memory: int = 0
    uptime: float = 0.0


@dataclass(slots=True)
class History:
    """What is remembered of one program; times are the judge's clock."""

    pid: int = 0
    exits: list[float] = field(default_factory=list)
    answered: float = 0.0
    has_answered: bool = False
    looks_over: int = 0
    tried: float = float("-inf")
    refusal: str = ""
    given_up: bool = False


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is wrong (by program and kind of trouble), and what is to be done."""

    troubles: dict[str, str]
    restart: tuple[str, ...] = ()
    give_up: tuple[str, ...] = ()


class Judge:
    """Looks again and again, and remembers."""

    def __init__(self, limit: int = 0, given_up: Iterable[str] = ()) -> None:
        """Take the memory limit in bytes (0: none) and who was given up before."""
        self.limit = limit
        self.away_until = float("-inf")
        self.answered: float | None = None
        self.histories = {name: History(given_up=True) for name in given_up}

    def look(self, now: float, programs: Iterable[Seen], *, zeo: bool) -> Judgement:
        """Judge all programs as they are now; ``zeo`` is whether ZEO answers."""
        troubles: dict[str, str] = {}
        if zeo or self.answered is None:
            self.answered = now
        if not zeo:
            self.away_until = now + AWAY_SECONDS
        if now - self.answered > SILENT_SECONDS:
            troubles["zeo silent"] = "the ZEO server has not answered for minutes"
        restart, give_up = [], []
        for one in programs:
            history = self.histories.setdefault(one.name, History(answered=now))
            self._note(now, one, history)
            troubles.update(self._troubles(now, one, history))
            if self._is_too_much(now, one, history):
                restart.append(one.name)
            if self._is_hopeless(now, one, history):
                give_up.append(one.name)
        return Judgement(troubles, tuple(restart), tuple(give_up))

    def tried(self, name: str, now: float, refusal: str) -> None:
        """Note a restart for its memory; a refusal says why it was none."""
        history = self.histories[name]
        history.tried, history.refusal = now, refusal
        history.looks_over = 0

    def gave_up(self, name: str) -> None:
        """Note that a client was stopped for good."""
        self.histories[name].given_up = True

    def _note(self, now: float, one: Seen, history: History) -> None:
        """Compare with the look before."""
        if one.pid != history.pid:
            ended = history.pid and one.state not in {"STOPPED", "STOPPING"}
            if one.ours:
                history.exits, history.given_up = [], False
            elif ended and now >= self.away_until:
                history.exits.append(now)
            history.pid, history.answered = one.pid, now
            history.has_answered = False
        if one.answers:
            history.answered, history.has_answered = now, True
        history.exits = [then for then in history.exits if now - then < CALM_SECONDS]
        over = self.limit and one.is_client and one.memory > self.limit
        history.looks_over = history.looks_over + 1 if over else 0
        if not over:
            history.refusal = ""

    def _troubles(
        self, now: float, one: Seen, history: History
    ) -> Iterator[tuple[str, str]]:
        name, number = one.name, len(history.exits)
        times = "once" if number == 1 else f"{number} times"
        if one.state == "FATAL":
            yield f"{name} down", f"{name} does not start; supervisord has given it up"
        elif history.given_up and one.state != "RUNNING":
            yield f"{name} down", f"{name} ended again and again and was given up"
        elif number:
            yield f"{name} exits", f"{name} ended by itself, {times} in the last hour"
        stopped = one.state == "STOPPED" and not history.given_up
        if stopped and now - history.answered > SILENT_SECONDS:
            text = "has been stopped for minutes, and nothing starts it again"
            yield f"{name} stopped", f"{name} {text}"
        if self._is_silent(now, one, history):
            yield f"{name} silent", f"{name} runs but has not answered for minutes"
        if history.refusal:
            yield f"{name} memory", history.refusal

    def _is_silent(self, now: float, one: Seen, history: History) -> bool:
        allowed = SILENT_SECONDS if history.has_answered else STARTING_SECONDS
        blameless = one.is_client and now < self.away_until
        runs = one.state == "RUNNING" and not blameless
        return runs and now - history.answered > allowed

    def _is_too_much(self, now: float, one: Seen, history: History) -> bool:
        """Whether a client is to be restarted for its memory now."""
        if history.looks_over < OVER_LOOKS or not one.answers:
            return False
        if one.uptime < AGAIN_SECONDS:
            history.refusal = history.refusal or (
                f"{one.name} uses {one.memory // MEGABYTE} MB so soon after its start, "
                f"memory-limit is {self.limit // MEGABYTE} MB: it is not restarted"
            )
            return False
        return now - history.tried > AGAIN_SECONDS

    def _is_hopeless(self, now: float, one: Seen, history: History) -> bool:
        """Whether a client is to be stopped for good now."""
        late = [then for then in history.exits if now - then < EXITS_SECONDS]
        ends = one.is_client and not history.given_up and len(late) >= EXITS
        return ends and one.state in {"RUNNING", "STARTING", "BACKOFF", "EXITED"}
