"""A late database, maintenance, the debug client and overload, with the real Plone."""

from __future__ import annotations

import os
import signal
import statistics
import threading
import time

import pytest

from collective.recipe.productionstack.daemons.supervisor.control import Supervisor
from tests.support.plonesite import TWO
from tests.support.plonesite import Page
from tests.support.plonesite import PloneSite

LATE = 60
SLOTS = 4
"""Requests that both clients serve at a time; 32 more may wait."""

VISITORS = 10 * SLOTS + 24
SECONDS = 10


def supervisor(live: PloneSite) -> Supervisor:
    return Supervisor(str(live.folder / "var/stack/supervisor.sock"))


def states(live: PloneSite) -> dict[str, str]:
    return {one["name"]: one["state"] for one in live.status()["programs"]}


@pytest.mark.slow
def test_clients_wait_for_a_database_that_comes_a_minute_late(live: PloneSite) -> None:
    live.wait(live.is_well, 60, "the site before")
    daemon = supervisor(live)
    daemon.stop("zeoserver")
    live.wait(lambda: states(live)["zeoserver"] == "STOPPED", 60, "the end of ZEO")
    victim = live.pid("instance1")
    # It starts without a database, gives up after 30 s, is started again, and so on.
    os.kill(victim, signal.SIGKILL)
    begun = time.monotonic()
    while time.monotonic() - begun < LATE:
        assert states(live)["instance1"] not in {"FATAL", "STOPPED"}
        time.sleep(3)
    assert live.get("/?late").status == 503
    daemon.start("zeoserver")
    live.wait(live.is_well, 60, "the site after")
    live.wait(lambda: states(live)["instance1"] == "RUNNING", 30, "instance1")
    assert live.pid("instance1") != victim
    shown = live.stack("status").text
    # That it left for want of ZEO does not count.
    assert "instance1 ended" not in shown


def test_maintenance_is_a_clean_page_for_visitors_alone(live: PloneSite) -> None:
    live.wait(live.is_well, 60, "the site before")
    live.configure(stack="maintenance-allow = 127.0.0.2")
    live.buildout().good()
    live.stack("reload").good()
    live.stack("maintenance", "on", "/Plone").good()
    # From now on: none of the workers before takes a visitor.
    page = live.get("/")
    assert int(page.headers["Retry-After"]) > 0
    assert "traceback" not in page.text.lower()
    live.wait(lambda: live.get("/", host=TWO).status == 200, 30, "the other site")
    assert "maintenance: visitors of" in live.stack("status").text
    # It survives a restart of everything.
    live.stack("down").good()
    live.stack("up").good()
    assert "Retry-After" in live.get("/").headers
    live.stack("maintenance", "off").good()
    live.wait(lambda: live.get("/").status == 200, 30, "the site")


def test_the_debug_client_has_the_database_and_no_visitor(live: PloneSite) -> None:
    live.wait(live.is_well, 60, "the site before")
    said = live.stack("debug").good()
    try:
        port = live.base + 10
        assert f"ssh -L {port}:127.0.0.1:{port}" in said.output
        assert live.get("/Plone", port=port).status == 200
        log = live.folder / "var/log/instance-access.log"
        before = log.read_text()
        for number in range(20):
            assert live.get(f"/?debug={number}").status == 200
        assert "debug=" not in log.read_text().removeprefix(before)
    finally:
        live.stack("debug", "--stop").good()
    live.wait(live.is_well, 10, "the site after")


class Overload:
    """Visitors who ask for uncached pages as fast as they are answered."""

    def __init__(self, site: PloneSite, visitors: int) -> None:
        self.site = site
        self.pages: list[tuple[float, Page]] = []
        self.threads = [
            threading.Thread(target=self.visit, args=(number,))
            for number in range(visitors)
        ]
        self.until = time.monotonic() + SECONDS

    def visit(self, visitor: int) -> None:
        number = 0
        while time.monotonic() < self.until:
            number += 1
            begun = time.monotonic()
            page = self.site.get(f"/?n={visitor}-{number}")
            self.pages.append((time.monotonic() - begun, page))
            # Who is sent away tries again, but not at once.
            time.sleep(0.5 if page.status == 503 else 0)

    def run(self) -> None:
        for thread in self.threads:
            thread.start()
        for thread in self.threads:
            thread.join()

    def took(self, status: int) -> list[float]:
        return [seconds for seconds, page in self.pages if page.status == status]


@pytest.mark.alone
def test_ten_times_too_many_visitors_do_not_slow_down_those_served(
    live: PloneSite,
) -> None:
    live.wait(live.is_well, 60, "the site before")
    usual = Overload(live, SLOTS)
    usual.run()
    crowd = Overload(live, VISITORS)
    crowd.run()
    assert {page.status for _, page in usual.pages} == {200}
    # The queue is bounded by time: all are served, each in turn.
    assert {page.status for _, page in crowd.pages} == {200}
    served = crowd.took(200)
    assert len(served) > len(usual.pages) / 2
    turns = VISITORS / SLOTS
    assert statistics.median(served) < 1.5 * turns * statistics.median(usual.took(200))
    assert max(served) < SECONDS + 5
    assert live.status()["ok"]
    live.wait(live.is_well, 10, "the site after")
