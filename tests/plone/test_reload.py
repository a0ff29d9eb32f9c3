"""Another configuration: check, diff, reload, rollback, under load."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.plonesite import HOST
from tests.support.plonesite import PloneSite
from tests.support.snapshot import snapshot

ALIAS = "alias.example.com"
PATHS = ("/", "/?uncached={}", "/@@search?SearchableText=x&n={}", "/login?n={}")


class Load:
    """Eight visitors who never stop asking."""

    def __init__(self, site: PloneSite) -> None:
        self.site = site
        self.good = 0
        self.bad: list[str] = []
        self.over = threading.Event()

    def visit(self, visitor: int) -> None:
        number = 0
        while not self.over.is_set():
            number += 1
            path = PATHS[(visitor + number) % len(PATHS)].format(f"{visitor}-{number}")
            begun = time.monotonic()
            try:
                status = self.site.get(path, {"Connection": "close"}).status
            except (OSError, http.client.HTTPException) as error:
                status = 0
                path += f" {error!r}"
            if status == 200:
                self.good += 1
            else:
                self.bad.append(f"{status} {path} {time.monotonic() - begun:.1f} s")


@contextmanager
def load(site: PloneSite) -> Iterator[Load]:
    one = Load(site)
    visitors = [threading.Thread(target=one.visit, args=(n,)) for n in range(8)]
    for visitor in visitors:
        visitor.start()
    try:
        yield one
    finally:
        one.over.set()
        for visitor in visitors:
            visitor.join(70)


def test_check_and_diff_change_nothing(live: PloneSite) -> None:
    before = snapshot(live.folder)
    live.stack("check").good()
    assert not live.stack("diff").good().errors
    assert snapshot(live.folder) == before


def test_a_new_alias_comes_and_goes_without_a_failed_request(live: PloneSite) -> None:
    pids = live.pids()
    live.configure(sites=f"{HOST},{ALIAS} /Plone")
    live.buildout().good()
    shown = live.stack("diff")
    assert shown.status == 1
    assert f"+    server_name {ALIAS};" in shown.output
    before = snapshot(live.folder)
    live.stack("check").good()
    assert snapshot(live.folder) == before

    with load(live) as visitors:
        time.sleep(1)
        live.took["reload"] = live.stack("reload").good()
        assert live.stack("diff").status == 0
        moved = live.get("/x?y=1", host=ALIAS)
        time.sleep(1)
        said = live.stack("rollback")
        assert said.status == 0, said.text
        time.sleep(1)
    assert visitors.bad == []
    assert visitors.good > 50
    assert moved.status == 301
    assert moved.headers["Location"] == f"http://{HOST}:{live.base}/x?y=1"
    assert live.pids() == pids
    assert live.stack("diff").status == 0
    assert ALIAS not in (live.folder / f"etc/stack/nginx/sites/{HOST}.conf").read_text()


def test_what_only_a_restart_changes_is_named(live: PloneSite) -> None:
    live.configure(instance="environment-vars = A_WORD said")
    live.buildout().good()
    shown = live.stack("status")
    said = live.stack("reload")
    assert said.status == 1
    for name in ("instance1", "instance2"):
        assert f"{name} has not taken in" in shown.text
        assert f"{name} must be restarted" in said.errors
    assert "zope.conf" in said.errors
    live.stack("down").good()
    live.stack("up").good()
    assert live.stack("reload").status == 0
    assert "has not taken in" not in live.stack("status").text
