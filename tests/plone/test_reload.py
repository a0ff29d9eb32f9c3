"""Another configuration: check, diff, reload, rollback, under load."""

from __future__ import annotations

import time

import pytest

from tests.support.crowd import crowd
from tests.support.plonesite import HOST
from tests.support.plonesite import PloneSite
from tests.support.snapshot import snapshot

ALIAS = "alias.example.com"


def test_check_and_diff_change_nothing(live: PloneSite) -> None:
    before = snapshot(live.folder)
    live.stack("check").good()
    assert not live.stack("diff").good().errors
    assert snapshot(live.folder) == before


def test_a_new_alias_comes_and_goes_without_a_failed_request(live: PloneSite) -> None:
    pids = live.pids()
    live.configure(sites=f"{HOST},{ALIAS} /Plone")
    live.buildout().good()
    shown = live.stack("diff")
    assert shown.status == 1
    assert f"+    server_name {ALIAS};" in shown.output
    before = snapshot(live.folder)
    live.stack("check").good()
    assert snapshot(live.folder) == before

    with crowd(live) as visitors:
        time.sleep(1)
        live.took["reload"] = live.stack("reload").good()
        assert live.stack("diff").status == 0
        moved = live.get("/x?y=1", host=ALIAS)
        time.sleep(1)
        said = live.stack("rollback")
        assert said.status == 0, said.text
        time.sleep(1)
    assert visitors.bad + visitors.lost_forms == []
    assert visitors.good > 50
    assert moved.status == 301
    assert moved.headers["Location"] == f"http://{HOST}:{live.base}/x?y=1"
    # The watchdog serves nobody: it starts anew with each configuration.
    after = live.pids()
    assert after.pop("watchdog") != pids.pop("watchdog")
    assert after == pids
    assert live.stack("diff").status == 0
    assert ALIAS not in (live.folder / f"etc/stack/nginx/sites/{HOST}.conf").read_text()


@pytest.mark.slow
def test_what_only_a_restart_changes_is_named(live: PloneSite) -> None:
    live.configure(instance="environment-vars = A_WORD said")
    live.buildout().good()
    shown = live.stack("status")
    said = live.stack("reload")
    assert said.status == 1
    for name in ("instance1", "instance2"):
        assert f"{name} has not taken in" in shown.text
        assert f"{name} must be restarted" in said.errors
    assert "zope.conf" in said.errors
    live.stack("down").good()
    live.stack("up").good()
    assert live.stack("reload").status == 0
    assert "has not taken in" not in live.stack("status").text
