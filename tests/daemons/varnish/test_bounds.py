"""What the cache forgets in time, tells apart, and lets nobody push out."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from collective.recipe.productionstack.daemons.varnish import tracking
from collective.recipe.productionstack.model.caching import Rule
from tests.daemons import stage
from tests.daemons.stage import CACHED
from tests.daemons.stage import HTML
from tests.daemons.stage import Answer
from tests.daemons.stage import Seen
from tests.daemons.stage import Stage
from tests.daemons.stage import ask
from tests.daemons.stage import results

pytestmark = pytest.mark.usefixtures("daemons")

ROOT = "/VirtualHostBase/http/www.example.com:80/Plone/VirtualHostRoot"
YEAR = ("Cache-Control", "max-age=31536000, proxy-revalidate, public")
DAY = ("Cache-Control", "max-age=0, s-maxage=86400, must-revalidate")
IMAGE = ("Content-Type", "image/png")
BUNDLE = "/++webresource++7c0d0ef1/++plone++static/x.js"


@pytest.fixture(scope="module")
def ruled() -> Iterator[Stage]:
    """Give a Varnish with times and cookies of the user's own."""
    rules = (
        Rule(path="/news", seconds=600),
        Rule(path="/old.news", seconds=0),
        Rule(type="image/*", seconds=30),
        Rule(type="text/css", seconds=900),
    )
    cookies = ("mod_auth_openidc_session", "_shib.x")
    with Stage(
        load_balancer="none",
        clients=1,
        rules=rules,
        session_cookies=cookies,
        file_limit=3 * 1024**2,
        grace=1,
    ) as one:
        yield one.start("varnish")


DATED = ("Last-Modified", "Fri, 01 Jan 2021 00:00:00 GMT")
HURRIED = (
    ("beresp.ttl > 110s", "beresp.ttl > 1s"),
    ("beresp.ttl = 110s", "beresp.ttl = 1s"),
    ("req.grace = 10s", "req.grace = 0s"),
    ("obj.ttl + 10s", "obj.ttl + 0s"),
)
"""The two minutes are one second; all else is as it is."""


@pytest.fixture(scope="module")
def hurried() -> Iterator[Stage]:
    with Stage(load_balancer="none", clients=1, changes=HURRIED) as one:
        yield one.start("varnish")


def _file(kind: tuple[str, str]) -> Callable[[Seen], Answer]:
    """Return how Plone answers for a file that may be seen."""

    def answer(seen: Seen) -> Answer:
        if seen["If-Modified-Since"]:
            return Answer((DATED,), 304)
        return Answer((kind, IMAGE, DATED), body=b"picture")

    return answer


@pytest.mark.proves("N31")
@pytest.mark.parametrize("kind", [YEAR, DAY])
@pytest.mark.parametrize("end", ["", "/@@images/image-800-abc.png", "/x/@@download/f"])
def test_what_a_folder_protects_is_asked_for_again_in_time(
    hurried: Stage, page: str, end: str, kind: tuple[str, str]
) -> None:
    path, plone = page + end, hurried.plone
    plone.answers[path] = _file(kind)
    assert results(hurried, path) == ["MISS", "HIT"]
    for _ in range(2):
        time.sleep(1.2)
        assert hurried.cache(path).body == b"picture"
        # Plone does not look at the permission of a scale when it is asked so.
        condition = None if "@@images" in path else DATED[1]
        assert plone.seen[-1]["If-Modified-Since"] == condition
        assert results(hurried, path, times=1) == ["HIT"]
    time.sleep(1.2)
    location = ("Location", "/require_login")
    plone.answers[path] = Answer((location, stage.PRIVATE, DATED), 302)
    assert hurried.cache(path).status == 302
    # Gone for good: not even an outage brings it back.
    port = plone.stop("instance1")
    assert {hurried.cache(path).status for _ in range(3)} == {503}
    plone.start("instance1", port)
    stage.until(lambda: hurried.cache(path).status == 302, 10)


@pytest.mark.parametrize("path", [BUNDLE, "/++theme++own/images/logo-400.png"])
def test_a_bundle_keeps_its_time(hurried: Stage, path: str) -> None:
    rule = ("X-Cache-Rule", "plone.stableResource")
    hurried.plone.answers[path] = Answer((YEAR, rule))
    assert results(hurried, path) == ["MISS", "HIT"]
    time.sleep(1.2)
    assert results(hurried, path, times=1) == ["HIT"]


RULE = ("X-Cache-Rule", "plone.content.itemView")


@pytest.mark.proves("N31")
@pytest.mark.parametrize(
    ("path", "more"),
    [
        ("/++theme++own/style.css/folder/photo/@@images/photo-400-abc.png", ()),
        ("/++webresource++x/++plone++own/a.css/folder/file/@@download/file", ()),
        ("/++theme++own/a.css/folder/photo/images/photo-400-0123456789abcdef.png", ()),
        ("/++theme++own/style.css/folder/page", (RULE,)),
    ],
)
def test_content_below_the_name_of_a_theme_is_asked_for_again(
    hurried: Stage, path: str, more: tuple[tuple[str, str], ...]
) -> None:
    """A file of a theme in the database acquires whatever the site holds."""

    def answer(seen: Seen) -> Answer:
        if seen["If-Modified-Since"]:
            return Answer((DATED,), 304)
        return Answer((YEAR, IMAGE, DATED, *more), body=b"picture")

    hurried.plone.answers[path] = answer
    assert results(hurried, path) == ["MISS", "HIT"]
    for number in (2, 3):
        time.sleep(1.2)
        reply = hurried.cache(path)
        assert (reply.status, reply["X-Cache-Rule"]) == (200, None)
        assert len(hurried.plone.requests(path)) == number


SPELLINGS = (
    "{page}/file/@@download/file/x.pdf",
    "{page}/images/image/mini",
    "/doc{page}",
    "/doc{page}/images/image/mini",
    "/doc{page}/@@images/image-800-abc.jpeg",
    "/++webresource++x{page}",
    "/++webresource++x/doc{page}/@@download/file",
    "/++api++/doc{page}",
)


@pytest.mark.proves("N32")
def test_an_object_goes_under_all_its_names(cache: Stage, page: str) -> None:
    paths = [one.format(page=page) for one in SPELLINGS]
    paths[0] = f"/doc{page}/@@download/file/x.pdf"
    for path in paths:
        assert results(cache, path) == ["MISS", "HIT"]

    cache.purge(f"{ROOT}/folder{page}")

    assert {path: cache.cache(path).result for path in paths} == dict.fromkeys(
        paths, "MISS"
    )


@pytest.mark.proves("N33")
@pytest.mark.parametrize(
    "feed", ["RSS", "rss.xml", "atom.xml", "itunes.xml", "@@RSS", "@@rss.xml"]
)
@pytest.mark.parametrize("edited", ["", "/item"])
def test_a_feed_goes_with_its_folder_and_what_is_in_it(
    cache: Stage, page: str, feed: str, edited: str
) -> None:
    cache.plone.default = Answer((DAY, ("Content-Type", "application/rss+xml")))
    assert results(cache, f"{page}/{feed}") == ["MISS", "HIT"]

    cache.purge(ROOT + page + edited)

    assert results(cache, f"{page}/{feed}", times=1) == ["MISS"]


def _speaking(seen: Seen) -> Answer:
    """Answer like a site that negotiates the language, and says so."""
    cookie = re.search("I18N_LANGUAGE=([a-z-]+)", seen["Cookie"] or "")
    accepted = (seen["Accept-Language"] or "en").lower()
    language = cookie[1] if cookie else accepted[:2]
    return Answer((CACHED, HTML, ("Vary", "X-PS-Language")), body=language.encode())


@pytest.mark.proves("N34")
def test_languages_are_apart_where_the_site_negotiates(cache: Stage, page: str) -> None:
    cache.plone.answers[page] = _speaking
    german = ("Accept-Language", "de-DE,de;q=0.9,en;q=0.8")
    spelled = ("Accept-Language", "DE-de, de;q=0.7,en;q=0.1")
    english = ("Accept-Language", "en-US,en;q=0.9")
    french = ("Cookie", 'a=b; I18N_LANGUAGE="fr"; c=d')
    for headers, body, result in (
        ((german,), b"de", "MISS"),
        ((english,), b"en", "MISS"),
        ((spelled,), b"de", "HIT"),
        ((german, french), b"fr", "MISS"),
        ((english, french), b"fr", "MISS"),
        ((spelled, french), b"fr", "HIT"),
        ((english,), b"en", "HIT"),
        ((), b"en", "MISS"),
    ):
        reply = cache.cache(page, *headers)
        assert (reply.body, reply.result) == (body, result)
        assert (reply["Vary"] or "").startswith("Accept-Language")


@pytest.mark.proves("N34")
def test_languages_are_no_copies_where_it_does_not(cache: Stage, page: str) -> None:
    for language in ("de", "en", "fr"):
        cache.cache(page, ("Accept-Language", language))
        cache.cache(page, ("Cookie", f"I18N_LANGUAGE={language}"))

    assert len(cache.plone.seen) == 1


@pytest.mark.proves("N36")
def test_files_drop_no_page(page: str) -> None:
    kept = [f"{page}-{number}" for number in range(20)]
    with Stage(
        load_balancer="none",
        clients=1,
        pages_size=32 * 1024**2,
        files_size=64 * 1024**2,
    ) as one:
        one.start("varnish")
        for path in kept:
            assert results(one, path) == ["MISS", "HIT"]
        one.plone.default = Answer((DAY, IMAGE), body=bytes(15_000_000))
        for number in range(12):
            assert len(one.cache(f"/file-{number}").body) == 15_000_000
        assert {one.cache(path).result for path in kept} == {"HIT"}
        small = Answer((DAY, IMAGE), body=bytes(9_000))
        one.plone.default = small
        for number in range(300):
            one.cache(f"/small-{number}")
        one.plone.default = Answer((DAY, IMAGE), body=bytes(15_000_000))
        for number in range(6):
            assert len(one.cache(f"/again-{number}").body) == 15_000_000


@pytest.mark.proves("N36")
def test_a_query_makes_no_copy_of_a_file(cache: Stage, page: str) -> None:
    paths = (f"{page}/@@images/image/mini", f"{page}/@@download/file/x", f"{page}.PDF")
    for path in paths:
        for number in range(5):
            cache.cache(f"{path}?x={number}")
        cache.cache(path)
        assert len(cache.plone.requests(path)) == 1
        assert cache.plone.requests(path)[0].path.endswith(path)
    json = ("Accept", "application/json")
    assert cache.cache(f"{page}.PDF?a=1", json).result == "MISS"
    assert cache.cache(f"{page}.PDF?a=2", json).result == "MISS"


@pytest.mark.proves("N38")
def test_a_missing_page_is_remembered_for_ten_seconds(cache: Stage, page: str) -> None:
    cache.plone.default = Answer((HTML,), 404)
    assert results(cache, page) == ["MISS", "HIT"]
    cache.plone.answers["/robots.txt"] = Answer((("Content-Type", "text/plain"),))
    assert "HIT" in results(cache, "/robots.txt")
    cache.plone.default = Answer()
    time.sleep(10.5)
    assert cache.cache(page).status == 200
    assert cache.cache("/robots.txt").result == "MISS"


KNOWN = (
    "utm_source",
    "utm_id",
    "utm_source_platform",
    "gclid",
    "gbraid",
    "wbraid",
    "dclid",
    "gclsrc",
    "srsltid",
    "gad_source",
    "gad_campaignid",
    "_ga",
    "_gl",
    "fbclid",
    "igsh",
    "igshid",
    "msclkid",
    "ttclid",
    "twclid",
    "li_fat_id",
    "epik",
    "yclid",
    "mc_cid",
    "mc_eid",
    "_hsenc",
    "_hsmi",
    "__hssc",
    "__hstc",
    "__hsfp",
    "hsa_acc",
    "hsa_cam",
    "hsa_grp",
    "hsa_ad",
    "hsa_src",
    "hsa_kw",
    "mkt_tok",
    "pk_campaign",
    "pk_kwd",
    "pk_source",
    "mtm_campaign",
    "mtm_source",
    "matomo_campaign",
    "piwik_campaign",
    "vero_id",
    "vero_conv",
    "wickedid",
    "s_kwcid",
    "ef_id",
    "_openstat",
)


@pytest.mark.proves("N39")
def test_every_known_tracker_is_dropped(cache: Stage, page: str) -> None:
    assert len(KNOWN) > 48
    for name in KNOWN:
        cache.cache(f"{page}?{name}={quote('x/y')}")
        cache.cache(f"{page}?{name}=1&a=1")
    assert len(cache.plone.seen) == 2
    for name in ("gad_sourcex", "pk", "xpk_a", "b_start:int", "hsa", "SearchableText"):
        assert not re.fullmatch(tracking.pattern(), name)
        assert cache.cache(f"{page}?{name}=1").result == "MISS"


@pytest.mark.proves("N40")
@pytest.mark.parametrize("name", ["mod_auth_openidc_session", "_shib.x"])
def test_further_cookies_make_a_session(ruled: Stage, page: str, name: str) -> None:
    ruled.plone.forget()
    assert results(ruled, page) == ["MISS", "HIT"]
    assert results(ruled, page, ("Cookie", f"a=b; {name}=x")) == ["PASS", "PASS"]
    assert ruled.plone.seen[-1]["Cookie"] == f"a=b; {name}=x"
    near = name.replace(".", "X") if "." in name else f"x{name}"
    assert ruled.cache(page, ("Cookie", f"{near}=x")).result == "HIT"


@pytest.mark.proves("N41")
@pytest.mark.parametrize(
    "view",
    [
        *("register", "@@register", "login_form", "failsafe_login", "passwordreset/x"),
        *("mail_password_form", "contact-info", "sendto_form", "@users/x", "@login"),
        *("@email-send", "pwreset_form"),
    ],
)
def test_views_that_take_a_password_or_send_mail_pass(
    cache: Stage, page: str, view: str
) -> None:
    assert results(cache, f"{page}/{view}") == ["PASS", "PASS"]


@pytest.mark.proves("N43")
def test_an_error_of_the_server_is_asked_for_once(cache: Stage, page: str) -> None:
    cache.plone.default = Answer((YEAR, HTML), 500, b"broken")
    assert cache.cache(page).status == 500
    assert len(cache.plone.seen) == 1


def test_rules_of_the_users_own(ruled: Stage) -> None:
    """Times by path and type: the first that fits counts."""
    ruled.plone.forget()
    plain, css = ("Content-Type", "text/plain"), ("Content-Type", "text/css; charset=x")
    answers = {
        "/news/a": ((HTML,), ["MISS", "HIT"]),
        "/news": ((CACHED, HTML), ["MISS", "HIT"]),
        "/newspaper": ((HTML,), ["MISS", "MISS"]),
        "/old.news/x": ((CACHED, HTML), ["MISS", "MISS"]),
        "/oldXnews": ((CACHED, HTML), ["MISS", "HIT"]),
        "/x.css": ((css,), ["MISS", "HIT"]),
        "/x.txt": ((plain,), ["MISS", "MISS"]),
        "/news/private": ((stage.PRIVATE, HTML), ["MISS", "MISS"]),
        "/news/cookie": ((HTML, ("Set-Cookie", "a=b")), ["MISS", "MISS"]),
    }
    for path, (headers, _) in answers.items():
        ruled.plone.answers[path] = Answer(headers)
    assert {path: results(ruled, path) for path in answers} == {
        path: wanted for path, (_, wanted) in answers.items()
    }


def test_the_limit_of_files(ruled: Stage, page: str) -> None:
    ruled.plone.forget()
    for size, wanted in ((2, ["MISS", "HIT"]), (4, ["MISS", "PASS"])):
        ruled.plone.default = Answer((DAY, IMAGE), body=bytes(size * 1024**2))
        assert results(ruled, f"{page}-{size}") == wanted


def test_only_the_machines_of_the_clients_may_purge() -> None:
    """Who else reaches the listener is refused, and nothing goes."""
    ours = 'acl purgers {\n    "127.0.0.0"/8;', 'acl purgers {\n    "127.0.0.9";'
    with Stage(load_balancer="none", clients=1, changes=[ours]) as one:
        one.start("varnish")
        path = one.stack.sites[0].virtual_host + "/x"
        purge = one.stack.chain.purge
        assert results(one, "/x") == ["MISS", "HIT"]
        assert ask(purge, "PURGE", path).status == 403
        assert results(one, "/x", times=1) == ["HIT"]
        assert ask(purge, "PURGE", path, source="127.0.0.9").status == 200
        assert results(one, "/x", times=1) == ["MISS"]
