"""nginx alone before the real Plone: web server, cache and balancer in one."""

from __future__ import annotations

import time

import pytest

from tests.support.crowd import crowd
from tests.support.plonesite import PloneSite

pytestmark = pytest.mark.slow

KINDS = {"varnish", "haproxy"}


def test_an_edit_is_seen_with_one_tool(one_tool: PloneSite) -> None:
    # What was wrong before is forgotten when the watchdog has looked.
    one_tool.wait(lambda: one_tool.status()["ok"], 20, "all is well")
    status = one_tool.status()
    assert not KINDS & {program["name"] for program in status["programs"]}
    one_tool.stack("plone-caching").good()
    proven = one_tool.stack("purge-check").good()
    assert "stored, dropped by Plone's PURGE, refused from outside" in proven.output

    one_tool.make("Document", "one-tool", title="First")
    page = one_tool.get("/one-tool")
    assert (page.status, one_tool.get("/one-tool").cache) == (200, "HIT"), page.headers
    changed = one_tool.api("PATCH", "/one-tool", {"title": "Second"})
    assert changed.status == 204
    one_tool.wait(lambda: "Second" in one_tool.get("/one-tool").text, 2, "the edit")


def test_a_rolling_restart_loses_no_request(one_tool: PloneSite) -> None:
    before = one_tool.pids()
    with crowd(one_tool, 3, 0.5) as visitors:
        time.sleep(1)
        said = one_tool.stack("restart", timeout=500).good()
        time.sleep(1)
    assert visitors.bad + visitors.lost_forms == [], said.text + one_tool.errors()
    assert visitors.good > 30
    after = one_tool.pids()
    clients = ("instance1", "instance2")
    assert not {before[one] for one in clients} & {after[one] for one in clients}
    assert "nginx (cache)" in one_tool.stack("explain").good().output
