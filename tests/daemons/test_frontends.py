"""A site whose pages Node makes: who is asked for what, and what is kept."""

from __future__ import annotations

import itertools
import json
import re
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from collective.recipe.productionstack.daemons import health
from collective.recipe.productionstack.model.address import Address
from collective.recipe.productionstack.model.frontend import Frontend
from collective.recipe.productionstack.model.frontend import NodeServer
from tests.daemons.stage import CACHED
from tests.daemons.stage import FRESH
from tests.daemons.stage import HTML
from tests.daemons.stage import Answer
from tests.daemons.stage import Reply
from tests.daemons.stage import Seen
from tests.daemons.stage import Stage
from tests.daemons.stage import site
from tests.daemons.stage import until
from tests.support import ports
from tests.support.plonesite import ROOT

pytestmark = pytest.mark.usefixtures("daemons")

FOLDER = str(ROOT / "tests/support/volto")
NUMBERS = itertools.count()
JSON = ("Content-Type", "application/json")
TOKEN = "eyJhbGci.eyJzdWIi.a-b_c"
PURGED = "/VirtualHostBase/http/www.example.com/Plone/VirtualHostRoot"


class Title:
    """The title of every object in Plone."""

    now = "first"


def content(seen: Seen) -> Answer:
    """Answer as plone.restapi does, and as Plone with plone-caching does."""
    return Answer((CACHED, JSON), body=json.dumps({"title": Title.now}).encode())


class Every(dict[str, Any]):
    """What Plone answers: what a test has said, else an object's content."""

    def get(self, path: str, default: Any = None) -> Any:
        is_api = path.startswith("/++api++") and "@@" not in path
        return super().get(path, content if is_api else default)


@pytest.fixture(scope="module")
def running(web: str) -> Iterator[Stage]:
    taken = ports.take(2)
    pair = tuple(
        NodeServer(name=f"frontend{at}", address=Address("127.0.0.1", port))
        for at, port in enumerate(taken, 1)
    )
    shown = site(frontend=Frontend(servers=pair, folder=FOLDER), url_port=8000)
    classic = site("www.example.com", folder="/classic", url_port=8000)
    other = site("two.example.com", "/Site2")
    values: dict[str, Any] = {"purge_by": "tag", "web_server": web}
    with Stage(sites=(shown, classic, other), clients=1, **values) as one:
        yield one.start("frontend1", "frontend2", "haproxy", "varnish", web)
    ports.give_back(taken)


@pytest.fixture
def stage(running: Stage) -> Stage:
    """Give the chain with a Plone that remembers nothing."""
    running.plone.forget()
    running.plone.default = Answer((CACHED, HTML))
    Title.now = "first"
    running.plone.answers = Every()
    return running


def state(reply: Reply) -> dict[str, Any]:
    """Return what the server of a page tells its scripts."""
    found = re.search(rb"window.__data=(.*?);</script>", reply.body)
    assert found, (reply.status, reply.body[:200])
    return dict(json.loads(found[1]))


def test_a_page_comes_from_node_and_is_kept(stage: Stage, page: str) -> None:
    first, second = stage.get(page, FRESH), stage.get(page, FRESH)
    assert (first.result, second.result) == ("MISS", "HIT")
    assert b"<h1>first</h1>" in second.body
    seen = state(first)
    # What browsers are to ask is the site's own address, with its port.
    assert seen["api"] == "http://www.example.com:8000"
    # Nor has anybody who looks whether it is well named another.
    program = stage.program("frontend1")
    assert health.probe(program.health, 5) == health.OK
    assert state(stage.get(f"{page}/again"))["known"] == [seen["api"]]
    assert seen["url"] == page
    assert first["Cache-Control"] == "max-age=0, must-revalidate"
    assert first["X-Powered-By"] is None
    # Node asks Plone for it past the cache, in the name of the host.
    asked, *_ = stage.plone.requests(page)
    assert asked.path == (
        f"/VirtualHostBase/http/www.example.com:8000/Plone/VirtualHostRoot/++api++{page}"
    )
    assert not [one for one in seen["headers"] if one.startswith("x-ps-")]


def test_a_page_of_plone_from_before_is_not_shown(stage: Stage, page: str) -> None:
    assert [stage.cache(page).result for _ in range(2)] == ["MISS", "HIT"]
    reply = stage.get(page, FRESH)
    assert (reply.result, state(reply)["url"]) == ("MISS", page)


def test_its_processes_share_the_work(stage: Stage) -> None:
    def names() -> set[str]:
        replies = [stage.get(f"/new-{next(NUMBERS)}") for _ in range(4)]
        return {str(state(one)["process"]) for one in replies}

    until(lambda: names() == {"frontend1", "frontend2"}, 10)


@pytest.mark.parametrize(
    "path",
    [
        "/++api++{}",
        "/++api++{}/@breadcrumbs?x=1",
        "{}/@@images/image/large",
        "{}/@@download/file/a%20b.pdf",
        "{}/@@display-file/file",
        "{}/%40%40images/x",
        "/@@site-logo/logo.png",
        "/@portrait/edith",
        "/robots.txt",
        "/sitemap.xml.gz",
        "/en/sitemap.xml.gz",
        "{}/ics_view",
    ],
)
def test_what_plone_answers_itself(stage: Stage, page: str, path: str) -> None:
    reply = stage.get(path.format(page), FRESH)
    assert reply.status == 200
    assert reply["X-Through-Node"] is None
    (seen,) = stage.plone.seen
    where = path.format(page).removeprefix("/++api++").replace("%40", "@")
    assert seen.path == (
        "/VirtualHostBase/http/www.example.com:8000/Plone/++api++/VirtualHostRoot"
        + where
    )


@pytest.mark.parametrize(
    "path",
    [
        "{}/++api++",
        "{}/++api++/",
        "{}/++api++/x/@@images/y",
        "/++api++/++api++{}",
        "/++api++{}/++api++/x",
        "{}/%2B%2Bapi++/x",
        "/++frontend++/VirtualHostBase/http/two.example.com:80/Site2/VirtualHostRoot/",
        "/VirtualHostBase/http/x:80/Site2/VirtualHostRoot/@@images/x",
        "{}/manage_main",
        "/++api++/manage_main",
        "/++api++/acl_users/x",
        "/++api++/Site2/x",
        "/Site2/@@images/x",
    ],
)
def test_what_nobody_is_asked_for(stage: Stage, page: str, path: str) -> None:
    assert stage.get(path.format(page)).status == 404
    assert stage.plone.seen == []


def test_a_visitor_cannot_choose_who_answers(stage: Stage, page: str) -> None:
    forged = (("X-PS-Frontend", "yes"), ("X-PS-Path", "/x"), ("X-PS-Site", "=/Site2"))
    host = ("Host", "two.example.com")
    assert stage.get(page, host, *forged).body.startswith(b"<p>answer")
    stage.get(f"{page}/@@images/x", host, ("Cookie", f"auth_token={TOKEN}"))
    assert [one["Authorization"] for one in stage.plone.seen] == [None, None]
    assert state(stage.get(f"{page}/1", ("X-PS-Frontend", "")))["url"] == f"{page}/1"


@pytest.mark.parametrize(
    "spelling", ["{}", "{}/", "{}?a=1", "/{}", "{}/@@images/x", "/++api++{}", "/%70{}"]
)
def test_one_purge_drops_both(stage: Stage, page: str, spelling: str) -> None:
    path = spelling.format(page).replace("/%70/p", "/%70")
    assert [stage.get(path, FRESH).result for _ in range(2)] == ["MISS", "HIT"]
    Title.now = "second"
    assert stage.purge(f"{PURGED}{page}").status == 200
    assert stage.get(path, FRESH).result == "MISS"


@pytest.mark.parametrize(
    "purged",
    ["/++api++{}", "{}/", "{}/@@images/x", "{}/below"],
)
def test_what_plone_purges_besides_drops_the_page(
    stage: Stage, page: str, purged: str
) -> None:
    stage.get(page, FRESH)
    assert stage.get(page, FRESH).result == "HIT"
    stage.purge(f"{PURGED}{purged.format(page)}")
    assert stage.get(page, FRESH).result == "MISS"


def test_a_purge_of_another_site_drops_nothing(stage: Stage, page: str) -> None:
    stage.get(page, FRESH)
    stage.purge(f"/VirtualHostBase/http/two.example.com/Site2/VirtualHostRoot{page}")
    assert stage.get(page, FRESH).result == "HIT"


def test_a_tag_drops_every_page_of_node(stage: Stage, page: str) -> None:
    classic = f"/classic{page}"
    for path in (page, classic) * 2:
        stage.get(path, FRESH)
    assert stage.purge(f"/@@purgebyid/{'1' * 32}").status == 200
    assert stage.get(page, FRESH).result == "MISS"
    assert stage.get(classic, FRESH).result == "HIT"


@pytest.mark.parametrize(
    "cookie", [f"auth_token={TOKEN}", "__ac=x", "a=b; auth_token="]
)
def test_who_is_logged_in_gets_a_page_of_his_own(
    stage: Stage, page: str, cookie: str
) -> None:
    stage.get(page, FRESH)
    for _ in range(2):
        own = stage.get(page, ("Cookie", cookie), FRESH)
        assert own.result == "PASS"
        assert state(own)["cookie"] == cookie
        assert own["Cache-Control"] == "max-age=0, must-revalidate, private"
    assert state(stage.get(page, FRESH))["cookie"] == ""
    assert stage.get(page, ("Authorization", "Bearer x"), FRESH).result == "PASS"


def test_an_image_is_asked_for_with_the_cookies_token(stage: Stage, page: str) -> None:
    named = ("Cookie", f"a=b; auth_token={TOKEN}")
    stage.get(f"{page}/@@images/x", named)
    stage.get(f"/++api++{page}/@@images/:GET::x:/", named)
    stage.get(f"{page}/@@images/x", named, method="POST")
    stage.get(f"{page}/@@images/x", ("Cookie", 'auth_token="x y"'))
    stage.get(f"{page}/@@images/x", named, ("Authorization", "Bearer own"))
    found = [one["Authorization"] for one in stage.plone.seen]
    assert found == [f"Bearer {TOKEN}", None, None, None, "Bearer own"]


@pytest.mark.parametrize(
    ("path", "status"), [("/broken", 500), ("/moved", 301), ("/gone-{}", 404)]
)
def test_no_error_and_no_redirect_is_kept(stage: Stage, path: str, status: int) -> None:
    where = path.format(next(NUMBERS))
    stage.plone.answers[f"/++api++{where}"] = Answer((JSON,), 404, b"{}")
    replies = [stage.get(where, FRESH) for _ in range(3)]
    assert [one.status for one in replies] == [status] * 3
    assert "HIT" not in {one.result for one in replies}
    if status >= 400:
        assert {one["Cache-Control"] for one in replies} == {"no-store"}


def test_a_page_that_sets_a_cookie_is_not_kept(stage: Stage, page: str) -> None:
    for _ in range(2):
        reply = stage.get(f"{page}?cookie=1", FRESH)
        assert (reply.result, reply["Set-Cookie"]) == ("MISS", "seen=1")


def test_files_of_the_build_are_kept_as_volto_says(stage: Stage) -> None:
    path = f"/static/main.{next(NUMBERS)}.css"
    assert [stage.get(path, FRESH).result for _ in range(2)] == ["MISS", "HIT"]
    assert stage.get(path)["Cache-Control"] == "public, max-age=31536000"


def test_languages_are_apart_by_the_cookie_alone(stage: Stage, page: str) -> None:
    german = ("Cookie", "I18N_LANGUAGE=de; other=1")
    assert state(stage.get(page, FRESH, german))["language"] == "de"
    plain = state(stage.get(page, FRESH, ("Accept-Language", "fr")))
    assert (plain["language"], plain["accepted"]) == ("", "")
    assert stage.get(page, FRESH, ("Accept-Language", "it")).result == "HIT"
    assert stage.get(page, FRESH, german).result == "HIT"


def test_classic_lies_in_a_folder_beside(stage: Stage, page: str) -> None:
    assert stage.get(f"/classic{page}").body.startswith(b"<p>answer")
    (seen,) = stage.plone.seen
    assert seen.path == f"{stage.stack.sites[1].virtual_host}{page}"
    assert stage.get(f"/classic{page}/@@images/x").status == 200
    assert "/++api++" not in stage.plone.seen[-1].path


def test_without_the_cache_pages_come_all_the_same(stage: Stage, page: str) -> None:
    stage.stop("varnish", signal.SIGKILL)
    try:
        assert state(stage.get(page))["url"] == page
        assert stage.get(f"{page}/@@images/x").status == 200
    finally:
        stage.start("varnish")
    until(lambda: stage.get(f"{page}?again", FRESH).result is not None, 10)


def test_a_node_that_dies_is_nobody_elses_trouble(stage: Stage, page: str) -> None:
    assert stage.get(f"{page}/kept", FRESH).status == 200
    stage.stop("frontend1", signal.SIGKILL)
    for number in range(8):
        assert stage.get(f"{page}/{number}").status == 200
    stage.stop("frontend2", signal.SIGKILL)
    until(lambda: stage.get(f"{page}/none").status == 503, 10)
    reply = stage.get(f"{page}/none", ("Accept", "text/html"))
    assert b"Back soon" in reply.body
    assert stage.get(f"{page}/kept", FRESH).result == "HIT"
    assert stage.get(f"/++api++{page}").status == 200
    assert stage.get(f"/classic{page}").status == 200
    assert stage.get(page, ("Host", "two.example.com")).status == 200
    stage.start("frontend1", "frontend2")
    until(lambda: stage.get(f"{page}/back").status == 200, 10)
