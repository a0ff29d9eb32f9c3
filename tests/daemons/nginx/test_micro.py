"""The micro-cache: a crowd costs nothing; nobody gets what is old, or another's."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from collective.recipe.productionstack.daemons.nginx import subreaper
from collective.recipe.productionstack.daemons.nginx.process import Nginx
from collective.recipe.productionstack.machine import processes
from collective.recipe.productionstack.model.caching import Caching
from tests.daemons import stage
from tests.daemons.stage import CACHED
from tests.daemons.stage import FRESH
from tests.daemons.stage import HTML
from tests.daemons.stage import PRIVATE
from tests.daemons.stage import Answer
from tests.daemons.stage import Reply
from tests.daemons.stage import Seen
from tests.daemons.stage import Stage
from tests.daemons.stage import ask

pytestmark = pytest.mark.usefixtures("daemons")

Header = tuple[str, str]
SHOWN = "add_header X-Content-Type-Options nosniff always;"


def _stage() -> Stage:
    shown = (SHOWN, f"{SHOWN}\nadd_header X-Kept $upstream_cache_status always;")
    names = Caching(session_cookies=("_sso.1",))
    return Stage(changes=[shown], caching=names)


@pytest.fixture(scope="module")
def running() -> Iterator[Stage]:
    with _stage() as one:
        yield one.start()


@pytest.fixture
def front(running: Stage) -> Stage:
    running.plone.forget()
    return running


def is_kept(reply: Reply) -> bool:
    return reply["X-Kept"] == "HIT"


def kept(front: Stage, path: str, *headers: Header) -> Reply:
    """Ask until nginx itself answers."""
    found: list[Reply] = []

    def asked() -> bool:
        found.append(front.get(path, *headers))
        return is_kept(found[-1])

    deadline = time.monotonic() + 20
    while not asked():
        assert time.monotonic() < deadline, found[-1].headers.items()
    return found[-1]


def never(front: Stage, path: str, *headers: Header, times: int = 6) -> list[Reply]:
    """Ask as often; nginx itself answers none of it."""
    found = [front.get(path, *headers) for _ in range(times)]
    assert not any(is_kept(one) for one in found)
    return found


def of_the_cache(front: Stage) -> int:
    """Return how many requests came to Varnish."""
    said = subprocess.run(
        ("varnishstat", "-1", "-n", f"{front.stack.folders.var}/varnish"),
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    found = re.search(r"MAIN\.client_req\s+(\d+)", said)
    assert found
    return int(found[1])


def test_a_crowd_on_one_address_costs_the_cache_next_to_nothing(
    front: Stage, page: str
) -> None:
    crowd = 16
    front.get(page)
    time.sleep(1.1)  # Varnish counts behind
    before, begin = of_the_cache(front), time.monotonic()
    with stage.load(crowd, lambda: front.get(page)) as replies:
        stage.until(lambda: len(replies) > 1500, 30)
    seconds = time.monotonic() - begin
    assert stage.statuses(replies) == {200: len(replies)}
    time.sleep(1.1)
    asked = of_the_cache(front) - before
    # Two that make it known, and who did not wait longer; in each second begun.
    assert asked <= (2 + crowd) * (seconds + 1)
    assert asked < len(replies) / 4
    assert len(front.plone.requests(page)) == 1


def test_nobody_sees_what_is_older_than_a_second(front: Stage, page: str) -> None:
    target = f"{front.stack.sites[0].virtual_host}{page}"
    seen: list[tuple[float, int]] = []
    edits: list[tuple[float, int]] = []
    version = 0

    def answer(_: Seen) -> Answer:
        return Answer(body=b"%d" % version)

    def visit() -> Reply:
        begin = time.time()
        reply = front.get(page)
        seen.append((begin, int(reply.body)))
        return reply

    front.plone.answers[page] = answer
    # Plone has nothing half done when the first edit comes.
    front.get(page)
    with stage.load(8, visit):
        for version in range(1, 4):
            assert front.purge(target).status == 200
            edits.append((time.time(), version))
            time.sleep(1.6)
    for edited, number in edits:
        late = [(begin - edited, one) for begin, one in seen if begin > edited + 1.0]
        assert late
        assert not [one for one in late if one[1] < number], number


def test_nothing_is_kept_while_the_cache_is_away(page: str) -> None:
    """What was kept is gone within its second, and no order of Plone's counts."""
    with _stage() as front:
        front.start()
        orders = (("X-Accel-Expires", "3600"), ("X-Accel-Redirect", "/x"))
        front.plone.answers[page] = Answer((CACHED, HTML, *orders))
        kept(front, page)
        front.stop("varnish", signal.SIGKILL)
        begin = time.monotonic()
        while is_kept(front.get(page)):
            assert time.monotonic() - begin < 1.5

        # The balancer answers beside it.
        found = never(front, page)
        assert {one.status for one in found} == {200}
        assert len({one.body for one in found}) == len(found)
        assert not any("X-Accel-Expires" in one.headers for one in found)
        front.stop("haproxy", signal.SIGKILL)
        assert {one.status for one in never(front, page)} == {502}

        # Neither of its two processes outlives a master that is killed.
        held = f"{front.stack.folders.var}/nginx.lock"
        master = Nginx(front.stack, 5).master()
        assert len(processes.children(processes.table(), master)) >= 2
        os.kill(master, signal.SIGKILL)
        stage.until(lambda: not subreaper.holders(held), 10)


SESSIONS = (
    ("Cookie", "__ac=x"),
    ("Cookie", "a=b; __ac=x"),
    ("Cookie", "a=b;\t__ac_name=x"),
    ("Cookie", "auth_token=x"),
    ("Cookie", "statusmessages=x"),
    ("Cookie", "_ZopeId=x"),
    ("Cookie", "__cp=x"),
    ("Cookie", "_sso.1=x"),
    ("Authorization", "Bearer x"),
    ("Authorization", "Basic x"),
)


@pytest.mark.parametrize("session", SESSIONS)
def test_somebodys_own_page_is_neither_kept_nor_replaced(
    front: Stage, page: str, session: Header
) -> None:
    public = kept(front, page).body
    for reply in never(front, page, session, times=2):
        assert reply.status == 200
        # nginx takes a name and a password away: then Varnish answers.
        assert (reply.body != public) == (session[1] != "Basic x")
    assert kept(front, page).body == public
    other = f"{page}/x.css"
    own = {one.body for one in never(front, other, session)}
    assert front.get(other).body not in own or session[1] == "Basic x"


ANSWERS = (
    Answer((CACHED, HTML), status=404),
    Answer((CACHED, ("Location", "/x")), status=301),
    Answer((CACHED, HTML), status=203),
    Answer((CACHED, HTML), status=500),
    Answer((PRIVATE, HTML)),
    Answer((HTML,)),
    Answer((HTML, ("X-Accel-Expires", "3600"))),
    Answer((PRIVATE, HTML, ("X-Accel-Expires", "@9999999999"))),
    Answer((CACHED, HTML, ("Set-Cookie", "a=b"))),
    Answer((CACHED, HTML, ("Vary", "*"))),
    Answer((CACHED, HTML, ("Vary", "Cookie"))),
    Answer((CACHED, HTML, ("Vary", "X-Forwarded-For"))),
    Answer((CACHED, HTML, ("Vary", "Accept, X-Request-ID"))),
    Answer((CACHED, HTML, ("Vary", "Accept"), ("Vary", "X-Real-IP"))),
    Answer((CACHED, ("Content-Type", "image/png")), body=b"x" * 300_000),
)


@pytest.mark.parametrize("answer", ANSWERS, ids=range(len(ANSWERS)))
def test_an_answer_that_is_not_kept(front: Stage, page: str, answer: Answer) -> None:
    front.plone.answers[page] = answer
    for reply in never(front, page):
        assert reply.status == answer.status
        assert reply["X-Accel-Expires"] is None


def test_no_order_of_plones_reaches_the_web_server(front: Stage, page: str) -> None:
    orders = (("X-Accel-Expires", "3600"), ("X-Accel-Redirect", "/x"))
    front.plone.answers[page] = Answer((CACHED, HTML, *orders))
    path = f"{front.stack.sites[0].virtual_host}{page}"
    for reply in (ask(front.stack.chain.balancer, "GET", path), front.cache(page)):
        assert reply.status == 200
        assert not [name for name in reply.headers if name.startswith("X-Accel")]


REQUESTS: tuple[tuple[str, tuple[Header, ...]], ...] = (
    ("POST", ()),
    ("HEAD", ()),
    ("OPTIONS", (("Accept", "application/json"),)),
    ("GET", (("Range", "bytes=0-3"),)),
    ("GET", (("Range", "bytes=0-3"), ("If-Range", '"x"'))),
    ("GET", (("If-Match", '"x"'),)),
    ("GET", (("Origin", "https://elsewhere.example"),)),
    ("GET", (("Accept-Encoding", "gzip;q=0"),)),
    ("GET", (("Accept-Encoding", "x-gzip"),)),
    ("GET", (("Content-Length", "0"),)),
    ("GET", (("Transfer-Encoding", "chunked"),)),
    ("GET", (("Cookie", "I18N_LANGUAGE=de; i18n_language=en"),)),
    ("GET", (("Cookie", "I18N_LANGUAGE=de:en"),)),
    ("GET", (FRESH,)),
)


@pytest.mark.parametrize(("method", "headers"), REQUESTS)
def test_a_request_that_is_sent_on(
    front: Stage, page: str, method: str, headers: tuple[Header, ...]
) -> None:
    kept(front, page)
    chunked = ("Transfer-Encoding", "chunked") in headers
    body = b"0\r\n\r\n" if chunked else b""
    named = (*headers, ("Content-Length", "0")) if chunked else headers
    for _ in range(3):
        given = headers if chunked else named
        reply = front.get(page, *given, method=method, body=body)
        assert reply.status in {200, 206, 400, 412}
        assert not is_kept(reply)


def _echo(seen: Seen) -> Answer:
    """Answer with all that came in, as an add-on does that should not."""
    names = sorted({*seen.headers} - {"X-Request-ID", "X-Varnish", "Connection"})
    body = "".join(f"{name}: {seen[name]}\n" for name in names) + seen.path
    varying = ("Vary", "Accept, X-PS-Language")
    return Answer((CACHED, HTML, varying), body=body.encode())


VARIANTS: tuple[tuple[str, tuple[Header, ...]], ...] = (
    ("", ()),
    *(
        ("", (("Accept", kind),))
        for kind in (
            *("text/html", "application/json", "application/json;q=1", "*/*"),
            *("application/json, text/plain", "text/html, application/json"),
            " application/json",
        )
    ),
    *(
        ("", (("Accept-Encoding", coding),))
        for coding in ("gzip", "gzip, deflate, br", "identity", "br", "gzip;q=0")
    ),
    *(
        ("", (("Accept-Language", one), ("Cookie", cookie)))
        for one in ("de", "en;q=0.5, de")
        for cookie in ("x=y", "I18N_LANGUAGE=de", 'I18N_LANGUAGE="en"')
    ),
    ("", (("Cookie", "i18n_language=de; I18N_LANGUAGE=en"),)),
    ("", (("Cookie", "xI18N_LANGUAGE=de"),)),
    *(
        ("", ((name, "evil.example"),))
        for name in (
            *("X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Prefix"),
            *("X-HTTP-Method-Override", "X-Original-URL", "Forwarded", "Origin"),
            *("X-PS-Language", "X-Accel-Expires", "X-Anonymous", "Via"),
        )
    ),
    ("", (("Host", "two.example.com"),)),
    ("", (("Host", "zwei.example.com"),)),
    ("", (("Range", "bytes=0-9"),)),
    *(
        (path, ())
        for path in (
            *("?a=1&b=2", "?b=2&a=1", "?a=1", "?", "/?a=1", "%3Fa=1", "%20de", "/"),
            *("|two", "/..//x", "/../x", "/++api++", ";a", "%2Fa", "#a", "?x=%26a=1"),
        )
    ),
)


def test_what_is_kept_is_what_the_cache_would_answer(front: Stage, page: str) -> None:
    """However a request is made up, its answer never goes to another."""
    front.plone.default = _echo  # type: ignore[assignment]
    asked = [(f"{page}{more}", headers) for more, headers in VARIANTS]
    hits = 0
    for _ in range(2):
        # Together, so that every answer is kept while the others are asked for.
        for path, headers in asked:
            front.get(path, *headers)
        for path, headers in asked * 2:
            reply = front.get(path, *headers)
            fresh = front.get(path, *headers, FRESH)
            assert (reply.status, reply.body) == (fresh.status, fresh.body), headers
            hits += is_kept(reply)
    assert hits


def test_a_part_or_a_head_first_is_no_whole_page_for_the_next(
    front: Stage, page: str
) -> None:
    image = ("Content-Type", "image/png")
    front.plone.answers[page] = Answer((CACHED, image), body=b"0123456789" * 50)
    for _ in range(3):
        part = front.get(page, ("Range", "bytes=0-3"))
        assert (part.status, len(part.body)) in {(206, 4), (200, 500)}
        front.get(page, method="HEAD")
        assert len(front.get(page).body) == 500
    assert len(kept(front, page).body) == 500
    part = front.get(page, ("Range", "bytes=0-3"))
    assert (part.status, part.body) == (206, b"0123")


def test_who_has_the_page_already_is_told_so(front: Stage, page: str) -> None:
    tag = ("ETag", '"one"')
    front.plone.answers[page] = Answer((CACHED, HTML, tag))
    known = kept(front, page)["ETag"]
    assert known
    asks = ("If-None-Match", known)
    for _ in range(4):
        reply = front.get(page, asks)
        assert (reply.status, reply.body) == (304, b"")
    assert front.get(page, ("If-None-Match", '"other"')).status == 200
    assert kept(front, page).status == 200


def test_a_kept_answer_tells_nothing_of_who_asked_first(
    front: Stage, page: str
) -> None:
    others = ("Cookie", "tracking=him")
    reply = kept(front, page, others)
    fresh = front.get(page, FRESH)
    ours = {"Date", "X-Kept"}
    assert {*reply.headers} - ours == {*fresh.headers} - ours
    for name in {*reply.headers} - ours:
        assert reply[name] == fresh[name]
    assert (reply.result, reply["Age"]) == ("HIT", None)
    assert "X-Cache" not in kept(front, page, ("X-Forwarded-For", "9.9.9.9")).headers
    log = Path(front.stack.folders.log, "stack-nginx-access.log").read_text()
    assert f"GET {page} HTTP/1.1" in log
    assert re.search(rf"GET {page} .* - KEPT [0-9a-f]{{32}}$", log, re.MULTILINE)


def test_refusals_come_before_what_is_kept(front: Stage) -> None:
    search = "/@@search?SearchableText=x"
    kept(front, search)
    said = [front.get(search, source="127.0.7.1").status for _ in range(200)]
    assert 429 in said
    kept(front, "/a/page")
    assert front.get("/a/page/manage_main").status == 404
    front.get("/known")
    host = front.stack.sites[0].host
    text = Nginx(front.stack, 5).maintenance_text([host])
    path = Path(front.stack.maintenance_file)
    kept(front, "/known")
    path.write_text(text)
    try:
        _reload(front)
        stage.until(lambda: front.get("/known").status == 503, 5)
        assert not any(one.status != 503 for one in never(front, "/known"))
    finally:
        path.unlink()
        _reload(front)
        stage.until(lambda: front.get("/known").status == 200, 5)


def _reload(front: Stage) -> None:
    nginx = Nginx(front.stack, 5)
    nginx.reload(lambda: os.kill(nginx.master(), signal.SIGHUP))


def test_its_files_go_and_its_processes_are_known(front: Stage, page: str) -> None:
    nginx = Nginx(front.stack, 5)
    children = processes.children(processes.table(), nginx.master())
    titles = {processes.command(pid) for pid in children}
    assert any("nginx: cache manager" in one for one in titles)
    assert len(nginx.workers()) == len([one for one in titles if "worker" in one])
    folder = Path(front.stack.folders.var, "nginx-micro")
    kept(front, page)
    stage.until(lambda: not [one for one in folder.rglob("*") if one.is_file()], 20)
