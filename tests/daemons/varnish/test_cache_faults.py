"""What the cache does with odd requests, odd answers and very many purges."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
import time
from collections.abc import Callable
from collections.abc import Iterator

import pytest

from tests.daemons import stage
from tests.daemons.stage import CACHED
from tests.daemons.stage import HTML
from tests.daemons.stage import Answer
from tests.daemons.stage import Reply
from tests.daemons.stage import Seen
from tests.daemons.stage import Stage
from tests.daemons.stage import connect
from tests.daemons.stage import read

pytestmark = pytest.mark.usefixtures("daemons")

ROOT = "/VirtualHostBase/http/www.example.com:80/Plone/VirtualHostRoot"
SHORT = ("Cache-Control", "max-age=0, s-maxage=1")


@pytest.fixture
def cache(lone: Stage) -> Iterator[Stage]:
    """Give that Varnish, and see that its child has not died meanwhile."""
    lone.plone.forget()
    before = lone.varnishadm("pid").output
    yield lone
    assert lone.varnishadm("pid").output == before
    assert lone.varnishadm("panic.show").text.startswith("Child has not panicked")


def raw(cache: Stage, data: bytes) -> Reply:
    """Send these bytes to Varnish."""
    with connect(cache.stack.chain.cache) as one:
        one.sendall(data)
        with contextlib.suppress(OSError, http.client.HTTPException):
            return read(one)
    return Reply(0)


ODD = (
    b"Cookie: " + b"a=b; " * 4000,
    b"Cookie: \x80\xff\x01=\xfe",
    b"Cookie: __ac",
    b"".join(b"X-H%d: x\r\n" % n for n in range(200)).removesuffix(b"\r\n"),
    b"no colon here",
    b"Host: two.example.com",
    b"Content-Length: 5\r\nContent-Length: 6",
    b"Content-Length: 3\r\nTransfer-Encoding: chunked",
    b"Transfer-Encoding: chunked, identity",
    b"X-Long: " + b"x" * 40000,
    b" folded: line",
    b"X-Nul: a\0b",
)


@pytest.mark.parametrize("odd", ODD, ids=range(len(ODD)))
def test_an_odd_request_harms_nobody(cache: Stage, page: str, odd: bytes) -> None:
    head = f"GET {ROOT}{page} HTTP/1.1\r\nHost: www.example.com\r\n".encode()
    reply = raw(cache, head + odd + b"\r\nConnection: close\r\n\r\n")

    assert reply.status in {0, 200, 400, 413, 431, 503}
    cache.plone.default = Answer((CACHED, HTML), body=b"right")
    if reply.result == "MISS":
        assert cache.cache(page).body == reply.body
    else:
        assert cache.cache(page).body == b"right"


def talking(port: int, talk: Callable[[socket.socket], None]) -> socket.socket:
    """Listen in a client's place, and talk to who comes."""
    server = socket.create_server(("127.0.0.1", port), backlog=64)

    def serve() -> None:
        while True:
            try:
                one, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(one,), daemon=True).start()

    def answer(one: socket.socket) -> None:
        with one, contextlib.suppress(OSError):
            asked = one.recv(65536)
            if b"GET /@@ok" in asked:
                one.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK")
            else:
                talk(one)

    threading.Thread(target=serve, daemon=True).start()
    return server


def _garbage(one: socket.socket) -> None:
    one.sendall(b"\x16\x03\x01 what is this\r\n\r\n")


def _nothing(one: socket.socket) -> None:
    one.shutdown(socket.SHUT_RDWR)


def _broken_chunks(one: socket.socket) -> None:
    one.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nno")


def _headers(one: socket.socket) -> None:
    many = b"".join(b"X-H%d: %s\r\n" % (n, b"x" * 500) for n in range(400))
    one.sendall(b"HTTP/1.1 200 OK\r\n" + many + b"Content-Length: 1\r\n\r\nx")


@contextlib.contextmanager
def instead(cache: Stage, talk: Callable[[socket.socket], None]) -> Iterator[None]:
    """Put something else in the place of the client."""
    port = cache.plone.stop("instance1")
    server = talking(port, talk)
    try:
        yield
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        stage.until(lambda: _starts(cache, port), 10)
        # Who was away is asked again when a health check has seen that it is back.
        stage.until(lambda: cache.cache(f"/{time.monotonic()}").status != 503, 20)


def _starts(cache: Stage, port: int) -> bool:
    with contextlib.suppress(OSError):
        cache.plone.start("instance1", port)
        return True
    return False


@pytest.mark.parametrize("talk", [_garbage, _nothing, _headers])
def test_an_odd_answer_shows_the_stale_page_or_a_clean_error(
    cache: Stage, page: str, talk: Callable[[socket.socket], None]
) -> None:
    cache.plone.default = Answer((SHORT, HTML), body=b"good")
    assert cache.cache(page).body == b"good"
    time.sleep(12)
    with instead(cache, talk):
        assert cache.cache(page).body == b"good"
        cold = cache.cache(f"{page}-cold")
        api = cache.cache(f"/++api++{page}-cold")
    assert (cold.status, cold["Retry-After"]) == (503, "10")
    assert b"Guru" not in cold.body
    assert api["Content-Type"] == "application/json"
    assert b'"message"' in api.body


def test_a_body_that_breaks_is_not_stored(cache: Stage, page: str) -> None:
    with instead(cache, _broken_chunks):
        first = cache.cache(page)
    # The header may be on the way already when Varnish finds out.
    assert first.status in {0, 503} or not first.body
    cache.plone.default = Answer((CACHED, HTML), body=b"whole")
    assert [cache.cache(page).body for _ in range(2)] == [b"whole"] * 2


def _echo(one: socket.socket) -> None:
    one.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\n"
        b"Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
    )
    while data := one.recv(100):
        one.sendall(data.upper())


@pytest.mark.proves("G10")
def test_a_websocket_is_piped(cache: Stage, page: str) -> None:
    with instead(cache, _echo), connect(cache.stack.chain.cache) as one:
        one.sendall(
            f"GET {ROOT}{page} HTTP/1.1\r\nHost: www.example.com\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n".encode()
        )
        head = one.recv(1000)
        assert head.startswith(b"HTTP/1.1 101")
        one.sendall(b"hello")
        assert one.recv(100) == b"HELLO"


def test_ten_thousand_purges(cache: Stage) -> None:
    kept = [f"/kept-{number}" for number in range(20)]
    for path in kept:
        cache.cache(path)
    begun = time.monotonic()
    with (
        stage.load(2, lambda: cache.cache(kept[0])) as served,
        connect(cache.stack.chain.purge) as one,
    ):
        stream = one.makefile("rb")
        for number in range(10_000):
            head = f"PURGE {ROOT}/storm/{number} HTTP/1.1\r\nHost: x\r\n\r\n"
            one.sendall(head.encode())
            assert stream.readline().startswith(b"HTTP/1.1 200")
            length = 0
            while (line := stream.readline()) != b"\r\n":
                if line.lower().startswith(b"content-length:"):
                    length = int(line.partition(b":")[2])
            stream.read(length)
    assert time.monotonic() - begun < 60
    assert stage.statuses(served) == {200: len(served)}
    assert len(served) > 100
    assert {cache.cache(path).result for path in kept} == {"HIT"}
    # The lurker retires them.
    stage.until(
        lambda: len(cache.varnishadm("ban.list").output.splitlines()) < 3000, 60
    )


def test_a_restart_brings_nothing_back(page: str) -> None:
    with Stage(load_balancer="none", clients=1) as one:
        one.start("varnish")
        one.plone.default = Answer(body=b"old")
        one.cache(page)
        one.stop("varnish")
        one.plone.default = Answer(body=b"new")
        one.start("varnish")
        assert one.cache(page).body == b"new"


def test_two_hundred_on_an_expired_page_cost_one_request(
    cache: Stage, page: str
) -> None:
    cache.plone.default = Answer((SHORT, HTML), body=b"x", wait=0.5)
    cache.cache(page)
    time.sleep(12)
    before = len(cache.plone.seen)
    replies = stage.at_once(200, lambda: cache.cache(page))
    assert stage.statuses(replies) == {200: 200}
    assert len(cache.plone.seen) - before == 1


def test_a_revalidated_page_keeps_its_headers(cache: Stage, page: str) -> None:
    def answer(seen: Seen) -> Answer:
        tag = ("ETag", '"1"')
        if seen["If-None-Match"]:
            return Answer((tag,), 304)  # as Plone does
        return Answer((SHORT, HTML, tag, ("Vary", "X-Anonymous")), body=b"same")

    cache.plone.answers[page] = answer
    first = cache.cache(page)
    for _ in range(12):
        time.sleep(1.1)
        cache.cache(page)
    last = cache.cache(page)
    for name in ("Vary", "Cache-Control", "ETag", "Content-Type"):
        assert last.headers.get_all(name) == first.headers.get_all(name), name
    assert any(seen["If-None-Match"] for seen in cache.plone.seen)
