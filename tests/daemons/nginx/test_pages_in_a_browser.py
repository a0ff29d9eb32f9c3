"""What visitors see when nothing else can be shown, in a real browser."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from collective.recipe.productionstack.daemons.nginx.process import Nginx
from collective.recipe.productionstack.machine import run
from collective.recipe.productionstack.model.front import Front
from tests.daemons.stage import SITES
from tests.daemons.stage import Answer
from tests.daemons.stage import Stage
from tests.support import chromium
from tests.support.chromium import Chromium

LEAST_CONTRAST = 4.5
"""WCAG 2.2, success criterion 1.4.3, for text of any size."""

Meeting = Callable[[Chromium, Stage, str], None]
PHONE = {"width": 360, "height": 640, "deviceScaleFactor": 2, "mobile": True}

LOOKS = """(() => {
    const plain = document.createElement("div");
    plain.style = "background: Canvas; color: CanvasText";
    document.body.append(plain);
    const canvas = getComputedStyle(plain).backgroundColor;
    plain.remove();
    const light = (colour) => {
        const parts = colour.match(/[0-9.]+/g).slice(0, 3).map((one) => one / 255);
        const [r, g, b] = parts.map(
            (one) => one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = (one) => {
        for (; one; one = one.parentElement) {
            const colour = getComputedStyle(one).backgroundColor;
            if (colour !== "rgba(0, 0, 0, 0)") return colour;
        }
        return canvas;
    };
    const contrast = (one) => {
        const two = [getComputedStyle(one).color, behind(one)].map(light).sort();
        return (two[1] + 0.05) / (two[0] + 0.05);
    };
    const words = [...document.querySelectorAll("body *")].filter(
        (one) => [...one.childNodes].some(
            (text) => text.nodeType === Node.TEXT_NODE && text.data.trim()));
    return {
        language: document.documentElement.lang,
        title: document.title,
        headings: [...document.querySelectorAll("h1")].map((one) => one.textContent),
        contrast: Math.min(...words.map(contrast)),
        dark: light(canvas) < 0.5,
        tooWide: document.documentElement.scrollWidth > innerWidth,
        loaded: performance.getEntriesByType("resource").map((one) => one.name),
    };
})()"""


@pytest.fixture(scope="module")
def front(daemons: None) -> Iterator[Stage]:
    """Give nginx with the limits that visitors meet, and a client behind it."""
    gone = [name for name in chromium.PROGRAMS if run.find(name) is None]
    if gone and os.environ.get("PRODUCTIONSTACK_REQUIRE_DAEMONS") != "1":
        pytest.skip(f"not installed: {', '.join(gone)}")
    assert not gone
    tight = Front(max_upload=1000, csp="frame")
    values: dict[str, Any] = {"proxy_cache": "none", "load_balancer": "none"}
    with Stage(sites=SITES[:1], clients=1, front=tight, **values) as one:
        # Without an icon the browser asks for one, and is refused that too.
        one.plone.default = Answer(body=b"<link rel=icon href='data:,'>")
        yield one.start("nginx")


@pytest.fixture(scope="module")
def browser(front: Stage) -> Iterator[Chromium]:
    with Chromium() as one:
        yield one


def reach(one: Chromium, url: str, title: str) -> None:
    """Go there until it has that title, and forget what came before.

    An old worker of nginx may still answer over a connection of before.
    """

    def there() -> bool:
        one.go(url)
        return bool(one.value("document.title") == title)

    one.wait(there)
    one.troubles()
    one.asked.clear()


def submit(one: Chromium, url: str, text: str = "x") -> None:
    """Send a form that leads to another page."""
    reach(one, f"{url}?form", "")
    one.driver.execute_script(
        "document.body.innerHTML = '<form method=post><textarea name=a>';"
        "document.forms[0].action = arguments[0];"
        "document.forms[0].a.value = arguments[1]",
        *(url, text),
    )
    one.leave_with(lambda: one.driver.execute_script("document.forms[0].submit()"))


def too_large(one: Chromium, stage: Stage, url: str) -> None:
    submit(one, f"{url}/x", "x" * 2000)


def too_many(one: Chromium, stage: Stage, url: str) -> None:
    # A form that another asks for again and again, until nobody may.
    while stage.get("/login", method="POST", body=b"x").status != 429:
        pass
    submit(one, f"{url}/login")


def away(one: Chromium, stage: Stage, url: str) -> None:
    reach(one, f"{url}/page", "")
    port = stage.plone.stop("instance1")
    one.go(f"{url}/page")
    stage.plone.start("instance1", port)


def maintained(one: Chromium, stage: Stage, url: str) -> None:
    path = Path(stage.stack.maintenance_file)
    path.write_text("www.example.com 1;\n")
    _reload(stage)
    reach(one, f"{url}/page", "We are working on this site")
    one.go(f"{url}/page")
    path.unlink()
    _reload(stage)


def _reload(stage: Stage) -> None:
    nginx = Nginx(stage.stack, 5)
    nginx.reload(lambda: os.kill(nginx.master(), signal.SIGHUP))


@pytest.mark.parametrize(
    ("meet", "status", "title"),
    [
        (away, 502, "Back soon"),
        (maintained, 503, "We are working on this site"),
        (too_many, 429, "Too many requests"),
        (too_large, 413, "Too large"),
    ],
)
def test_a_page_of_the_front(
    front: Stage, browser: Chromium, meet: Meeting, status: int, title: str
) -> None:
    host = f"www.example.com:{front.stack.chain.http.port}"
    browser.troubles()
    browser.asked.clear()
    meet(browser, front, f"http://{host}")
    address = browser.driver.current_url
    complaint = "Failed to load resource: the server responded with a status of"
    for told in browser.troubles():
        assert told.startswith((f"{status} {address}", f"{address} - {complaint}"))
    assert browser.hosts() == {host}
    for scheme in ("light", "dark"):
        for screen in ({}, PHONE):
            looks = _look(browser, scheme, screen)
            assert (looks["title"], looks["headings"]) == (title, [title])
            assert looks["language"] == "en"
            assert looks["dark"] == (scheme == "dark")
            assert looks["contrast"] >= LEAST_CONTRAST
            assert not looks["tooWide"]
            assert looks["loaded"] == []


def _look(one: Chromium, scheme: str, screen: dict[str, Any]) -> dict[str, Any]:
    feature = {"name": "prefers-color-scheme", "value": scheme}
    one.tell("Emulation.setEmulatedMedia", features=[feature])
    if screen:
        one.tell("Emulation.setDeviceMetricsOverride", **screen)
    else:
        one.tell("Emulation.clearDeviceMetricsOverride")
    seen: dict[str, Any] = one.value(LOOKS)
    return seen
