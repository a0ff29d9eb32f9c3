"""While no client serves visitors wait, if that is wanted; what is cached is served."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from collective.recipe.productionstack.daemons.haproxy.control import Haproxy
from collective.recipe.productionstack.model.front import Front
from tests.daemons import stage
from tests.daemons.stage import HTML
from tests.daemons.stage import PRIVATE
from tests.daemons.stage import Answer
from tests.daemons.stage import Stage

pytestmark = pytest.mark.usefixtures("daemons")

AWAY = 6.0
"""Seconds: longer than Varnish's probe needs to find that nobody serves."""


@pytest.fixture
def chain() -> Iterator[Stage]:
    front = Front(rate_limits_exempt=("127.0.0.0/8",))
    with Stage(clients=1, front=front) as one:
        yield one.start()


def test_they_wait_in_every_tier_and_the_cache_serves(chain: Stage) -> None:
    plone, haproxy = chain.plone, Haproxy(chain.stack, 2)
    plone.answers["/mine"] = Answer((PRIVATE, HTML), body=b"mine")
    assert chain.get("/kept").status == 200
    cached: list[stage.Reply] = []
    with stage.load(20, lambda: chain.get("/mine")) as replies:
        time.sleep(0.3)
        with haproxy.holding():
            haproxy.set_state("instance1", "drain")
            assert haproxy.wait_idle({"instance1"}, 5)
            port = plone.stop("instance1")
            served, begun = len(replies), time.monotonic()
            while time.monotonic() - begun < AWAY:
                cached.append(chain.get("/kept"))
                time.sleep(0.2)
            assert len(replies) == served
            plone.start("instance1", port)
            haproxy.set_state("instance1", "ready")
            stage.until(lambda: haproxy.servers()["instance1"].is_up)
        time.sleep(0.5)
    assert stage.statuses(replies) == {200: len(replies)}, chain.said("haproxy")[-3000:]
    assert {one.result for one in cached} == {"HIT"}
    assert haproxy.servers().keys() == {"instance1"}


def test_who_was_killed_while_visitors_waited_holds_nobody_for_ever(
    chain: Stage,
) -> None:
    haproxy = Haproxy(chain.stack, 2)

    def state() -> str:
        lines = haproxy.ask("show servers state plone").splitlines()
        (row,) = (line.split() for line in lines if " hold-visitors " in line)
        return row[6]

    before = state()
    haproxy.let_go()
    assert state() == before
    haproxy.ask("set server plone/hold-visitors state ready")
    assert state() != before
    haproxy.let_go()
    assert state() == before
    assert chain.get("/").status == 200
