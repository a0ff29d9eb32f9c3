"""nginx: one address that holds as many slow connections as it can open."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator

import pytest

from collective.recipe.productionstack.model.front import Front
from tests.daemons import stage
from tests.daemons.stage import Stage

pytestmark = pytest.mark.usefixtures("daemons")

ATTACKER, VISITOR = "127.0.6.1", "127.0.6.2"
BODY = (
    b"POST %s HTTP/1.1\r\nHost: www.example.com\r\nCookie: __ac=x\r\n"
    b"Content-Length: 100000\r\n\r\nx"
)
HEAD = b"GET / HTTP/1.1\r\nHost: www.example.com\r\nX"
FIRST = {"bodies": BODY % b"/x", "refused": BODY % b"/manage_main", "heads": HEAD}
EACH = 280
"""Of all three together nearly the 1024 files that a test may open."""


@pytest.fixture
def front() -> Iterator[Stage]:
    """Give an nginx that may open no more files than whoever attacks it."""
    with Stage(
        front=Front(), files=1024, proxy_cache="none", load_balancer="none"
    ) as one:
        yield one.start("nginx")


@pytest.fixture
def held(front: Stage) -> Iterator[dict[str, list[socket.socket]]]:
    with contextlib.ExitStack() as opened:
        every: dict[str, list[socket.socket]] = {}
        for kind, text in FIRST.items():
            every[kind] = [
                opened.enter_context(stage.connect(front.stack.chain.http, ATTACKER))
                for _ in range(EACH)
            ]
            for one in every[kind]:
                one.sendall(text)
                one.settimeout(0)
        yield every


def still_open(sockets: list[socket.socket]) -> int:
    """Count those that nginx has not closed."""
    count = 0
    for one in sockets:
        try:
            while one.recv(65536):
                pass
        except BlockingIOError:
            count += 1
        except OSError:
            pass
    return count


def test_slow_senders_leave_others_alone_and_are_let_go(
    front: Stage, held: dict[str, list[socket.socket]]
) -> None:
    took: list[float] = []

    def look() -> dict[str, int]:
        began = time.monotonic()
        assert front.get("/page", source=VISITOR).status == 200
        took.append(time.monotonic() - began)
        for one in (*held["bodies"], *held["refused"]):
            with contextlib.suppress(OSError):
                one.send(b"x")
        time.sleep(0.4)
        return {kind: still_open(sockets) for kind, sockets in held.items()}

    # 200 may send at a time; who is refused may not stay longer than they.
    stage.until(lambda: look()["refused"] == 0, 9)
    stage.until(lambda: look()["bodies"] == 200, 4)
    # Who never finishes what he asks has ten seconds for it.
    stage.until(lambda: look()["heads"] == 0, 13)
    assert max(took) < 1
    assert front.get("/x", source=ATTACKER).status == 429
