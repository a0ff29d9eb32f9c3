"""Kill what runs: it comes back, nothing runs twice, the site is there again."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest

from tests.support.crowd import crowd
from tests.support.plonesite import PloneSite

BACK = 45


def _itself(site: PloneSite, name: str) -> int:
    return site.pid(name)


def _child(site: PloneSite, name: str) -> int:
    return site.children(site.pid(name))[-1]


def _worker(site: PloneSite, name: str) -> int:
    inside = site.children(_child(site, name))
    return next(one for one in inside if "worker" in site.processes()[one])


VICTIMS = [
    pytest.param("zeoserver", _itself, id="zeo"),
    pytest.param("instance1", _itself, id="client1"),
    pytest.param("instance2", _itself, id="client2"),
    pytest.param("haproxy", _itself, id="haproxy-master"),
    pytest.param("haproxy", _child, id="haproxy-worker"),
    pytest.param("varnish", _itself, id="varnish-manager"),
    pytest.param("varnish", _child, id="varnish-child"),
    pytest.param("nginx", _itself, id="subreaper"),
    pytest.param("nginx", _child, id="nginx-master"),
    pytest.param("nginx", _worker, id="nginx-worker"),
]


@pytest.mark.parametrize(("name", "choose"), VICTIMS)
def test_a_killed_process_comes_back(
    live: PloneSite, name: str, choose: Callable[[PloneSite, str], int]
) -> None:
    live.wait(live.is_well, BACK, "the site before")
    before, others = live.settled_kinds(), live.pids()
    victim = choose(live, name)
    os.kill(victim, signal.SIGKILL)

    assert live.stack("status").seconds < 2
    live.wait(live.is_well, BACK, f"the site after the end of {name}")
    live.wait(lambda: live.kinds() == before, 20, "the same processes as before")
    assert victim not in live.processes()
    after = live.pids()
    assert {one: pid for one, pid in after.items() if one != name} == {
        one: pid for one, pid in others.items() if one != name
    }


def test_up_takes_over_from_a_killed_supervisord(live: PloneSite) -> None:
    live.wait(live.is_well, BACK, "the site before")
    kinds, before = live.settled_kinds(), live.processes()
    victim = next(
        pid for pid, text in before.items() if "bin/stack supervisord" in text
    )
    os.kill(victim, signal.SIGKILL)
    assert live.serves()
    said = live.stack("status")
    assert said.status == 1
    assert "bin/stack up" in said.text

    with crowd(live) as visitors:
        live.took["up after kill -9 of supervisord"] = live.stack("up").good()
    assert visitors.bad + visitors.lost_forms == []
    assert visitors.good > 50
    live.wait(live.is_well, BACK, "the site after")
    # nginx serves on, and another subreaper stands for its own.
    live.wait(lambda: len(live.kinds()) == len(kinds) + 1, 20, "as many as before")
    same = before.keys() & live.processes().keys()
    assert all("nginx" in before[pid] for pid in same)


def test_caching_is_refused_at_once_while_the_database_is_away(live: PloneSite) -> None:
    live.took["down"] = live.stack("down").good()
    assert not live.processes()
    assert live.stack("status").status == 1
    said = live.stack("plone-caching")
    assert said.status == 1
    assert "bin/stack up" in said.errors
    assert "Traceback" not in said.text
    assert said.seconds < 5
    live.took["up again"] = live.stack("up").good()
    assert live.serves()
    assert "plone-caching" not in live.took["up again"].text


def test_caching_is_refused_soon_while_the_database_hangs(live: PloneSite) -> None:
    live.wait(live.is_well, BACK, "the site before")
    victim = live.pid("zeoserver")
    os.kill(victim, signal.SIGSTOP)
    try:
        said = live.stack("plone-caching")
        shown = live.stack("status")
    finally:
        os.kill(victim, signal.SIGCONT)
    assert said.status == 1
    assert "does not answer" in said.errors
    assert said.seconds < 15
    assert shown.status == 1
    assert shown.seconds < 2
    live.wait(live.is_well, BACK, "the site after")
    assert live.pid("zeoserver") == victim


def test_down_twice_says_so(live: PloneSite) -> None:
    assert live.status()["ok"]
    live.stack("down").good()
    assert "nothing runs" in live.stack("down").good().output
    assert not live.processes()
