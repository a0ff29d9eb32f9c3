"""Django and PHP beside the real Plone: they come and die without it noticing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support import neighbours
from tests.support.crowd import crowd
from tests.support.plonesite import HOST
from tests.support.plonesite import PloneSite

pytestmark = pytest.mark.slow

OWN = "django.example.com"


@pytest.fixture
def beside(tmp_path: Path) -> Iterator[tuple[str, ExitStack]]:
    """Give the lines of a Django and a PHP, and what ends the two."""
    (tmp_path / "php").mkdir()
    script = "<?php header('X-Accel-Redirect: /'); echo json_encode($_SERVER);"
    (tmp_path / "php/index.php").write_text(script)
    with ExitStack() as ends:
        one = ends.enter_context(neighbours.django("shop/"))
        two = ends.enter_context(neighbours.php())
        lines = (
            f"{HOST}/shop http unix:{one}",
            f"{HOST}/blog fastcgi unix:{two} root={tmp_path}/php",
            f"{OWN} http unix:{one}",
        )
        yield "application =\n    " + "\n    ".join(lines), ends


def test_a_running_site_takes_them_in(
    live: PloneSite, beside: tuple[str, ExitStack]
) -> None:
    lines, ends = beside

    with crowd(live) as visitors:
        live.settle(stack=lines)
        assert json.loads(live.get("/shop/x").body)["path"] == "/shop/x"
        shown = json.loads(live.get("/blog/x").body)
        assert shown["SCRIPT_NAME"] == "/blog/index.php"
        assert shown["REQUEST_URI"] == "/blog/x"
        assert json.loads(live.get("/shop/x", host=OWN).body)["path"] == "/shop/x"
        told = live.stack("explain").good().output
        assert f"{HOST}:{live.base}/shop -> http unix:" in told
        live.stack("check").good()
        ends.close()
        assert live.get("/shop/x").status == 502
        assert live.get("/blog/x").status == 502
        assert live.status()["ok"]
    assert visitors.bad + visitors.lost_forms == []
    assert visitors.good > 50
    live.settle()
    assert live.get("/shop/x").status == 404
