"""``plone-caching`` and ``purge-check`` on the real Plone."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.support.plonesite import ALIAS
from tests.support.plonesite import HOST
from tests.support.plonesite import TWO
from tests.support.plonesite import PloneSite

PROXIES = "plone.cachepurging.interfaces.ICachePurgingSettings.cachingProxies"
ENABLED = "plone.cachepurging.interfaces.ICachePurgingSettings.enabled"
SECONDS = "plone.app.caching.moderateCaching.plone.content.itemView.smaxage"


@pytest.fixture
def set_up(live: PloneSite) -> Iterator[PloneSite]:
    """Give the site, and set caching up again afterwards."""
    yield live
    live.stack("plone-caching", "--undo").good()
    live.stack("plone-caching").good()


def _record(site: PloneSite, name: str, value: object) -> None:
    assert site.api("PATCH", "/@registry", {name: value}).status == 204


def _read(site: PloneSite, name: str) -> object:
    page = site.api("GET", f"/@registry/{name}")
    return json.loads(page.text) if page.status == 200 else None


def test_every_host_is_proven(live: PloneSite) -> None:
    said = live.stack("purge-check").good()
    for host in (HOST, ALIAS, TWO):
        proven = f"{host}: stored, dropped by Plone's PURGE, refused from outside"
        assert proven in said.output
    shown = json.loads(live.stack("purge-check", "--json").good().output)
    assert [one["ok"] for one in shown] == [True] * 3


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        (PROXIES, ["http://127.0.0.1:{balancer}"], "sends PURGE to"),
        pytest.param(PROXIES, [], "sends PURGE to nobody", marks=pytest.mark.slow),
        pytest.param(
            PROXIES,
            ["{own}", "http://127.0.0.1:9"],
            "127.0.0.1:9 gives no answer",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            PROXIES,
            ["{own}", "http://127.0.0.1:{cache}"],
            "answered 405 to PURGE",
            marks=pytest.mark.slow,
        ),
        pytest.param(ENABLED, False, "purging is switched off", marks=pytest.mark.slow),
    ],
)
def test_what_would_fail_in_silence_is_named(
    live: PloneSite, name: str, value: object, words: str
) -> None:
    ports = {
        "own": f"http://127.0.0.1:{live.base + 3}",
        "balancer": live.base + 4,
        "cache": live.base + 2,
    }
    if isinstance(value, list):
        value = [one.format(**ports) for one in value]
    before = _read(live, name)
    try:
        _record(live, name, value)
        said = live.stack("purge-check")
    finally:
        _record(live, name, before)
    assert said.status == 1
    assert words in said.errors
    assert f"{TWO}: stored" in said.output


@pytest.mark.slow
def test_undo_puts_back_what_was_there(set_up: PloneSite) -> None:
    assert _read(set_up, SECONDS) == 120
    shown = set_up.stack("plone-caching", "--undo", "--dry-run").good()
    assert "would be put back" in shown.output
    assert _read(set_up, SECONDS) == 120

    said = set_up.stack("plone-caching", "--undo").good()
    assert f"{TWO} (/Two): put back" in said.output
    assert _read(set_up, SECONDS) is None
    assert _read(set_up, PROXIES) in (None, [])
    assert set_up.get("/").cache == "MISS"
    again = set_up.stack("plone-caching", "--undo").good()
    assert again.output.count("nothing to undo") == 2
    assert "purging is switched off" in set_up.stack("purge-check").errors

    data = set_up.folder / "var/filestorage/Data.fs"
    before = data.stat().st_size
    dry = set_up.stack("plone-caching", "--dry-run").good()
    assert "would be set" in dry.output
    assert data.stat().st_size == before
    done = set_up.stack("plone-caching").good()
    lines = [line for line in dry.output.splitlines() if line.startswith("    ")]
    assert lines == [x for x in done.output.splitlines() if x.startswith("    ")]


@pytest.mark.slow
def test_what_was_tuned_stays_after_an_undo(set_up: PloneSite) -> None:
    _record(set_up, SECONDS, 77)
    said = set_up.stack("plone-caching", "--undo").good()
    assert f"stays, since it was changed later: {SECONDS} = 77" in said.output
    assert _read(set_up, SECONDS) == 77


@pytest.mark.slow
def test_other_caches_stay_and_can_be_added(set_up: PloneSite) -> None:
    own, other = f"http://127.0.0.1:{set_up.base + 3}", "http://127.0.0.1:9"
    _record(set_up, PROXIES, [other, own])
    assert "nothing to change" in set_up.stack("plone-caching").good().output
    assert _read(set_up, PROXIES) == [other, own]
    more = "http://127.0.0.1:10"
    set_up.stack("plone-caching", "--proxy", more).good()
    assert _read(set_up, PROXIES) == [other, own, more]
    # Ours of an earlier run go, those of others stay.
    set_up.stack("plone-caching").good()
    assert _read(set_up, PROXIES) == [other, own]
    set_up.stack("plone-caching", "--undo").good()
    assert _read(set_up, PROXIES) == [other]
    _record(set_up, PROXIES, [])


LANGUAGES = "plone.available_languages"
BY_BROWSER = "plone.use_request_negotiation"


@pytest.fixture
def negotiating(set_up: PloneSite) -> Iterator[PloneSite]:
    """Give the site with two languages, of which the browser's is shown."""
    before = {name: _read(set_up, name) for name in (LANGUAGES, BY_BROWSER)}
    _record(set_up, LANGUAGES, ["en", "de"])
    _record(set_up, BY_BROWSER, value=True)
    yield set_up
    for name, value in before.items():
        _record(set_up, name, value)


def _language(site: PloneSite, accepted: str, path: str = "/") -> tuple[str, str]:
    page = site.get(path, {"Accept-Language": accepted})
    return page.text.partition('lang="')[2][:2], page.cache


@pytest.mark.proves("N34")
def test_languages_are_apart_where_the_site_negotiates(
    negotiating: PloneSite,
) -> None:
    site = negotiating
    said = site.stack("plone-caching").good().output
    assert "each that visitors ask for is kept apart" in said
    site.stack("purge", "--everything", "--yes").good()
    for accepted, language in (("de,en;q=0.5", "de"), ("en,de;q=0.5", "en")):
        assert _language(site, accepted) == (language, "MISS")
        assert _language(site, accepted) == (language, "HIT")

    _record(site, BY_BROWSER, value=False)
    said = site.stack("plone-caching").good().output
    assert "kept apart" not in said
    site.stack("purge", "--everything", "--yes").good()
    assert _language(site, "de")[1] == "MISS"
    assert _language(site, "en") == ("en", "HIT")
