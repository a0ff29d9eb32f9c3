"""Downloads: whole for a reader of any speed, and no reason to drop a page."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from tests.daemons.stage import CACHED
from tests.daemons.stage import PRIVATE
from tests.daemons.stage import Answer
from tests.daemons.stage import Seen
from tests.daemons.stage import Stage
from tests.daemons.stage import connect
from tests.daemons.stage import read

pytestmark = pytest.mark.usefixtures("daemons")

ROOT = "/VirtualHostBase/http/www.example.com:80/Plone/VirtualHostRoot"
BINARY = ("Content-Type", "application/octet-stream")
SESSION = "Cookie: __ac=x\r\n"
MEGABYTE = 1_000_000
PAUSE = 4.0
"""Seconds in which a client that is read at full speed has sent everything."""


@pytest.fixture(scope="module")
def one() -> Iterator[Stage]:
    """Give a Varnish of its own: these tests fill it."""
    with Stage(load_balancer="none", clients=1) as stage:
        yield stage.start("varnish")


@pytest.fixture
def cache(one: Stage) -> Stage:
    """Give that Varnish with a client that remembers nothing."""
    one.plone.forget()
    return one


def slowly(cache: Stage, path: str, headers: str = "", pause: float = PAUSE) -> int:
    """Read nothing for a while, then all of it; return how much came."""
    with connect(cache.stack.chain.cache) as reader:
        head = f"GET {ROOT}{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        reader.sendall(f"{head}{headers}\r\n".encode())
        time.sleep(pause)
        return len(read(reader).body)


def all_at_once(cache: Stage, paths: list[str], headers: str = "") -> list[int]:
    """Let that many slow readers read at the same time."""
    came: list[int] = []
    readers = [
        threading.Thread(
            target=lambda path=path: came.append(slowly(cache, path, headers))
        )
        for path in paths
    ]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    return came


@pytest.mark.proves("N37")
@pytest.mark.parametrize("headers", ["", SESSION])
def test_a_large_file_is_whole_for_a_slow_reader(
    cache: Stage, page: str, headers: str
) -> None:
    size = 300 * MEGABYTE
    cache.plone.default = Answer((CACHED, BINARY), body=bytes(size))

    assert slowly(cache, page, headers) == size


@pytest.mark.proves("N37")
def test_several_parts_of_a_large_file_are_whole(cache: Stage, page: str) -> None:
    size = 60 * MEGABYTE
    place = ("Content-Range", f"bytes 0-{size - 1}/{9 * size}")

    def part(seen: Seen) -> Answer:
        assert seen["Range"]
        return Answer((PRIVATE, BINARY, place), 206, bytes(size))

    cache.plone.answers[page] = part
    asked = f"{SESSION}Range: bytes=0-{size - 1}\r\n"

    assert all_at_once(cache, [page] * 6, asked) == [size] * 6


@pytest.mark.parametrize("who", [(), (("Cookie", "__ac=x"),)])
@pytest.mark.parametrize("parts", ["bytes=0-1,5-6", "bytes=0-1, -1", "lines=1-2"])
def test_who_asks_for_several_parts_gets_the_whole(
    cache: Stage, page: str, who: tuple[tuple[str, str], ...], parts: str
) -> None:
    cache.plone.default = Answer((CACHED, BINARY), body=b"0123456789")

    for _ in range(2):
        reply = cache.cache(page, ("Range", parts), *who)
        assert (reply.status, reply.body) == (200, b"0123456789")


@pytest.mark.proves("N37")
@pytest.mark.parametrize("headers", ["", SESSION])
def test_many_slow_readers_of_files_get_them_whole(
    cache: Stage, page: str, headers: str
) -> None:
    size = 15 * MEGABYTE
    cache.plone.default = Answer((CACHED, BINARY), body=bytes(size))
    paths = [f"{page}-{number}" for number in range(24)]

    assert all_at_once(cache, paths, headers) == [size] * 24
