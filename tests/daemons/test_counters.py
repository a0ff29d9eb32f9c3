"""What the cache and the balancer count is told, and what is cut off is a trouble."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from collective.recipe.productionstack.ctl.watching import counters
from collective.recipe.productionstack.ctl.watching import metrics
from tests.daemons import stage
from tests.daemons.stage import FRESH
from tests.daemons.stage import PRIVATE
from tests.daemons.stage import Answer
from tests.daemons.stage import Stage
from tests.daemons.stage import connect

pytestmark = pytest.mark.usefixtures("daemons")

BINARY = ("Content-Type", "application/octet-stream")


@pytest.fixture(scope="module")
def running() -> Iterator[Stage]:
    """Give the chain with little room for what slow readers wait for."""
    with Stage(transit_size=8 * 1024**2) as one:
        yield one.start()


def test_what_is_counted(running: Stage) -> None:
    before = counters.take(running.stack)
    for _ in range(4):
        running.get("/counted", FRESH)
    running.get("/counted", ("Cookie", "__ac=x"))
    running.plone.answers["/broken"] = Answer(status=500)
    running.get("/broken")

    def told() -> dict[str, dict[str, int]]:
        found = counters.take(running.stack)
        return {
            tier: {name: number - before[tier][name] for name, number in one.items()}
            for tier, one in found.items()
        }

    stage.until(lambda: told()["cache"]["hits"] == 3, 5, lambda: str(told()))
    assert told()["cache"]["misses"] == 2
    assert told()["cache"]["passed"] == 1
    assert told()["balancer"]["errors"] == 1
    found = counters.take(running.stack)
    text = metrics.text("stack", [], [], metrics.of_counters(found))
    assert "# TYPE productionstack_cache_hits_total counter" in text
    assert 'productionstack_cache_hits_total{stack="stack",tier="cache"} ' in text
    assert 'productionstack_balancer_waiting{stack="stack",tier="balancer"} 0' in text
    cache, queue = counters.lines(counters.take(running.stack))
    assert "% hits, " in cache
    assert queue.startswith("queue: 0 wait, ")


def test_what_waits_is_counted(running: Stage) -> None:
    running.plone.default = Answer((PRIVATE,), wait=0.5)
    with stage.load(20, lambda: running.get("/slow")):
        stage.until(lambda: counters.take(running.stack)["balancer"]["waiting"] > 0, 5)
    running.plone.forget()


def test_an_answer_that_is_cut_off_is_a_trouble_once(running: Stage) -> None:
    watch = counters.CutOff()
    assert watch.troubles(counters.take(running.stack)) == {}
    running.plone.default = Answer((PRIVATE, BINARY), body=bytes(60_000_000))
    head = f"GET {running.stack.sites[0].virtual_host}/huge HTTP/1.1\r\nHost: x\r\n\r\n"
    with connect(running.stack.chain.cache) as reader:
        reader.sendall(head.encode())

        def cut() -> bool:
            return counters.take(running.stack)["cache"]["cut_off"] > 0

        stage.until(cut, 10)
    found = watch.troubles(counters.take(running.stack))
    assert "cut off" in found[counters.FULL]
    assert watch.troubles(counters.take(running.stack)) == {}
    assert "CUT OFF" in counters.lines(counters.take(running.stack))[0]


def test_who_is_away_counts_nothing() -> None:
    with Stage() as one:
        assert counters.take(one.stack) == {}
        assert counters.lines({}) == []
