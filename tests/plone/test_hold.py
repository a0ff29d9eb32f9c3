"""The only client and the ZEO server are restarted while visitors come and wait."""

from __future__ import annotations

import collections
import contextlib
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.plonesite import Page
from tests.support.plonesite import PloneSite

A_SECOND = 20
MOST = 150
"""So many wait at a time: a machine that is busy restarts slowly, and files are few."""

UNCACHED = "/@@ok"
ONE = {"clients": 1, "stack": "queue-timeout = 200"}


class Visitors:
    """They come, whether the others have been served or not; what they got."""

    def __init__(self, site: PloneSite) -> None:
        self.site = site
        self.pages: list[tuple[str, float, Page]] = []
        self.threads: list[threading.Thread] = []
        self.over = threading.Event()

    def come(self) -> None:
        """Let so many come each second."""
        number = 0
        while not self.over.wait(1 / A_SECOND):
            if sum(one.is_alive() for one in self.threads[-MOST:]) == MOST:
                continue
            number += 1
            self.send("get", f"{UNCACHED}?visitor={number}")
            if number % 10 == 0:
                self.send("form", f"{UNCACHED}?form={number}", method="POST", body="x")
                self.send("cached", "/")

    def send(self, kind: str, path: str, **values: Any) -> None:
        """Let one come."""

        def ask() -> None:
            begun = time.monotonic()
            page = self.site.get(path, **values)
            self.pages.append((kind, time.monotonic() - begun, page))

        self.threads.append(threading.Thread(target=ask))
        self.threads[-1].start()

    def statuses(self, kind: str) -> set[int]:
        return {page.status for one, _, page in self.pages if one == kind}

    def slowest(self, kind: str) -> float:
        return max(seconds for one, seconds, _ in self.pages if one == kind)


@contextlib.contextmanager
def visitors(site: PloneSite) -> Iterator[Visitors]:
    """Let visitors come while the block runs, and all of them end."""
    seen = Visitors(site)
    main = threading.Thread(target=seen.come)
    main.start()
    try:
        yield seen
    finally:
        seen.over.set()
        main.join()
        for one in seen.threads:
            one.join(300)


def refusals(site: PloneSite, refused: list[tuple[str, float, Page]]) -> str:
    """Return who was refused, and what HAProxy wrote down about such."""
    kinds = [(kind, round(took, 1), page.status) for kind, took, page in refused]
    lines = (site.folder / "var/log/stack-haproxy.out.log").read_text().splitlines()
    odd = [one[:300] for one in lines if "@@ok" in one and " 200 " not in one]
    told = [one[:300] for one in lines if "Server plone" in one or "no server" in one]
    return "\n".join((str(kinds), *odd[-12:], *told[-12:]))


def waited(log: Path, since: int) -> int:
    """Return for how many milliseconds one was in the queue at most (httplog: Tw)."""
    text = log.read_bytes()[since:].decode()
    times = re.findall(r" \d+/(\d+)/\d+/\d+/\d+ 200 .*@@ok", text)
    return max(map(int, times))


@pytest.mark.alone
@pytest.mark.parametrize("words", [(), ("zeoserver",)], ids=["client", "zeo"])
@pytest.mark.configured(**ONE)
def test_nobody_is_refused_and_nothing_done_twice(
    live: PloneSite, words: tuple[str, ...]
) -> None:
    program = words[0] if words else "instance1"
    live.wait(lambda: live.get("/").cache == "HIT", 60, "the cached page")
    before = live.pids()
    log = live.folder / "var/log/instance1-access.log"
    balancer = live.folder / "var/log/stack-haproxy.out.log"
    read, queued = log.stat().st_size, balancer.stat().st_size
    with visitors(live) as seen:
        time.sleep(1)
        said = live.stack("restart", *words, "--hold", timeout=500).good()
        time.sleep(1)
    after = live.pids()
    assert {one for one in after if after[one] != before[one]} == {program}, said.text
    refused = [one for one in seen.pages if one[2].status != 200]
    assert not refused, refusals(live, refused)
    # Some have waited, by HAProxy's own clock.
    assert waited(balancer, queued) > 0
    assert seen.statuses("cached") == {200}
    assert seen.slowest("cached") < seen.slowest("get")
    # One line for each form, though they waited; each request has a name of its own.
    text = log.read_bytes()[read:].decode()
    forms = collections.Counter(re.findall(r"[?]form=\d+", text))
    assert set(forms.values()) == {1}
    assert len(forms) == sum(kind == "form" for kind, _, _ in seen.pages)
    named = re.findall(r"[?](?:form|visitor)=\d+ .*request/([0-9a-f]{32})\"", text)
    assert len(named) == len(set(named)) > len(forms)
    live.took[f"restart --hold {program}"] = said
