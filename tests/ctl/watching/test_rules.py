"""What the watchdog decides, look by look, on a clock of the test's own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from dataclasses import field

from collective.recipe.productionstack.ctl.watching import rules
from collective.recipe.productionstack.ctl.watching.rules import Judge
from collective.recipe.productionstack.ctl.watching.rules import Judgement
from collective.recipe.productionstack.ctl.watching.rules import Seen
from collective.recipe.productionstack.machine.files import MEGABYTE

LIMIT = 500 * MEGABYTE


@dataclass
class Clock:
    """A judge and its time; every look comes five seconds after the last."""

    judge: Judge = field(default_factory=lambda: Judge(LIMIT))
    now: float = 1000.0
    pid: int = 100

    def look(self, *seen: Seen, zeo: bool = True, after: float = 5) -> Judgement:
        self.now += after
        return self.judge.look(self.now, seen, zeo=zeo)

    def looks(self, number: int, *seen: Seen, zeo: bool = True) -> list[Judgement]:
        return [self.look(*seen, zeo=zeo) for _ in range(number)]

    def crash(self, *, zeo: bool = True, after: float = 5) -> Judgement:
        """Let supervisord start the client again: another pid, not ours."""
        self.pid += 1
        return self.look(one(pid=self.pid), zeo=zeo, after=after)


def one(pid: int = 100, **values: object) -> Seen:
    return Seen(name="one", pid=pid, **values)  # type: ignore[arg-type]


def kinds(judgement: Judgement) -> Iterable[str]:
    return sorted(judgement.troubles)


def test_a_healthy_client_is_left_alone() -> None:
    clock = Clock()
    for judgement in clock.looks(100, one(memory=LIMIT, uptime=5000)):
        assert judgement == Judgement({})


def test_one_exit_is_told_and_forgotten_after_an_hour() -> None:
    clock = Clock()
    clock.look(one())
    assert clock.crash().troubles == {
        "one exits": "one ended by itself, once in the last hour"
    }
    assert kinds(clock.look(one(clock.pid), after=3500)) == ["one exits"]
    assert kinds(clock.look(one(clock.pid), after=200)) == []


def test_a_client_that_ends_again_and_again_is_given_up() -> None:
    clock = Clock()
    clock.look(one())
    found = [clock.crash(after=60).give_up for _ in range(rules.EXITS)]
    assert found == [(), (), (), (), ("one",)]
    clock.judge.gave_up("one")
    stopped = one(pid=0, state="STOPPED", answers=False)
    assert clock.look(stopped).give_up == ()
    assert clock.look(stopped).troubles == {
        "one down": "one ended again and again and was given up"
    }


def test_exits_over_a_day_are_not_given_up() -> None:
    clock = Clock()
    clock.look(one())
    assert all(clock.crash(after=300).give_up == () for _ in range(100))


def test_exits_while_zeo_is_away_do_not_count() -> None:
    clock = Clock()
    clock.look(one())
    for _ in range(20):
        assert clock.crash(zeo=False, after=30).troubles.keys() <= {"zeo silent"}
    # It comes back; a client that had begun to wait leaves a little later.
    clock.look(one(clock.pid), zeo=True)
    assert clock.crash(after=30).troubles == {}
    clock.look(one(clock.pid), after=60)
    assert kinds(clock.crash()) == ["one exits"]


def test_a_restart_by_hand_is_no_exit_and_forgives() -> None:
    clock = Clock()
    clock.look(one())
    clock.crash()
    assert kinds(clock.look(one(pid=300, ours=True))) == []
    assert kinds(clock.look(one(pid=301, ours=True))) == []


def test_stopped_by_hand_is_no_exit() -> None:
    clock = Clock()
    clock.look(one())
    clock.look(one(pid=100, state="STOPPING", answers=False))
    assert kinds(clock.look(one(pid=0, state="STOPPED", answers=False))) == []
    assert kinds(clock.look(one(pid=200))) == []


def test_what_stays_stopped_is_told() -> None:
    """A restart that was killed leaves what it had stopped, and nobody starts it."""
    clock = Clock()
    clock.look(one())
    stopped = one(0, state="STOPPED", answers=False)
    for judgement in clock.looks(25, stopped):
        assert not judgement.troubles
    assert clock.look(stopped).troubles == {
        "one stopped": "one has been stopped for minutes, and nothing starts it again"
    }
    assert not clock.look(one(101, ours=True)).troubles


def test_what_is_given_up_is_told_once() -> None:
    clock = Clock(Judge(LIMIT, ["one"]))
    stopped = one(0, state="STOPPED", answers=False)
    assert kinds(clock.looks(50, stopped)[-1]) == ["one down"]


def test_what_supervisord_gives_up_is_told() -> None:
    clock = Clock()
    dead = Seen(name="nginx", is_client=False, state="FATAL", answers=False)
    assert clock.look(dead).troubles == {
        "nginx down": "nginx does not start; supervisord has given it up"
    }


def test_only_clients_are_given_up() -> None:
    clock = Clock()
    for pid in range(1, 30):
        found = clock.look(Seen(name="x", is_client=False, pid=pid))
        assert found.give_up == ()
    assert kinds(found) == ["x exits"]


def test_a_hung_client_is_told_and_left_running() -> None:
    clock = Clock()
    clock.look(one())
    found = clock.looks(30, one(answers=False))
    assert kinds(found[10]) == []
    assert kinds(found[-1]) == ["one silent"]
    assert (found[-1].restart, found[-1].give_up) == ((), ())
    assert kinds(clock.look(one())) == []


def test_a_slow_start_is_no_silence() -> None:
    clock = Clock()
    found = clock.looks(100, one(answers=False))
    assert kinds(found[-1]) == []
    assert kinds(clock.looks(30, one(answers=False))[-1]) == ["one silent"]


def test_silence_for_want_of_zeo_is_no_fault_of_the_client() -> None:
    clock = Clock()
    clock.look(one())
    found = clock.looks(30, one(answers=False), zeo=False)
    assert kinds(found[-1]) == ["zeo silent"]


def test_too_much_memory_for_half_a_minute_is_a_restart() -> None:
    clock = Clock()
    fat = one(memory=LIMIT + 1, uptime=5000)
    assert [found.restart for found in clock.looks(5, fat)] == [()] * 5
    assert clock.look(one(memory=LIMIT, uptime=5000)).restart == ()
    assert [found.restart for found in clock.looks(6, fat)] == [*[()] * 5, ("one",)]


def test_a_refused_restart_is_told_and_tried_again_much_later() -> None:
    clock = Clock()
    fat = one(memory=LIMIT + 1, uptime=5000)
    clock.looks(6, fat)
    clock.judge.tried("one", clock.now, "one cannot be restarted: the last one")
    found = clock.looks(100, fat)
    assert found[0].troubles == {"one memory": "one cannot be restarted: the last one"}
    assert all(each.restart == () for each in found)
    assert clock.looks(30, fat)[-1].restart == ("one",)
    assert kinds(clock.look(one(memory=1))) == []


def test_a_limit_that_is_too_low_does_not_restart_for_ever() -> None:
    clock = Clock()
    found = clock.looks(20, one(memory=LIMIT + 1, uptime=100))[-1]
    assert found.restart == ()
    assert (
        "so soon after its start, memory-limit is 500 MB"
        in found.troubles["one memory"]
    )


def test_a_tier_has_no_memory_limit() -> None:
    clock = Clock()
    cache = Seen(name="varnish", is_client=False, pid=3, memory=LIMIT * 9, uptime=9999)
    assert clock.looks(50, cache)[-1] == Judgement({})


def test_who_was_given_up_stays_so_when_the_watchdog_itself_comes_back() -> None:
    clock = Clock(Judge(given_up=["one"]))
    assert kinds(clock.look(one(pid=0, state="STOPPED", answers=False))) == ["one down"]
    assert kinds(clock.look(one(pid=5, ours=True))) == []
