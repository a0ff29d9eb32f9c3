"""Clients that are restarted, killed, broken or hung while visitors come."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Iterator

import pytest

from tests.support.crowd import Crowd
from tests.support.crowd import Lost
from tests.support.crowd import crowd
from tests.support.crowd import warm
from tests.support.plonesite import PloneSite

CONNECTIONS = 8
BROKEN = "zcml-additional = <configure><no-such-directive /></configure>"
PAUSE = 0.5
"""Seconds between two requests of a visitor: two cores start clients beside that."""

AT_A_TIME = 2
"""Requests that a client has at a time: its threads less one."""


def names(number: int) -> list[str]:
    return [f"instance{one + 1}" for one in range(number)]


def lost(visitors: Crowd) -> list[Lost]:
    return visitors.bad + visitors.lost_forms


def kill(pid: int) -> None:
    """Kill it and see it gone: until then it may still be given requests."""
    one = os.pidfd_open(pid)
    try:
        os.kill(pid, signal.SIGKILL)
        select.select([one], [], [], 30)
    finally:
        os.close(one)


@pytest.fixture
def many(live: PloneSite, request: pytest.FixtureRequest) -> Iterator[PloneSite]:
    """Give the site with more clients."""
    if request.param != 2:
        live.configure(clients=request.param)
        live.buildout().good()
        live.stack("reload")
        live.stack("up").good()
    yield live
    if request.param != 2:
        # Clients are only ever taken away by down.
        live.stack("down").good()


@pytest.mark.parametrize(
    "many", [2, pytest.param(4, marks=pytest.mark.slow)], indirect=True
)
def test_a_rolling_restart_loses_no_request(many: PloneSite) -> None:
    clients = [one for one in many.pids() if one in names(4)]
    before = many.pids()
    logs = [many.folder / f"var/log/{one}-access.log" for one in clients]
    # Others may have asked for that page before.
    read = {one: one.stat().st_size if one.exists() else 0 for one in logs}
    with crowd(many, CONNECTIONS, PAUSE) as visitors:
        time.sleep(1)
        said = many.stack("restart", timeout=500).good()
        time.sleep(1)
    assert lost(visitors) == [], said.text + many.errors()
    assert visitors.good > 50
    after = many.pids()
    assert {one for one in after if after[one] != before[one]} == set(clients)
    assert f"{len(clients)} clients restarted and serving" in said.output
    for log in logs:
        # Visitors who come at once would let two threads read a template together.
        assert b"VirtualHostRoot/login HTTP/1" in log.read_bytes()[read[log] :]
    many.took[f"rolling restart of {len(clients)} under load"] = said


@pytest.mark.alone
def test_a_killed_client_loses_its_own_forms_only(live: PloneSite) -> None:
    live.wait(live.is_well, 60, "the site before")
    with crowd(live, CONNECTIONS) as visitors:
        visitors.wait_for(30)
        begun = time.monotonic()
        kill(live.pid("instance1"))
        over = time.monotonic()
        visitors.wait_for(60)
    assert visitors.bad == []
    # Only those that were under way: what the client worked on, and what HAProxy still
    # gave it for the ones that broke off first. Nobody who came later.
    assert len(visitors.lost_forms) <= 2 * AT_A_TIME
    for form in visitors.lost_forms:
        assert form.begun < over
        assert form.begun + form.took > begun
    live.wait(live.is_well, 60, "the site after")


@pytest.mark.alone
@pytest.mark.parametrize("name", ["varnish", "haproxy", "nginx"])
def test_a_killed_tier_is_back_in_two_seconds(live: PloneSite, name: str) -> None:
    live.wait(live.is_well, 60, "the site before")
    victim = live.pid(name)
    begun = time.monotonic()
    os.kill(victim, signal.SIGKILL)
    while not live.serves():
        time.sleep(0.05)
        assert time.monotonic() - begun < 2
    live.wait(live.is_well, 30, "the site after")


@pytest.mark.slow
def test_a_client_that_cannot_start_halts_the_roll(live: PloneSite) -> None:
    live.configure(instance=BROKEN)
    live.buildout().good()
    before = live.pids()
    with crowd(live, CONNECTIONS, PAUSE) as visitors:
        time.sleep(1)
        said = live.stack("restart", "--start-timeout", "60")
        time.sleep(1)
    assert said.status == 1
    assert "no-such-directive" in said.errors
    assert "Serving: instance2." in said.errors
    assert "Not restarted: instance2." in said.errors
    assert lost(visitors) == []
    assert live.pid("instance2") == before["instance2"]
    assert "instance1: drained, no visitors" in live.stack("status").text

    live.configure()
    live.buildout().good()
    live.stack("restart", "instance1").good()
    assert live.stack("status").status == 0


@pytest.mark.alone
def test_a_hung_client_leaves_the_others_serving(live: PloneSite) -> None:
    live.wait(live.is_well, 60, "the site before")
    # All who need a page that nobody has yet wait for the one request that fetches it.
    live.wait(lambda: live.get("/").cache == "HIT", 30, "the cached page")
    warm(live)
    victim = live.pid("instance1")
    os.kill(victim, signal.SIGSTOP)
    try:
        with crowd(live, is_warm=True) as visitors:
            time.sleep(8)
            # Some may wait for the one that hangs; all others are served.
            served = visitors.good
            time.sleep(6)
            assert visitors.good - served > 20
            os.kill(victim, signal.SIGCONT)
        assert lost(visitors) == []
        stuck = sum(seconds > 5 for seconds in visitors.took)
        # Two that came in the same moment may both be given its last place: one of
        # them stands in that client's own queue until its check has failed.
        assert stuck <= 2 * AT_A_TIME
    finally:
        os.kill(victim, signal.SIGCONT)
    live.wait(live.is_well, 60, "the site after")
