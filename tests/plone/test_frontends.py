"""The real Plone with pages that Node makes: edits, images, restarts, failures.

Node runs a small server of these tests with Volto's manners.
"""

from __future__ import annotations

import base64
import http.client
import itertools
import json
import os
import re
import signal
import threading
import time
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest

from tests.support.plonesite import ALIAS
from tests.support.plonesite import HOST
from tests.support.plonesite import JSON
from tests.support.plonesite import ROOT
from tests.support.plonesite import TWO
from tests.support.plonesite import Editor
from tests.support.plonesite import Page
from tests.support.plonesite import PloneSite

pytestmark = pytest.mark.slow

SITES = (
    f"{HOST},{ALIAS} /Plone redirect=off frontend=volto\n"
    f"    {HOST}/classic /Plone\n    {TWO} /Two"
)
STACK = f"frontend-folder = {ROOT}/tests/support/volto"
PIXEL = base64.b64encode(
    b"GIF89a\1\0\1\0\x80\0\0\0\0\0\xff\xff\xff!\xf9\4\1\0\0\0\0,\0\0\0\0\1\0\1\0\0\2\2D\1\0;"
).decode()
NUMBERS = itertools.count()


@contextmanager
def visitors(site: PloneSite, path: Callable[[], str]) -> Iterator[list[str]]:
    """Ask for pages all the time; yield what went wrong."""
    bad: list[str] = []
    over = threading.Event()

    def visit() -> None:
        while not over.wait(0.05):
            where = path()
            try:
                status = site.get(where).status
            except (OSError, http.client.HTTPException) as error:
                bad.append(f"{where} {error!r}")
                continue
            if status != 200:
                bad.append(f"{where} {status}")

    every = [threading.Thread(target=visit) for _ in range(4)]
    for one in every:
        one.start()
    try:
        yield bad
    finally:
        over.set()
        for one in every:
            one.join()


@pytest.fixture(scope="module")
def shown(plone: PloneSite) -> Iterator[PloneSite]:
    """Give the site with its frontend; the switch there and back loses nobody."""
    plone.settle()
    plone.make("Document", "shown")
    switches = itertools.count()
    with visitors(plone, lambda: f"/shown?switch={next(switches)}") as bad:
        plone.settle(sites=SITES, stack=STACK)
        plone.wait(lambda: is_of_node(plone.get("/shown")), 5, "pages of Node")
    assert bad == []
    yield plone
    with visitors(plone, lambda: f"/shown?switch={next(switches)}") as bad:
        plone.configure()
        plone.buildout().good()
        assert "frontend1 is no longer part" in plone.stack("reload").text
        plone.wait(lambda: not is_of_node(plone.get("/shown")), 5, "pages of Plone")
        plone.stack("up").good()
        assert "frontend1" not in plone.pids()
    assert bad == []


@pytest.fixture
def live(shown: PloneSite) -> PloneSite:
    """Give that site, running."""
    shown.settle(sites=SITES, stack=STACK)
    return shown


def is_of_node(page: Page) -> bool:
    return "window.__data" in page.text


def title(page: Page) -> str:
    """Return the title that a page or an answer of the API shows."""
    if page.text.startswith("{"):
        return str(json.loads(page.text)["title"])
    found = re.search("<title>(.*?)</title>", page.text)
    return found[1] if found else ""


def shows(site: PloneSite, path: str, wanted: str) -> bool:
    return title(site.get(path)).startswith(wanted)


@pytest.fixture
def editor(live: PloneSite, editor_account: tuple[str, str]) -> Editor:
    """Give an editor who has logged in with Classic UI, in its folder."""
    return Editor(live, *editor_account, folder="/classic")


def test_one_edit_drops_the_page_and_what_the_api_says(
    live: PloneSite, editor: Editor
) -> None:
    live.make("Document", "edited")
    spellings = [
        *("/edited", "/edited/", "/edited?a=1", "//edited", "/%65dited"),
        *("/++api++/edited", "/++api++/edited?expand=breadcrumbs", "/classic/edited"),
        "/++api++/edited/@breadcrumbs",
    ]
    titled = spellings[:-1]
    for path in spellings * 2:
        page = live.get(path, {"Cache-Control": "no-cache"})
        assert page.status == 200, path
    assert [live.get(path).cache for path in titled] == ["HIT"] * len(titled)
    begun = time.monotonic()
    body = json.dumps({"title": "Later"})
    done = editor.ask("/++api++/edited", JSON, method="PATCH", body=body)
    assert done.status == 204, done.text
    for path in titled:
        left = 2 - (time.monotonic() - begun)
        live.wait(partial(shows, live, path, "Later"), left, path)
    for host in (ALIAS, HOST):
        assert title(live.get("/edited", host=host)) == "Later"


def test_purges_are_proven_for_pages_and_api(live: PloneSite) -> None:
    said = live.stack("purge-check").good().output
    for place in (HOST, f"{HOST}/++api++", f"{ALIAS}/++api++", f"{HOST}/classic", TWO):
        assert f"{place}: stored, dropped by Plone's PURGE" in said
    shown = json.loads(live.stack("purge-check", "--json").good().output)
    assert {one["host"] for one in shown} >= {ALIAS, f"{ALIAS}/++api++"}
    paths = ("/shown", "/++api++/shown")
    for path in paths * 2:
        live.get(path)
    assert [live.get(path).cache for path in paths] == ["HIT", "HIT"]
    live.stack("purge", f"http://{HOST}:{live.base}/shown").good()
    assert [live.get(path).cache for path in paths] == ["MISS", "MISS"]


def test_images_and_more_come_from_plone(live: PloneSite, editor: Editor) -> None:
    file = {"data": PIXEL, "encoding": "base64", "content-type": "image/gif"}
    image = {
        "@type": "Image",
        "id": "dot.gif",
        "image": {**file, "filename": "d.gif"},
    }
    folder = {"@type": "Folder", "id": "secret", "title": "Secret"}
    assert live.api("POST", "/", folder).status == 201
    assert live.api("POST", "/secret", image).status == 201
    path = "/secret/dot.gif/@@images/image"
    assert live.get(path).status == 401
    page = editor.ask(path)
    assert (page.status, page.headers["Content-Type"]) == (200, "image/gif")
    assert page.body == base64.b64decode(PIXEL)
    assert live.get(path).status == 401
    assert live.get("/secret").status == 401
    forged = live.get(path, {"Cookie": "auth_token=a.b.c"})
    assert (forged.status, forged.cache) == (401, "PASS")

    assert live.get("/robots.txt").text.lower().startswith("sitemap:")
    on = {"plone.enable_sitemap": True}
    assert live.api("PATCH", "/@registry", on).status == 204
    assert live.get("/sitemap.xml.gz").body[:2] == b"\x1f\x8b"
    content = json.loads(live.get("/++api++/shown").text)
    assert content["@id"] == f"http://{HOST}:{live.base}/shown"


def test_processes_are_restarted_one_after_the_other(live: PloneSite) -> None:
    before = live.pids()
    assert {"frontend1", "frontend2"} <= before.keys()
    with visitors(live, lambda: f"/shown?n={next(NUMBERS)}") as bad:
        said = live.stack("restart", "frontend1", "frontend2").good()
    assert bad == []
    assert "2 frontend processes restarted and serving" in said.output
    after = live.pids()
    changed = {one for one in before if before[one] != after[one]}
    assert changed == {"frontend1", "frontend2"}
    both = live.stack("restart", "--parallel", "2", "frontend1", "frontend2")
    assert both.status == 1
    assert "makes pages of a site" in both.errors
    live.took["restart of 2 frontends"] = said


def test_one_that_dies_is_not_missed_and_comes_back(live: PloneSite) -> None:
    with visitors(live, lambda: f"/shown?n={next(NUMBERS)}") as bad:
        victim = live.pid("frontend1")
        os.kill(victim, signal.SIGKILL)
        live.wait(
            lambda: live.status()["ok"] and live.pid("frontend1") != victim,
            20,
            "the frontend is back",
        )
    # At most what it was at work on: nobody else.
    assert len(bad) <= 4, bad
    live.stack("status").good()
    assert "pages of" in live.stack("explain").good().output


def test_none_at_all_is_told_and_the_api_serves_on(live: PloneSite) -> None:
    pids = [live.pid(name) for name in ("frontend1", "frontend2")]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        live.wait(
            lambda: live.get(f"/shown?x={next(NUMBERS)}").status == 503, 30, "no page"
        )
        assert "Back soon" in live.get(f"/shown?x={next(NUMBERS)}").text
        assert live.get("/++api++/shown").status == 200
        assert live.get("/classic/shown").status == 200
        assert live.get(f"/?x={next(NUMBERS)}", host=TWO).status == 200
        assert live.stack("status").status == 1
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    live.wait(lambda: live.get(f"/shown?x={next(NUMBERS)}").status == 200, 15, "pages")
