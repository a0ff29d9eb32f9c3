"""Purging by the ids of what a page shows, through xkey."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemons.stage import CACHED
from tests.daemons.stage import HTML
from tests.daemons.stage import Answer
from tests.daemons.stage import Stage

pytestmark = pytest.mark.usefixtures("daemons")

ONE, TWO = "1" * 32, "2" * 32


@pytest.fixture(scope="module")
def cache() -> Iterator[Stage]:
    """Give a Varnish with tags."""
    if not any(Path("/usr").glob("lib/**/varnish/vmods/libvmod_xkey.so")):
        assert os.environ.get("PRODUCTIONSTACK_REQUIRE_DAEMONS") != "1"
        pytest.skip("no xkey here: varnish-modules is not installed")
    with Stage(load_balancer="none", clients=1, purge_by="tag") as one:
        for path, ids in (
            ("/a", (ONE,)),
            ("/b", (ONE, TWO)),
            ("/c", (TWO,)),
            ("/d", ()),
        ):
            named = (("X-Ids-Involved", f"#{'#'.join(ids)}#"),) if ids else ()
            one.plone.answers[path] = Answer((CACHED, HTML, *named))
        yield one.start("varnish")


@pytest.fixture(autouse=True)
def stored(cache: Stage) -> None:
    for path in "abcd" * 2:
        reply = cache.cache(f"/{path}")
        assert not reply["X-Ids-Involved"]
        assert not reply["xkey"]
    assert reply.result == "HIT"


@pytest.mark.proves("D11")
@pytest.mark.parametrize(
    ("path", "gone"),
    [
        (f"/@@purgebyid/{ONE}", "ab"),
        (f"/@@purgebyid/{TWO}", "bc"),
        (f"/@@purgebyid/{'3' * 32}", ""),
        ("/@@purgebyid/" + ONE[:8], ""),
        ("/VirtualHostBase/http/www.example.com/Plone/VirtualHostRoot/c", "c"),
    ],
)
def test_what_a_purge_drops(cache: Stage, path: str, gone: str) -> None:
    assert cache.purge(path).status == 200

    assert (
        "".join(one for one in "abcd" if cache.cache(f"/{one}").result == "MISS")
        == gone
    )


@pytest.mark.proves("D12")
def test_visitors_can_not(cache: Stage) -> None:
    assert cache.cache(f"/@@purgebyid/{ONE}", method="PURGE").status == 405
    cache.cache("/x", ("xkey", ONE), ("X-Ids-Involved", ONE))
    assert {cache.cache(f"/{one}").result for one in "abcd"} == {"HIT"}
