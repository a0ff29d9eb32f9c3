"""Apache before the whole chain: while the cache is away, and two clients alone."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from collective.recipe.productionstack.daemons import roles
from tests.daemons import stage
from tests.daemons.stage import Stage

pytestmark = pytest.mark.usefixtures("daemons")


@pytest.fixture(scope="module")
def chain(daemons: None) -> Iterator[Stage]:
    with Stage(web_server="apache") as one:
        yield one.start()


def test_pages_come_from_the_cache_and_forms_do_not(chain: Stage) -> None:
    assert [chain.get("/page").result for _ in range(3)] == ["MISS", "HIT", "HIT"]
    assert chain.get("/page", method="POST", body=b"x").status == 200
    assert chain.plone.seen[-1].body == b"x"


def test_an_edit_drops_a_page_in_the_spelling_that_zope_purges(chain: Stage) -> None:
    for page in ("/a%20b", "/%C3%A4", "/it's(1)", "/a,b;c=d", "/a@b$c~d"):
        assert [chain.get(page).result for _ in range(2)] == ["MISS", "HIT"]
        assert chain.purge(f"/Plone{page}").status == 200
        assert chain.get(page).result == "MISS"


def test_while_the_cache_is_away_the_balancer_is_asked(chain: Stage) -> None:
    with stage.load(4, lambda: chain.get("/always")) as replies:
        # Planned: it finishes what it has.
        assert roles.cache(chain.stack).step_aside(10)
        stage.until(lambda: len(replies) > 20)
        chain.stop("varnish", signal.SIGTERM)
        begun = len(replies)
        stage.until(lambda: len(replies) > begun + 20)
        chain.start("varnish")
        stage.until(lambda: chain.get("/always").result == "HIT")
    assert set(stage.statuses(replies)) == {200}
    chain.stop("varnish", signal.SIGKILL)
    # What it had in hand as it died is lost; a form is never sent a second time.
    stage.until(lambda: chain.get("/x").status == 200)
    assert chain.get("/x", method="POST", body=b"x").status == 200
    chain.start("varnish")


def test_clients_without_a_balancer_stand_in_for_each_other() -> None:
    values = {"proxy_cache": "none", "load_balancer": "none", "web_server": "apache"}
    with Stage(**values) as one:  # type: ignore[arg-type]
        one.start("apache")
        for _ in range(4):
            one.get("/x")
        assert {seen.server for seen in one.plone.seen} == {"instance1", "instance2"}
        one.plone.stop("instance1")
        assert {one.get("/x").status for _ in range(6)} == {200}
