"""What visitors and editors see through nginx, Varnish, HAProxy and Zope."""

from __future__ import annotations

import re
from functools import partial

import pytest

from tests.support.plonesite import Editor
from tests.support.plonesite import PloneSite
from tests.support.plonesite import Timed


def _shows(site: PloneSite, path: str, text: str) -> bool:
    return text in site.get(path).text


def test_a_page_is_a_miss_and_then_a_hit(live: PloneSite, editor: Editor) -> None:
    live.make("Document", "twice")
    first, second = live.get("/twice"), live.get("/twice")
    assert (first.status, first.cache) == (200, "MISS")
    assert (second.status, second.cache) == (200, "HIT")
    assert first.body == second.body


def test_what_the_cache_did_is_shown_to_this_machine_only(live: PloneSite) -> None:
    assert live.get("/").cache
    assert not live.get("/", {"X-Forwarded-For": "203.0.113.9"}).cache


def test_links_carry_the_address_that_visitors_use(live: PloneSite) -> None:
    page = live.get("/")
    found = set(re.findall(r"https?://[^/\"'<> ]+", page.text))
    assert f"http://www.example.com:{live.base}" in found
    assert not {one for one in found if "127.0.0.1" in one or "localhost" in one}
    assert "VirtualHost" not in page.text
    assert "/Plone" not in page.text


def test_an_unknown_host_gets_no_answer(live: PloneSite) -> None:
    with pytest.raises(ConnectionResetError):
        live.get("/", host="other.example.org")


def test_an_editor_never_gets_a_stored_page(live: PloneSite, editor: Editor) -> None:
    live.make("Document", "private-eyes")
    live.get("/private-eyes")
    assert live.get("/private-eyes").cache == "HIT"
    for _ in range(3):
        seen = editor.ask("/private-eyes")
        assert seen.cache == "PASS"
        assert seen.is_for_an_editor
    after = live.get("/private-eyes")
    assert after.cache == "HIT"
    assert not after.is_for_an_editor


def test_what_an_editor_saw_first_is_not_stored(
    live: PloneSite, editor: Editor
) -> None:
    live.make("Document", "editor-first")
    assert editor.ask("/editor-first").is_for_an_editor
    for _ in range(3):
        assert not live.get("/editor-first").is_for_an_editor


def test_logging_out_ends_the_session(live: PloneSite, editor: Editor) -> None:
    assert editor.ask("/").is_for_an_editor
    editor.ask("/logout")
    editor.ask("/logged-out")
    assert not editor.ask("/").is_for_an_editor


def test_a_wrong_password_does_not_log_in(live: PloneSite, editor: Editor) -> None:
    editor.cookies.clear()
    form = editor.form("/login", "__ac_name")
    form.fields["__ac_name"] = "edith"
    form.fields["__ac_password"] = "wrong"
    editor.submit("/login", form, "buttons.login")
    assert "__ac" not in editor.cookies


def test_an_edit_is_seen_by_the_next_visitor(live: PloneSite, editor: Editor) -> None:
    live.make("Document", "paper")
    live.get("/paper")
    assert live.get("/paper").cache == "HIT"
    for turn in range(3):
        title = f"Title number {turn} of the page"
        editor.edit("/paper", title)
        seen = partial(_shows, live, "/paper", title)
        taken = live.wait(seen, 2, f"{title} in /paper")
        live.took["edit until fresh"] = Timed(0, "", "", taken)
        assert live.get("/paper").cache == "HIT"


def test_an_edit_leaves_other_pages_in_the_cache(
    live: PloneSite, editor: Editor
) -> None:
    for name in ("mine", "yours"):
        live.make("Document", name)
        live.get(f"/{name}")
    editor.edit("/mine", "Changed")
    live.wait(partial(_shows, live, "/mine", "Changed"), 2, "the new title")
    assert live.get("/yours").cache == "HIT"


def test_the_public_cannot_purge(live: PloneSite, editor: Editor) -> None:
    live.make("Document", "unpurged")
    live.get("/unpurged")
    for method in ("PURGE", "BAN"):
        assert live.get("/unpurged", method=method).status == 405
    assert live.get("/unpurged").cache == "HIT"


def test_both_clients_get_visitors(live: PloneSite) -> None:
    logs = [live.folder / f"var/log/instance{number}-access.log" for number in (1, 2)]
    before = [log.stat().st_size for log in logs]
    for number in range(12):
        assert live.get(f"/?distinct={number}").status == 200
    live.wait(
        lambda: all(
            log.stat().st_size > size for log, size in zip(logs, before, strict=True)
        ),
        5,
        "both clients serve",
    )
