"""Varnish: answers and requests that are rarer, and must be right all the same."""

from __future__ import annotations

import time

import pytest

from tests.daemons import stage
from tests.daemons.stage import CACHED
from tests.daemons.stage import HTML
from tests.daemons.stage import PRIVATE
from tests.daemons.stage import Answer
from tests.daemons.stage import Seen
from tests.daemons.stage import Stage
from tests.daemons.stage import ask
from tests.daemons.stage import connect
from tests.daemons.stage import results

pytestmark = pytest.mark.usefixtures("daemons")

SESSION = ("Cookie", "__ac=x")
VIDEO = ("Content-Type", "video/mp4")
BROWSER = "text/html,*/*;q=0.8"


@pytest.mark.proves("B8")
def test_a_404_for_programs_is_not_shown_to_browsers(cache: Stage, page: str) -> None:
    def answer(seen: Seen) -> Answer:
        html = "text/html" in (seen["Accept"] or "")
        kind = HTML if html else ("Content-Type", "application/json")
        return Answer((CACHED, kind), 404, b"<p>" if html else b"{}")

    cache.plone.answers[page] = answer
    for accept, body in (("*/*", b"{}"), (BROWSER, b"<p>")) * 2:
        assert cache.cache(page, ("Accept", accept)).body == body


@pytest.mark.proves("B14")
def test_a_large_file_is_stored(cache: Stage, page: str) -> None:
    cache.plone.default = Answer((CACHED, VIDEO), body=bytes(19_000_000))

    assert results(cache, page) == ["MISS", "HIT"]


@pytest.mark.proves("D13")
@pytest.mark.parametrize("own", [SESSION, ("Authorization", "Basic eDp5")])
def test_a_purge_with_a_session_purges(
    cache: Stage, page: str, own: tuple[str, str]
) -> None:
    assert results(cache, page) == ["MISS", "HIT"]
    path = cache.stack.sites[0].virtual_host + page

    assert ask(cache.stack.chain.purge, "PURGE", path, (own,)).status == 200

    assert results(cache, page) == ["MISS", "HIT"]


@pytest.mark.proves("D14")
def test_the_letters_and_the_port_of_host_do_not_matter(
    cache: Stage, page: str
) -> None:
    hosts = ("www.example.com", "WWW.Example.COM", "www.example.com:8080", "[::1]")
    path = cache.stack.sites[0].virtual_host + page
    for host in hosts:
        ask(cache.stack.chain.cache, "GET", path, (("Host", host),))
    assert len(cache.plone.seen) == 1

    for host in hosts:
        assert (
            ask(cache.stack.chain.purge, "PURGE", path, (("Host", host),)).status == 200
        )
        assert results(cache, page) == ["MISS", "HIT"]


@pytest.mark.proves("E2")
def test_an_error_just_after_the_page_expired_is_not_shown(
    cache: Stage, page: str
) -> None:
    short = ("Cache-Control", "max-age=0, s-maxage=1")
    cache.plone.default = Answer((short, HTML), body=b"old")
    cache.cache(page)
    time.sleep(1.5)
    cache.plone.default = Answer((short, HTML), 502, b"broken")

    for _ in range(4):
        reply = cache.cache(page)
        assert (reply.status, reply.body) == (200, b"old")
        time.sleep(0.2)
    assert len(cache.plone.seen) > 1

    cache.plone.default = Answer((short, HTML), body=b"new")
    stage.until(lambda: cache.cache(page).body == b"new", 3)


def _part(seen: Seen) -> Answer:
    """Answer like Plone's files: with the part that was asked for."""
    body = bytes(range(100))
    if not seen["Range"]:
        return Answer((PRIVATE, VIDEO, ("Accept-Ranges", "bytes")), body=body)
    place = ("Content-Range", "bytes 10-19/100")
    return Answer((PRIVATE, VIDEO, place), 206, body[10:20])


@pytest.mark.proves("F7", "F8")
@pytest.mark.parametrize("own", [(), (SESSION,)])
def test_a_part_of_something_private_is_right(
    cache: Stage, page: str, own: tuple[tuple[str, str], ...]
) -> None:
    cache.plone.answers[page] = _part

    for _ in range(3):
        reply = cache.cache(page, ("Range", "bytes=10-19"), *own)
        assert (reply.status, reply.body) in {
            (206, bytes(range(10, 20))),
            (200, bytes(range(100))),
        }
    # Who is logged in gets what Plone made of it, at once.
    assert (cache.plone.seen[-1]["Range"] == "bytes=10-19") == bool(own)


@pytest.mark.proves("G12")
def test_expecting_to_continue_does_not_go_round_the_cache(
    cache: Stage, page: str
) -> None:
    cache.cache(page)
    expecting = ("Expect", "100-continue")
    path = cache.stack.sites[0].virtual_host + page
    with connect(cache.stack.chain.cache) as one:
        one.sendall(
            f"GET {path} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
            "Connection: close\r\n\r\n".encode()
        )
        said = b"".join(iter(lambda: one.recv(65536), b""))

    assert b"HTTP/1.1 200" in said
    assert b"X-Cache: HIT" in said
    assert cache.cache(page, expecting).result == "HIT"
    assert len(cache.plone.seen) == 1


@pytest.mark.proves("H12")
def test_esi_is_not_processed(cache: Stage, page: str) -> None:
    body = b'<esi:include src="/secret"/><esi:remove>x</esi:remove>'
    own = (CACHED, HTML, ("Surrogate-Control", 'content="ESI/1.0"'))
    cache.plone.default = Answer(own, body=body)

    assert [cache.cache(page).body for _ in range(2)] == [body] * 2
    assert len(cache.plone.seen) == 1


@pytest.mark.proves("H13")
def test_surrogate_control_opens_nothing(cache: Stage, page: str) -> None:
    own = (PRIVATE, HTML, ("Surrogate-Control", "max-age=600"))
    cache.plone.default = Answer(own)

    assert results(cache, page) == ["MISS", "MISS"]
    assert cache.cache(page)["Surrogate-Control"] is None
