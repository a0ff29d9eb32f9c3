"""Waiting for something, and no longer than is allowed."""

from __future__ import annotations

import time

import pytest

from collective.recipe.productionstack.machine import waiting

LONG = 30.0


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Let time pass by sleeping alone; return how long each sleep was."""
    naps: list[float] = []
    monkeypatch.setattr(time, "sleep", naps.append)
    monkeypatch.setattr(time, "monotonic", lambda: sum(naps))
    return naps


def test_what_is_so_is_not_waited_for(slept: list[float]) -> None:
    assert waiting.until(lambda: True, LONG)
    assert slept == []


def test_it_is_asked_until_it_is_so(slept: list[float]) -> None:
    answers = iter(["", [], 0, "yes"])
    assert waiting.until(lambda: next(answers), LONG, pause=2)
    assert slept == [2, 2, 2]


def test_time_runs_out(slept: list[float]) -> None:
    assert not waiting.until(lambda: False, seconds=1, pause=0.25)
    assert slept == [0.25] * 4


def test_no_time_is_one_try(slept: list[float]) -> None:
    assert len(list(waiting.tries(0))) == 1
    assert len(list(waiting.tries(-1))) == 1
    assert waiting.until(lambda: True, 0)
    assert slept == []


def test_others_may_stop_it(slept: list[float]) -> None:
    assert not waiting.until(lambda: False, LONG, stop=lambda: len(slept) == 2)
    assert len(slept) == 2


def test_a_loop_says_what_it_saw_last(slept: list[float]) -> None:
    for _ in waiting.tries(seconds=3, pause=1):
        seen = len(slept)
        if seen == 7:
            break
    else:
        seen = -seen
    assert seen == -3
    for _ in waiting.tries():
        if sum(slept) > 1000:
            break
