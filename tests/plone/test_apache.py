"""A running site goes from nginx to Apache and back, with the real Plone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support import neighbours
from tests.support.plonesite import HOST
from tests.support.plonesite import PloneSite

pytestmark = pytest.mark.slow


def test_visitors_and_editors_are_served(behind_apache: PloneSite) -> None:
    behind_apache.stack("plone-caching").good()
    behind_apache.stack("purge-check").good()
    behind_apache.wait(lambda: behind_apache.status()["ok"], 20, "all is well")
    behind_apache.make("Document", "apache-page", title="First")
    first = behind_apache.get("/apache-page")
    again = behind_apache.get("/apache-page")
    assert (again.status, again.cache) == (200, "HIT"), (first, again.headers)
    changed = behind_apache.api("PATCH", "/apache-page", {"title": "Second"})
    assert changed.status == 204
    behind_apache.wait(
        lambda: "Second" in behind_apache.get("/apache-page").text, 2, "the edit"
    )


def test_explain_draws_it(behind_apache: PloneSite) -> None:
    said = behind_apache.stack("explain").good().output
    assert "Apache  http" in said


def test_an_application_comes_and_goes(
    behind_apache: PloneSite, tmp_path: Path
) -> None:
    chosen = "web-server = apache"
    with neighbours.django("shop/") as at:
        line = f"application = {HOST}/shop http unix:{at}"
        behind_apache.settle(stack=f"{chosen}\n{line}")
        shown = json.loads(behind_apache.get("/shop/manage_main").body)
        assert shown["path"] == "/shop/manage_main"
        behind_apache.stack("check").good()
    assert behind_apache.get("/shop/x").status == 503
    assert behind_apache.get("/").status == 200
    behind_apache.settle(stack=chosen)
    assert behind_apache.get("/shop/x").status == 404
