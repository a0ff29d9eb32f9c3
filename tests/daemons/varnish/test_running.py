"""Varnish: who gets what from the cache, and what a purge drops."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.daemons import stage
from tests.daemons.stage import CACHED
from tests.daemons.stage import HTML
from tests.daemons.stage import PRIVATE
from tests.daemons.stage import Answer
from tests.daemons.stage import Seen
from tests.daemons.stage import Stage
from tests.daemons.stage import ask
from tests.daemons.stage import results

pytestmark = pytest.mark.usefixtures("daemons")

ROOT = "/VirtualHostBase/http/www.example.com:80/Plone/VirtualHostRoot"
LONG = ("Cache-Control", "max-age=31536000, public")
Header = tuple[str, str]


STORED = (
    (CACHED, HTML),
    (LONG, HTML),
    (("Cache-Control", "public, max-age=60"), ("Content-Type", "image/png")),
    (CACHED, HTML, ("Vary", "Accept-Encoding, X-Anonymous")),
)
NOT_STORED: tuple[tuple[int, tuple[Header, ...]], ...] = (
    (200, (PRIVATE, HTML)),
    (200, (("Cache-Control", "s-maxage=60, Private"), HTML)),
    (200, (("Cache-Control", "No-Store, s-maxage=60"), HTML)),
    (200, (("Cache-Control", "no-cache, max-age=60"), HTML)),
    (200, (CACHED, HTML, ("Set-Cookie", "a=b"))),
    (200, (LONG, HTML, ("Set-Cookie", "a=b"))),
    (200, (("Expires", "Sat, 1 Jan 2000 00:00:00 GMT"), HTML)),
    (200, (HTML,)),
    (200, (CACHED, HTML, ("Vary", "*"))),
    (200, (CACHED, HTML, ("Vary", "Accept, Cookie"))),
    (200, (CACHED, HTML, ("Surrogate-Control", "no-store"))),
    (302, (CACHED, ("Location", "/acl_users/credentials_cookie_auth/require_login"))),
    (401, (CACHED, HTML)),
    (403, (CACHED, HTML)),
    (404, (PRIVATE, HTML)),
    (404, (HTML, ("Set-Cookie", "a=b"))),
    (500, (LONG, HTML)),
    (503, (CACHED, HTML)),
)


@pytest.mark.proves("A1", "A2")
@pytest.mark.parametrize("headers", STORED)
def test_what_plone_marks_for_caches_is_stored(
    cache: Stage, page: str, headers: tuple[Header, ...]
) -> None:
    cache.plone.default = Answer(headers)

    assert results(cache, page) == ["MISS", "HIT"]


@pytest.mark.proves("A3", "B1", "B2", "B3", "B4", "B5", "B9", "B10", "B11", "B12", "E8")
@pytest.mark.parametrize(("status", "headers"), NOT_STORED)
def test_nothing_else_is_stored_nor_waited_for(
    cache: Stage, page: str, status: int, headers: tuple[Header, ...]
) -> None:
    cache.plone.default = Answer(headers, status)
    assert {cache.cache(page).status for _ in range(2)} == {status}

    cache.plone.default = Answer(headers, status, wait=0.4)
    begin = time.monotonic()
    bodies = {reply.body for reply in stage.at_once(6, lambda: cache.cache(page))}

    assert len(bodies) == 6
    assert time.monotonic() - begin < 1.6


@pytest.mark.proves("E9")
def test_what_becomes_public_is_stored_at_the_next_request(
    cache: Stage, page: str
) -> None:
    cache.plone.default = Answer((PRIVATE, HTML))
    assert results(cache, page) == ["MISS", "MISS"]
    cache.plone.default = Answer()
    assert results(cache, page) == ["MISS", "HIT"]


SESSIONS = (
    *("__ac=x", "a=b; __ac=x; c=d", "auth_token=x", "__ac_name=x", "__ac_password=x"),
    *("__ac_persistent=1", "statusmessages=x", "__cp=x", "_ZopeId=x", "a=b;__ac=x"),
)
STRANGERS = (
    *(
        "_ga=1; _pk_id=2",
        "my__ac=x",
        "a=auth_token=x",
        "I18N_LANGUAGE=de",
        "x__ac_name=y",
    ),
    *("=", ";;;", "a", 'a="b; c', "__ac", "\xff\xfe=1", "a=" + "b" * 8000, "__AC=x"),
)


@pytest.mark.proves("A4", "A5", "A6", "A11", "A12")
@pytest.mark.parametrize("cookie", SESSIONS)
def test_sessions_pass_and_are_never_stored(
    cache: Stage, page: str, cookie: str
) -> None:
    assert results(cache, page, ("Cookie", cookie)) == ["PASS", "PASS"]
    assert results(cache, page, times=1) == ["MISS"]
    assert results(cache, page, ("Cookie", cookie), times=1) == ["PASS"]
    assert [seen["Cookie"] for seen in cache.plone.seen] == [
        cookie,
        cookie,
        None,
        cookie,
    ]


@pytest.mark.proves("A7", "A8", "C10")
@pytest.mark.parametrize("cookie", STRANGERS)
def test_other_cookies_cost_nothing_and_stay_here(
    cache: Stage, page: str, cookie: str
) -> None:
    assert results(cache, page, ("Cookie", cookie)) == ["MISS", "HIT"]
    # The language alone goes on, for sites that negotiate it.
    wanted = cookie if cookie.startswith("I18N_LANGUAGE=") else None
    assert [seen["Cookie"] for seen in cache.plone.seen] == [wanted]


@pytest.mark.proves("A9", "A10")
@pytest.mark.parametrize("value", ["Basic eDp5", "Bearer a.b.c"])
def test_who_authenticates_gets_an_answer_of_his_own(
    cache: Stage, page: str, value: str
) -> None:
    assert results(cache, page, times=1) == ["MISS"]
    assert results(cache, page, ("Authorization", value)) == ["PASS", "PASS"]
    assert cache.plone.seen[-1]["Authorization"] == value


@pytest.mark.proves("H9", "H10")
def test_bundles_are_shared_with_sessions_but_not_stored_for_them(
    cache: Stage, page: str
) -> None:
    path = f"/++webresource++{page[6:]}/x.js"
    session = ("Cookie", "__ac=x")

    assert results(cache, path, session) == ["PASS", "PASS"]
    assert results(cache, path) == ["MISS", "HIT"]
    assert results(cache, path, session, times=1) == ["HIT"]


@pytest.mark.proves("H10")
def test_an_expired_bundle_is_not_fetched_with_somebodys_cookie(
    cache: Stage, page: str
) -> None:
    path = f"/++webresource++{page[6:]}/y.js"
    cache.plone.default = Answer((("Cache-Control", "s-maxage=1"), HTML))
    cache.cache(path)
    time.sleep(1.2)
    assert cache.cache(path, ("Cookie", "__ac=x")).result == "PASS"
    before = len(cache.plone.seen)
    cache.cache(path)
    stage.until(lambda: len(cache.plone.seen) > before, 5)
    assert cache.plone.seen[-1]["Cookie"] is None


@pytest.mark.proves("A13", "A14")
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_other_methods_pass(cache: Stage, page: str, method: str) -> None:
    for _ in range(2):
        assert cache.cache(page, method=method, body=b"{}").result == "PASS"
    assert [seen.method for seen in cache.plone.seen] == [method] * 2
    assert results(cache, page, times=1) == ["MISS"]


@pytest.mark.proves("A15")
def test_a_get_with_a_body_makes_no_answer_for_others(cache: Stage, page: str) -> None:
    assert cache.cache(page, body=b"evil").result == "PASS"
    assert results(cache, page, times=1) == ["MISS"]


@pytest.mark.proves("G13")
@pytest.mark.parametrize(
    "path", ["/login", "/a/@@login", "/logout", "/++api++/@login", "/a/require_login"]
)
def test_logging_in_and_out_is_never_cached(cache: Stage, path: str) -> None:
    assert results(cache, path) == ["PASS", "PASS"]


@pytest.mark.proves("D7", "G9")
@pytest.mark.parametrize("method", ["PURGE", "BAN", "PROPFIND", "TRACE", "FOO"])
def test_visitors_can_neither_purge_nor_ban(
    cache: Stage, page: str, method: str
) -> None:
    assert results(cache, page) == ["MISS", "HIT"]
    assert cache.cache(page, method=method).status == 405
    assert results(cache, page, times=1) == ["HIT"]


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "BAN", "DELETE"])
def test_the_purge_listener_answers_purge_alone(
    cache: Stage, page: str, method: str
) -> None:
    reply = cache.purge(f"{ROOT}{page}", method=method)

    assert (reply.status, reply["Allow"]) == (405, "PURGE")
    assert not cache.plone.seen


FAMILY = ("", "/", "?b_start:int=20", "/@@images/x-800-abc.jpeg", "/@@download/file/x")
NEIGHBOURS = ("b", "/b", "/view", ".html")
TWO = "/VirtualHostBase/http/two.example.com/Site2/VirtualHostRoot"


@pytest.mark.proves("D1", "D2", "D3", "D4", "D5", "D6", "D10", "D16", "D18", "D19")
@pytest.mark.parametrize(
    "form",
    [
        ROOT + "{page}",
        "/VirtualHostBase/http/www.example.com/Plone/VirtualHostRoot{page}",
        "/VirtualHostBase/http/WWW.example.com:80/Plone/VirtualHostRoot{page}",
        "/VirtualHostBase/https/alias.example.org/Plone/VirtualHostRoot{page}",
        ROOT + "/++api++{page}",
        "/VirtualHostBase/http/www.example.com/Plone/++api++/VirtualHostRoot{page}",
        ROOT + "{page}/",
        ROOT + "/{page}",
        ROOT + "{page}/@@images/image/mini",
        "{page}",
        "{page}?x=y",
        "/Plone{page}",
        "/++api++/Plone{page}",
    ],
)
def test_a_purge_drops_the_page_and_what_hangs_on_it_but_no_neighbour(
    cache: Stage, page: str, form: str
) -> None:
    folder, page = page, f"{page}/paper"
    form = form.replace("{page}", page)
    gone = [*(page + end for end in FAMILY), f"/++api++{page}"]
    kept = [*(page + end for end in NEIGHBOURS), "/", "/++webresource++x/y.js"]
    kept += [f"{folder}/other", f"{folder}b"]
    # What holds it is known where the site is.
    (gone if "Plone" in form else kept).append(folder)
    for path in (*gone, *kept):
        cache.cache(path)
        assert cache.cache(path).result == "HIT"
    assert cache.cache(page, ("Accept", "application/json")).result == "MISS"
    ask(cache.stack.chain.cache, "GET", TWO + page)

    assert cache.purge(form).status == 200

    assert {path: cache.cache(path).result for path in gone} == dict.fromkeys(
        gone, "MISS"
    )
    assert {path: cache.cache(path).result for path in kept} == dict.fromkeys(
        kept, "HIT"
    )
    assert cache.cache(page, ("Accept", "application/json")).result == "MISS"
    other = "HIT" if "Plone" in form else "MISS"
    assert ask(cache.stack.chain.cache, "GET", TWO + page).result == other


@pytest.mark.proves("D17")
@pytest.mark.parametrize("path", ["/", "//", "", "/++api++/", "//?x"])
def test_a_purge_of_the_front_page_drops_just_that(
    cache: Stage, page: str, path: str
) -> None:
    fronts = ("/", "/++api++", "/?a=b")
    for each in (*fronts, page):
        cache.cache(each)

    cache.purge(ROOT + path)

    assert [cache.cache(each).result for each in fronts] == ["MISS"] * 3
    assert cache.cache(page).result == "HIT"


@pytest.mark.parametrize(
    ("asked", "purged"),
    [
        ("/a%20b", "/a%20b"),
        ("/%C3%A4", "/%C3%A4"),
        ("/a(1),b@c$", "/a%281%29%2Cb%40c%24"),
        ('/a"b', '/a"b'),
        ("/images/a.jpg", "/images/a.jpg"),
        ("/download/x.pdf", "/download/x.pdf"),
    ],
)
def test_a_purge_finds_any_letters(
    cache: Stage, page: str, asked: str, purged: str
) -> None:
    other = f"/images{page}.jpg"
    cache.cache(asked)
    cache.cache(other)
    assert (cache.cache(asked).result, cache.cache(other).result) == ("HIT", "HIT")

    assert cache.purge(ROOT + purged).status == 200

    assert (cache.cache(asked).result, cache.cache(other).result) == ("MISS", "HIT")


@pytest.mark.proves("D9")
def test_a_purge_of_what_is_not_there_is_no_failure(cache: Stage, page: str) -> None:
    assert cache.purge(ROOT + page).status == 200


def _negotiating(seen: Seen) -> Answer:
    """Answer like plone.rest: JSON to one media type, and HTML without Vary."""
    if seen["Accept"] == "application/json" or "++api++" in seen.path:
        json = (("Content-Type", "application/json"), ("Vary", "Accept"), CACHED)
        return Answer(json, body=b"{}")
    return Answer((CACHED, HTML), body=b"<p>")


@pytest.mark.proves("C1", "C2")
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_html_and_json_of_an_address_never_mix(
    cache: Stage, page: str, order: tuple[int, ...]
) -> None:
    cache.plone.answers[page] = _negotiating
    kinds = (
        ("text/html,application/xhtml+xml;q=0.9,*/*;q=0.8", b"<p>"),
        ("application/json", b"{}"),
        ("application/ld+json", b"<p>"),
    )
    for accept, body in [kinds[one] for one in order] * 2:
        assert cache.cache(page, ("Accept", accept)).body == body


@pytest.mark.proves("C3", "C4", "C5")
@pytest.mark.parametrize(
    ("path", "accepts", "fetches"),
    [
        ("", [f"text/html,image/x{n};q=0.{n}" for n in range(1, 9)], 1),
        ("", ["application/json", "application/json;q=0.9", " application/json "], 1),
        ("", ["application/json, text/plain, */*", "*/*", "image/avif"], 1),
        ("/++api++", ["text/html", "*/*", "application/json", ""], 1),
        ("", ["text/html", "application/json", "*/*"], 3),
    ],
)
def test_spellings_of_accept_share_one_object(
    cache: Stage, page: str, path: str, accepts: list[str], fetches: int
) -> None:
    for accept in accepts:
        cache.cache(path + page, ("Accept", accept))

    assert len(cache.plone.seen) == fetches


@pytest.mark.proves("G1", "G2", "G3", "G4", "G5")
@pytest.mark.parametrize(
    ("queries", "fetches", "asked"),
    [
        (["", "?", "?utm_source=x", "?gclid=1&fbclid=2", "?&"], 1, ""),
        (["?a=1&b=2", "?b=2&a=1", "?b=2&utm_id=x&a=1"], 1, "?a=1&b=2"),
        (["?a:list=2&a:list=1", "?a:list=1&a:list=2"], 2, "?a:list=2&a:list=1"),
        (["?a=1", "?a=2", "?A=1"], 3, "?a=1"),
        (["?gclid=x&a=1", "?a=1&_ga=2.3", "?a=1"], 1, "?a=1"),
        (["?q=utm_source", "?x_utm_source=1"], 2, "?q=utm_source"),
        (["?" + "&".join(f"p{n}={'v' * 60}" for n in range(200))], 1, None),
        (["?" + "&".join(f"p{n}={'v' * 700}" for n in range(19))], 1, None),
        (["?" + "&".join("a=b" for n in range(3000))], 1, None),
        (["?" + "?&=" * 4000], 1, None),
    ],
)
def test_queries_are_told_apart_by_what_plone_reads(
    cache: Stage, page: str, queries: list[str], fetches: int, asked: str | None
) -> None:
    for query in queries:
        assert cache.cache(page + query).status == 200

    assert len(cache.plone.seen) == fetches
    if asked is not None:
        assert cache.plone.seen[0].path == f"{ROOT}{page}{asked}"


def _allowing(seen: Seen) -> Answer:
    """Answer like plone.rest where one origin is allowed."""
    json = "json" in (seen["Accept"] or "")
    kind = ("Content-Type", "application/json") if json else HTML
    if seen["Origin"] in {"https://a.org", "https://b.org"}:
        return Answer((CACHED, kind, ("Access-Control-Allow-Origin", seen["Origin"])))
    return Answer((CACHED, kind))


@pytest.mark.proves("C9", "N35")
@pytest.mark.parametrize("accept", ["text/html", "application/json"])
def test_origins_get_answers_of_their_own(cache: Stage, page: str, accept: str) -> None:
    cache.plone.answers[page] = _allowing
    for origin in ("", "https://a.org", "https://b.org"):
        own = (("Accept", accept), *([("Origin", origin)] if origin else ()))
        replies = [cache.cache(page, *own) for _ in range(2)]
        assert [reply.result for reply in replies] == ["MISS", "HIT"]
        allowed = {reply["Access-Control-Allow-Origin"] for reply in replies}
        assert allowed == {origin or None}
        said = "Origin" in (replies[1]["Vary"] or "")
        assert said == bool(origin)


@pytest.mark.proves("N35")
@pytest.mark.parametrize("allowed", [(), (("Access-Control-Allow-Origin", "*"),)])
def test_an_origin_is_no_copy_where_the_answer_is_the_same(
    cache: Stage, page: str, allowed: tuple[Header, ...]
) -> None:
    cache.plone.default = Answer((CACHED, HTML, *allowed))
    for number in range(8):
        cache.cache(page, ("Origin", f"https://{number}.org"))
    cache.cache(page)

    assert len(cache.plone.seen) == 2


@pytest.mark.proves("F4", "F5")
def test_head_is_answered_by_a_get(cache: Stage, page: str) -> None:
    first = cache.cache(page, method="HEAD")
    assert (first.status, first.body, first.result) == (200, b"", "MISS")
    assert results(cache, page, times=1) == ["HIT"]
    assert cache.cache(page, ("Cookie", "__ac=x"), method="HEAD").result == "PASS"
    assert [seen.method for seen in cache.plone.seen] == ["GET", "GET"]


@pytest.mark.proves("F6")
def test_range_is_cut_from_the_whole(cache: Stage, page: str) -> None:
    binary = ("Content-Type", "video/mp4")
    cache.plone.default = Answer((LONG, binary), body=bytes(range(100)))
    part = ("Range", "bytes=10-19")

    for result in ("MISS", "HIT"):
        reply = cache.cache(page, part)
        assert (reply.status, reply.body, reply.result) == (
            206,
            bytes(range(10, 20)),
            result,
        )
    assert cache.plone.seen[0]["Range"] is None
    cache.cache(page, part, ("Cookie", "__ac=x"))
    assert cache.plone.seen[1]["Range"] == "bytes=10-19"


@pytest.mark.proves("B13", "F9")
def test_huge_files_are_streamed_with_range_and_not_stored(
    cache: Stage, page: str
) -> None:
    huge = bytes(21_000_000)
    cache.plone.default = Answer((LONG, ("Content-Type", "video/mp4")), body=huge)

    assert len(cache.cache(page).body) == len(huge)
    assert cache.cache(page, ("Range", "bytes=0-1")).result == "PASS"
    assert cache.plone.seen[1]["Range"] == "bytes=0-1"


@pytest.mark.proves("F10")
def test_the_first_byte_is_there_before_the_last(cache: Stage, page: str) -> None:
    cache.plone.default = Answer((LONG,), body=b"x" * 100_000, late=1.5)
    with stage.connect(cache.stack.chain.cache) as connection:
        connection.sendall(f"GET {ROOT}{page} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        begin = time.monotonic()
        connection.recv(1)
        assert time.monotonic() - begin < 1


@pytest.mark.proves("F1", "F2", "F3", "H11")
@pytest.mark.parametrize(
    "condition",
    [
        ("If-None-Match", '"one"'),
        ("If-Modified-Since", "Sat, 02 Jan 2021 00:00:00 GMT"),
    ],
)
def test_conditions_are_answered_by_the_cache(
    cache: Stage, page: str, condition: Header
) -> None:
    dated = ("Last-Modified", "Fri, 01 Jan 2021 00:00:00 GMT")
    cache.plone.default = Answer((CACHED, HTML, ("ETag", '"one"'), dated))
    tag = cache.cache(page, ("Accept-Encoding", "gzip"))["ETag"]

    assert cache.cache(page, condition).status == 304
    weak = (("If-None-Match", tag or ""), ("Accept-Encoding", "gzip"))
    assert cache.cache(page, *weak).status == 304
    assert cache.cache(page, ("If-None-Match", '"two"')).result == "HIT"
    assert len(cache.plone.seen) == 1


@pytest.mark.proves("I1")
def test_an_expired_page_is_asked_for_conditionally(cache: Stage, page: str) -> None:
    short = ("Cache-Control", "max-age=0, s-maxage=1")

    def answer(seen: Seen) -> Answer:
        status = 304 if seen["If-None-Match"] else 200
        return Answer((short, HTML, ("ETag", '"one"')), status, b"same")

    cache.plone.answers[page] = answer
    bodies = []
    for _ in range(3):
        bodies.append(cache.cache(page).body)
        time.sleep(1.3)
    assert set(bodies) == {b"same"}
    assert [bool(seen["If-None-Match"]) for seen in cache.plone.seen] == [
        False,
        True,
        True,
    ]


@pytest.mark.proves("G11")
@pytest.mark.parametrize("header", ["Cache-Control: no-cache", "Pragma: no-cache"])
def test_a_browser_cannot_force_a_fetch(cache: Stage, page: str, header: str) -> None:
    name, _, value = header.partition(": ")
    assert results(cache, page, (name, value)) == ["MISS", "HIT"]


@pytest.mark.proves("E7")
def test_one_fetch_however_many_ask(cache: Stage, page: str) -> None:
    cache.plone.default = Answer(wait=0.7)

    replies = stage.at_once(40, lambda: cache.cache(page))

    assert stage.statuses(replies) == {200: 40}
    assert len({reply.body for reply in replies}) == len(cache.plone.seen) == 1


@pytest.mark.proves("C6", "C7", "C8")
def test_text_is_compressed_once_and_images_are_not(cache: Stage, page: str) -> None:
    gzip = ("Accept-Encoding", "gzip, br")
    text = b"text " * 3000
    cache.plone.answers = {
        page: Answer(body=text),
        f"{page}.png": Answer((CACHED, ("Content-Type", "image/png")), body=text),
    }

    assert cache.cache(page, gzip)["Content-Encoding"] == "gzip"
    assert len(cache.cache(page, gzip).body) < 1000
    assert cache.cache(page).body == text
    assert cache.cache(f"{page}.png", gzip)["Content-Encoding"] is None


HIDDEN = (
    *("Via", "X-Varnish", "Server", "X-Powered-By", "X-Cache-Rule", "xkey", "Age"),
    *("X-Cache-Operation", "X-RAMCache", "X-Ids-Involved", "Surrogate-Control"),
    *("X-PS-Site", "X-PS-Owner", "X-PS-Id", "X-PS-Control", "X-Vinyl"),
)


@pytest.mark.proves("H4", "H5", "H6")
def test_visitors_see_none_of_our_headers(cache: Stage, page: str) -> None:
    own = tuple((name, "x") for name in HIDDEN if name not in {"Via", "Age"})
    cache.plone.default = Answer((CACHED, HTML, *own))
    for reply in (
        cache.cache(page),
        cache.cache(page),
        cache.cache(page, method="FOO"),
    ):
        assert {name for name in HIDDEN if reply[name]} == set()
    varied = ("Vary", "Accept, X-Anonymous")
    cache.plone.default = Answer((CACHED, HTML, varied))
    assert "X-Anonymous" not in (cache.cache(f"{page}x")["Vary"] or "")


@pytest.mark.proves("H1", "H2", "H3")
@pytest.mark.parametrize(
    ("sent", "seen"),
    [
        ("max-age=0, s-maxage=60, must-revalidate", "max-age=0, must-revalidate"),
        ("s-maxage=60, max-age=0", "max-age=0"),
        ("max-age=0,S-MaxAge=60", "max-age=0"),
        ("s-maxage=60", "max-age=0, must-revalidate"),
        ("max-age=60, public", "max-age=60, public"),
    ],
)
def test_caches_further_out_get_no_time_of_their_own(
    cache: Stage, page: str, sent: str, seen: str
) -> None:
    cache.plone.default = Answer((("Cache-Control", sent), HTML))
    for _ in range(2):
        assert cache.cache(page)["Cache-Control"] == seen


@pytest.mark.proves("B6", "E5")
def test_errors_of_plone_are_for_nobody_to_keep(cache: Stage, page: str) -> None:
    cache.plone.default = Answer((LONG, HTML), 500, b"Plone's own page")
    for headers in ((), (("Cookie", "__ac=x"),)):
        reply = cache.cache(page, *headers)
        assert (reply.status, reply.body) == (500, b"Plone's own page")
        assert reply["Cache-Control"] == "no-store"


def test_who_sees_the_result(cache: Stage, page: str) -> None:
    assert cache.cache(page).result == "MISS"
    assert cache.cache(page, ("X-Forwarded-For", "1.2.3.4")).result is None


INTERNAL = (
    *("Base", "Root", "Path", "Query", "Owner", "Site", "Session", "Stale", "Result"),
    *("Id", "Language"),
)


@pytest.mark.proves("G6", "G7")
def test_visitors_set_none_of_our_headers(cache: Stage, page: str) -> None:
    own = (*(f"X-PS-{name}" for name in INTERNAL), "X-Anonymous")
    cache.cache(
        page, *((name, "evil") for name in (*own, "Proxy")), ("Cookie", "__ac=x")
    )

    (seen,) = cache.plone.seen
    values = {name: seen[name] for name in (*own, "Proxy")}
    assert "evil" not in values.values()
    assert values["X-Anonymous"] is None


@pytest.mark.proves("H8")
@pytest.mark.parametrize(("count", "size"), [(80, 10), (2, 9000), (1, 14000)])
def test_many_and_large_headers_pass(
    cache: Stage, page: str, count: int, size: int
) -> None:
    many = tuple((f"X-Header-{n}", "x" * size) for n in range(count))
    cache.plone.default = Answer((CACHED, HTML, *many))

    assert cache.cache(page, *many).status == 200
    assert cache.cache(page, *many).result == "HIT"
    assert cache.cache(f"{page}?{'x' * 12000}").status == 200
    assert cache.cache(f"{page}/{'x' * 12000}").status == 200


@pytest.mark.proves("G14")
def test_two_sites_with_the_same_path_are_apart(cache: Stage, page: str) -> None:
    assert results(cache, page) == ["MISS", "HIT"]
    assert ask(cache.stack.chain.cache, "GET", TWO + page).result == "MISS"


@pytest.mark.proves("B7")
def test_a_404_is_remembered_for_seconds_at_most(cache: Stage, page: str) -> None:
    cache.plone.default = Answer((LONG, HTML), 404)
    cache.cache(page)
    ban = cache.varnishadm("ban.list")
    assert ban.ok
    cache.plone.default = Answer()
    time.sleep(10.5)
    assert cache.cache(page).status == 200


@pytest.fixture
def expired(cache: Stage, page: str) -> Iterator[str]:
    """Give a page that was stored and is older than the short grace."""
    short = ("Cache-Control", "max-age=0, s-maxage=1")
    cache.plone.default = Answer((short, HTML), body=b"old")
    assert cache.cache(page).body == b"old"
    time.sleep(11.5)
    yield page
    if "instance1" not in cache.plone.servers:
        cache.plone.start("instance1", cache.stack.zope.clients[0].address.port)
    stage.until(lambda: "Healthy" in _probe(cache, "healthy"), 5)


def _probe(cache: Stage, wanted: str) -> str:
    said = cache.varnishadm("backend.list").text.lower()
    return "Healthy" if wanted in said and "sick" not in said else "Sick"


@pytest.mark.proves("E1", "E3", "E4", "E6")
def test_a_stale_page_is_shown_while_plone_fails(cache: Stage, expired: str) -> None:
    session = ("Cookie", "__ac=x")
    cache.plone.default = Answer((LONG, HTML), 500, b"broken")
    for _ in range(3):
        assert (cache.cache(expired).status, cache.cache(expired).body) == (200, b"old")
    assert cache.cache(expired, session).status == 500

    port = cache.plone.stop("instance1")
    assert port == cache.stack.zope.clients[0].address.port
    for _ in range(6):
        assert cache.cache(expired).body == b"old"
        time.sleep(0.3)
    assert _probe(cache, "healthy") == "Sick"
    assert cache.cache(expired, session).status == 503

    cache.plone.default = Answer(body=b"new")
    cache.plone.start("instance1", port)
    # Older than the short grace: as soon as Plone is well, the new page is fetched.
    stage.until(lambda: cache.cache(expired).body == b"new", 5)


@pytest.mark.proves("H7")
def test_after_a_purge_nothing_stale_is_shown(cache: Stage, page: str) -> None:
    cache.cache(page)
    cache.purge(ROOT + page)
    port = cache.plone.stop("instance1")
    try:
        reply = cache.cache(page)
        other = cache.cache(page, ("Cookie", "__ac=x"))
    finally:
        cache.plone.start("instance1", port)
    stage.until(lambda: cache.cache(page).status == 200, 5)

    for one in (reply, other):
        assert (one.status, one["Retry-After"], one["Cache-Control"]) == (
            *(503, "10", "no-store"),
        )
        assert b"Guru" not in one.body
        assert b"XID" not in one.body


def test_a_reload_keeps_the_cache_and_loses_no_request(cache: Stage, page: str) -> None:
    cache.cache(page)
    with stage.load(8, lambda: cache.cache(page)) as replies:
        for number in range(3):
            name = f"new{number}"
            assert cache.varnishadm("vcl.load", name, "default.vcl").ok
            assert cache.varnishadm("vcl.use", name).ok
    refused = cache.varnishadm("vcl.load", "bad", "missing.vcl")

    assert stage.statuses(replies) == {200: len(replies)}
    assert {reply.result for reply in replies} == {"HIT"}
    assert not refused.ok
    assert cache.cache(page).result == "HIT"


def test_the_vcl_uses_no_word_that_varnish_6_0_lacks(cache: Stage) -> None:
    from collective.recipe.productionstack.plan import rendering

    text = rendering.tree_of(cache.stack).text_of("varnish/default.vcl")
    code = "\n".join(line.partition("#")[0] for line in text.splitlines())
    newer = ("std.ban", "std.bytes", "transit_buffer", "param.", "backend_refresh")
    assert [
        word for word in (*newer, "return (miss)", "vcl_req_", "<<") if word in code
    ] == []


@pytest.mark.parametrize(
    "path",
    ["/%s" % ("a/" * 6000), "/" + "/" * 12000, "/" + "+" * 12000, "/@@images" * 1300],
)
def test_no_address_is_too_long_for_the_rules(cache: Stage, path: str) -> None:
    assert cache.cache(path).status == 200
    assert cache.purge(ROOT + path).status == 200
    assert cache.purge(path).status == 200


def test_a_page_that_breaks_off_is_not_stored(cache: Stage, page: str) -> None:
    cache.plone.default = Answer((CACHED, ("Content-Length", "1000")), body=b"short")
    assert cache.cache(page).status in {0, 503}
    cache.plone.default = Answer()
    assert results(cache, page) == ["MISS", "HIT"]
