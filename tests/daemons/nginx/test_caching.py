"""nginx as the cache: what is kept, for whom, for how long, and what drops it."""

from __future__ import annotations

import gzip
import time
from collections.abc import Iterator

import pytest

from collective.recipe.productionstack.daemons import roles
from collective.recipe.productionstack.daemons.nginx import modules
from collective.recipe.productionstack.errors import ControlError
from tests.daemons import stage
from tests.daemons.stage import CACHED
from tests.daemons.stage import HTML
from tests.daemons.stage import PRIVATE
from tests.daemons.stage import Answer
from tests.daemons.stage import Reply
from tests.daemons.stage import Stage

pytestmark = pytest.mark.usefixtures("daemons")

ONE_TOOL = {"proxy_cache": "nginx", "load_balancer": "nginx"}


@pytest.fixture(scope="module")
def running() -> Iterator[Stage]:
    with Stage(**ONE_TOOL) as one:  # type: ignore[arg-type]
        yield one.start()


@pytest.fixture
def chain(running: Stage) -> Stage:
    running.plone.forget()
    return running


def results(one: Stage, path: str, *headers: tuple[str, str]) -> list[str | None]:
    return [one.get(path, *headers).result for _ in range(2)]


def test_the_second_visitor_is_served_by_the_cache(chain: Stage, page: str) -> None:
    assert [chain.get(page).result for _ in range(3)] == ["MISS", "HIT", "HIT"]
    (seen,) = chain.plone.seen
    assert seen.path.endswith(f"VirtualHostRoot{page}")
    assert (seen["X-Anonymous"], seen["Cookie"]) == ("True", None)
    assert seen["Host"] == "www.example.com"


def test_head_and_conditions_are_answered_from_what_is_kept(
    chain: Stage, page: str
) -> None:
    chain.plone.default = Answer((CACHED, HTML, ("ETag", '"one"')), body=b"page")
    assert chain.get(page, method="HEAD").status == 200
    assert chain.get(page).body == b"page"
    assert chain.get(page, ("If-None-Match", '"one"')).status == 304
    assert len(chain.plone.seen) == 1


@pytest.mark.parametrize(
    "base",
    [
        "http/www.example.com:80",
        "http/www.example.com",
        "http/www.example.com:8000",
    ],
)
def test_an_edit_drops_the_page_as_plone_writes_it(chain: Stage, base: str) -> None:
    for path, purged in (("/it's(1),@$", "/it%27s%281%29%2C%40%24"), ("/ä%20b/",) * 2):
        wanted = stage_path(path)
        assert results(chain, wanted)[1] == "HIT"
        target = f"/VirtualHostBase/{base}/Plone/VirtualHostRoot{stage_path(purged)}"
        assert chain.purge(target).status == 200
        assert chain.get(wanted).result == "MISS"


def stage_path(path: str) -> str:
    return path.replace("ä", "%C3%A4")


def test_an_edit_drops_nothing_else(chain: Stage, page: str) -> None:
    two = ("Host", "two.example.com")
    for headers in ((), (two,), (("Host", "zwei.example.com"),)):
        chain.get(page, *headers)
    chain.get(f"{page}/other")
    target = f"/VirtualHostBase/http/two.example.com/Site2/VirtualHostRoot{page}"
    assert chain.purge(target).status == 200
    # Nothing is there any more: that is as good.
    assert chain.purge(target).status == 200
    assert chain.get(page, two).result == "MISS"
    assert chain.get(page, ("Host", "zwei.example.com")).result == "HIT"
    assert [chain.get(one).result for one in (page, f"{page}/other")] == ["HIT", "HIT"]


def test_who_edits_at_a_clients_own_port_drops_it_too(chain: Stage) -> None:
    three = ("Host", "three.example.com")
    for purged, path, headers in (
        ("/Plone/own%20port", "/own%20port", ()),
        ("/Plone", "/", ()),
        ("/sub/Site.3/x", "/x", (three,)),
    ):
        assert results(chain, path, *headers)[1] == "HIT"
        assert chain.purge("/PloneX/own%20port").status == 200
        assert chain.get(path, *headers).result == "HIT"
        assert chain.purge(purged).status == 200
        assert chain.get(path, *headers).result == "MISS"


def test_the_front_page_is_dropped(chain: Stage) -> None:
    results(chain, "/")
    for end in ("", "/"):
        assert chain.get("/").result == "HIT"
        base = "/VirtualHostBase/http/www.example.com:80/Plone/VirtualHostRoot"
        assert chain.purge(f"{base}{end}").status == 200
        assert chain.get("/").result == "MISS"


def test_plones_listener_serves_nothing_else(chain: Stage, page: str) -> None:
    chain.get(page)
    path = chain.stack.sites[0].virtual_host + page
    assert chain.purge(path, method="GET").status == 405
    assert chain.get(page).result == "HIT"


OWN = (
    ("Cookie", "__ac=secret"),
    ("Cookie", "a=b; auth_token=x.y.z"),
    ("Cookie", "statusmessages=x"),
    ("Cookie", "I18N_LANGUAGE=de"),
    ("Authorization", "Bearer x.y.z"),
    ("Origin", "https://other.example"),
    ("Range", "bytes=0-3"),
    ("Accept", "application/json"),
)


@pytest.mark.parametrize("own", OWN)
def test_what_is_somebodys_own_is_neither_kept_nor_served_from_it(
    chain: Stage, page: str, own: tuple[str, str]
) -> None:
    chain.plone.default = Answer((CACHED, HTML), body=b"for me")
    assert results(chain, page, own) == ["PASS", "PASS"]
    assert chain.plone.seen[-1][own[0]] == own[1]
    chain.plone.default = Answer((CACHED, HTML), body=b"for all")
    assert chain.get(page).body == b"for all"
    assert chain.get(page).result == "HIT"
    chain.plone.default = Answer((CACHED, HTML), body=b"for me")
    assert chain.get(page, own).body == b"for me"


def test_another_session_cookie_counts() -> None:
    with Stage(session_cookies=("_shib.x",), **ONE_TOOL) as one:  # type: ignore[arg-type]
        one.start()
        assert results(one, "/x", ("Cookie", "_shib.x=1")) == ["PASS", "PASS"]
        assert results(one, "/x", ("Cookie", "_shibbx=1")) == ["MISS", "HIT"]


@pytest.mark.parametrize("page_like", ["/login", "/a/@@mail_password", "/++api++/x"])
def test_views_for_one_are_not_kept(chain: Stage, page_like: str) -> None:
    assert results(chain, page_like) == ["PASS", "PASS"]


def test_forms_are_passed_once(chain: Stage, page: str) -> None:
    chain.get(page)
    for _ in range(2):
        assert chain.get(page, method="POST", body=b"x=y").status == 200
    assert [seen.body for seen in chain.plone.seen] == [b"", b"x=y", b"x=y"]


@pytest.mark.parametrize(
    "headers",
    [
        (PRIVATE,),
        (),
        (("Cache-Control", "max-age=0, s-maxage=30"),),
        (("Cache-Control", "public, max-age=30"),),
        (("Cache-Control", "s-maxage=600, no-store"),),
        (("Cache-Control", "s-maxage=600, stale-while-revalidate=600"),),
        (("Expires", "Thu, 31 Dec 2037 23:55:55 GMT"),),
        (CACHED, ("Set-Cookie", "__ac=x")),
        (CACHED, ("Vary", "Cookie")),
        (CACHED, ("Vary", "Accept-Language")),
        (CACHED, ("Vary", "X-Anonymous, X-PS-Language")),
        (CACHED, ("Surrogate-Control", "no-store")),
    ],
)
def test_what_plone_does_not_allow_for_a_minute_is_not_kept(
    chain: Stage, page: str, headers: tuple[tuple[str, str], ...]
) -> None:
    chain.plone.default = Answer((*headers, HTML))
    assert results(chain, page) == ["MISS", "MISS"]


@pytest.mark.parametrize("status", [404, 302, 500, 403])
def test_no_error_is_kept(chain: Stage, page: str, status: int) -> None:
    chain.plone.default = Answer((CACHED, HTML, ("Location", "/x")), status)
    assert [chain.get(page).status for _ in range(2)] == [status, status]
    chain.plone.default = Answer()
    assert chain.get(page).status == 200


def test_what_others_may_keep_is_said_without_us(chain: Stage, page: str) -> None:
    for _ in range(2):
        assert chain.get(page)["Cache-Control"] == "max-age=0, must-revalidate"
    chain.plone.default = Answer((PRIVATE, HTML))
    assert chain.get(f"{page}-2")["Cache-Control"] == PRIVATE[1]


def test_trackers_make_no_other_page(chain: Stage, page: str) -> None:
    chain.get(page)
    for query in ("?utm_source=a&fbclid=b", "?gclid=x", "?", "?&utm_x=1"):
        assert chain.get(f"{page}{query}").result == "HIT"
    assert [seen.path.partition("?")[1] for seen in chain.plone.seen] == [""]


def test_a_query_is_kept_for_two_seconds_at_most(chain: Stage, page: str) -> None:
    """Plone purges none of these."""
    path = f"{page}?b_start:int=20&utm_source=a"
    assert "HIT" in [chain.get(path).result for _ in range(4)]
    assert chain.plone.seen[0].path.endswith("?b_start:int=20&utm_source=a")
    time.sleep(2.1)
    assert chain.get(path).result == "MISS"
    assert chain.get(page).result == "MISS"


def test_no_two_addresses_are_taken_for_one(chain: Stage, page: str) -> None:
    paths = [f"{page}?b", f"{page}%3Fb", f"{page}%20b", f"{page}/b", f"{page}b", page]
    bodies = [chain.get(path).body for path in paths]
    assert len(set(bodies)) == len(paths)


def test_large_files_are_passed_on_whole(chain: Stage, page: str) -> None:
    body = b"x" * 10_000_001
    chain.plone.default = Answer((CACHED,), body=body)
    for _ in range(2):
        reply = chain.get(page)
        assert (reply.result, len(reply.body)) == ("MISS", len(body))


def compressed(chain: Stage, page: str) -> None:
    """See that text is compressed for who can read that, and plain for others."""
    chain.plone.default = Answer((CACHED, HTML, ("ETag", '"x"')), body=b"text " * 1000)
    packed = [chain.get(page, ("Accept-Encoding", "gzip")) for _ in range(2)]
    assert {one["Content-Encoding"] for one in packed} == {"gzip"}
    assert {one["Vary"] for one in packed} == {"Accept-Encoding"}
    assert gzip.decompress(packed[1].body) == b"text " * 1000
    assert packed[1].result == "HIT"
    assert chain.get(page).body == b"text " * 1000
    assert chain.get(page)["Vary"] == "Accept-Encoding"
    again = chain.get(page, ("If-None-Match", str(packed[1]["ETag"])))
    assert again.status == 304
    assert len(chain.plone.seen) == 1


def test_text_is_compressed_once(chain: Stage, page: str) -> None:
    compressed(chain, page)


@pytest.mark.parametrize("balancer", ["haproxy", "none"])
def test_text_is_compressed_by_whoever_balances(balancer: str) -> None:
    with Stage(proxy_cache="nginx", load_balancer=balancer) as one:
        one.start()
        compressed(one, "/x")
        # What is never kept is compressed too.
        own = (("Cookie", "__ac=x"), ("Accept-Encoding", "gzip"))
        assert one.get("/x", *own)["Content-Encoding"] == "gzip"


def test_a_crowd_costs_plone_one_request(chain: Stage, page: str) -> None:
    chain.plone.default = Answer(wait=0.3)
    replies = stage.at_once(20, lambda: chain.get(page))
    assert stage.statuses(replies) == {200: 20}
    assert len(chain.plone.seen) == 1


def test_without_plone_nothing_old_is_shown_and_the_rest_is(chain: Stage) -> None:
    chain.get("/kept")
    ports = {name: chain.plone.stop(name) for name in list(chain.plone.servers)}
    try:
        kept, cold = chain.get("/kept"), chain.get("/cold")
    finally:
        for name, port in ports.items():
            chain.plone.start(name, port)
    assert kept.result == "HIT"
    assert (cold.status, cold["Retry-After"]) == (503, "10")
    stage.until(lambda: chain.get("/cold").status == 200)


def test_patterns_are_refused(chain: Stage) -> None:
    with pytest.raises(ControlError, match="proxy-cache = varnish"):
        roles.cache(chain.stack).ban("obj.http.X", "==", "y")
    assert roles.cache(chain.stack).shortcoming() == ""


def test_without_the_module_nothing_is_kept_for_longer_than_two_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(modules, "FOLDERS", ())

    def visit(one: Stage) -> Reply:
        return one.get("/x")

    with Stage(**ONE_TOOL) as one:  # type: ignore[arg-type]
        one.start()
        assert "HIT" in [visit(one).result for _ in range(4)]
        begun, before = time.monotonic(), len(one.plone.seen)
        stage.until(lambda: bool(visit(one)) and len(one.plone.seen) > before)
        assert time.monotonic() - begun < 2.5
        assert one.purge("/Plone/x").status == 200
        said = roles.cache(one.stack).shortcoming()
        assert modules.PURGE_PACKAGE in said
