"""Visitors who never stop asking, and what went wrong for them."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.support.plonesite import HOST
from tests.support.plonesite import PloneSite

CACHED, UNCACHED = "/", "/?uncached={}"
PATHS = (CACHED, UNCACHED, "/@@search?SearchableText=x&n={}", "/login?n={}", "POST")
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
PAUSE = 0.15
GONE = (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError)


@dataclass(frozen=True)
class Lost:
    """A request without a good answer: its start on the monotonic clock, in seconds."""

    status: int
    path: str
    begun: float
    took: float


class Crowd:
    """So many connections that are kept, with pages that are cached, or not, and forms.

    A GET on a kept connection that ends before the first byte is sent once more, as
    browsers do (RFC 9112 9.3.1); a form is sent once, over a connection of its own.
    """

    def __init__(self, site: PloneSite, pause: float) -> None:
        self.site = site
        self.pause = pause
        self.good = 0
        self.bad: list[Lost] = []
        self.lost_forms: list[Lost] = []
        self.took: list[float] = []
        self.over = threading.Event()

    def visit(self, visitor: int) -> None:
        """Ask until it is over."""
        number, kept = 0, self._connection()
        while not self.over.is_set():
            number += 1
            path = PATHS[(visitor + number) % len(PATHS)].format(f"{visitor}-{number}")
            begun = time.monotonic()
            try:
                status = self._form() if path == "POST" else self._page(kept, path)
            except (OSError, http.client.HTTPException) as error:
                status = 0
                kept.close()
                path += f" {error!r}"
            taken = time.monotonic() - begun
            self.took.append(taken)
            if status == 200:
                self.good += 1
            else:
                kind = self.lost_forms if path.startswith("POST") else self.bad
                kind.append(Lost(status, path, begun, taken))
            # A person reads; and a client must be able to start beside all this.
            self.over.wait(self.pause)
        kept.close()

    def wait_for(self, more: int) -> None:
        """Wait until so many more requests have got a good answer."""
        wanted, deadline = self.good + more, time.monotonic() + 60
        while self.good < wanted:
            assert time.monotonic() < deadline, "the visitors are not served"
            time.sleep(0.05)

    def _connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.site.base, timeout=60)

    def _page(self, kept: http.client.HTTPConnection, path: str) -> int:
        used = kept.sock is not None
        try:
            return self._ask(kept, "GET", path)
        except GONE:
            if not used:
                raise
            kept.close()
            return self._ask(kept, "GET", path)

    def _form(self) -> int:
        one = self._connection()
        try:
            return self._ask(one, "POST", "/@@search", "SearchableText=x", FORM)
        finally:
            one.close()

    def _ask(
        self,
        one: http.client.HTTPConnection,
        method: str,
        path: str,
        body: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> int:
        named = {"Host": f"{HOST}:{self.site.base}", "Accept": "text/html,*/*;q=0.8"}
        one.request(method, path, body, {**named, **(headers or {})})
        answer = one.getresponse()
        answer.read()
        return answer.status


def warm(site: PloneSite) -> None:
    """Ask each client for each page once, one after the other, before all come.

    Python before 3.11.5 fails where two threads compile at the same time
    (github.com/python/cpython/issues/106905): Plone answers 500 where two want
    templates that nobody has compiled yet. What a restart does about it is warming.
    """
    for client in range(site.clients):
        for path in (CACHED, "/@@search?SearchableText=x", "/login"):
            site.get(f"/Plone{path}", port=site.base + 11 + client)


@contextmanager
def crowd(
    site: PloneSite, number: int = 8, pause: float = PAUSE, *, is_warm: bool = False
) -> Iterator[Crowd]:
    """Let so many visitors ask until the block is left."""
    one = Crowd(site, pause)
    if not is_warm:
        warm(site)
    visitors = [threading.Thread(target=one.visit, args=(n,)) for n in range(number)]
    for visitor in visitors:
        visitor.start()
    try:
        yield one
    finally:
        one.over.set()
        for visitor in visitors:
            visitor.join(70)
