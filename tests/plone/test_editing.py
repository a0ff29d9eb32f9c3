"""An editor changes something; what do visitors see from then on?"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from collective.recipe.productionstack.daemons.supervisor.control import Supervisor
from collective.recipe.productionstack.machine import run
from collective.recipe.productionstack.model.stack import Stack
from tests.support.plonesite import HOST
from tests.support.plonesite import TITLE
from tests.support.plonesite import Editor
from tests.support.plonesite import PloneSite
from tests.support.visiting import View
from tests.support.visiting import in_folder
from tests.support.visiting import is_hidden
from tests.support.visiting import look
from tests.support.visiting import picture
from tests.support.visiting import shows
from tests.support.visiting import transition
from tests.support.visiting import warm


def test_editor_and_visitor_at_the_same_time(live: PloneSite, editor: Editor) -> None:
    live.make("Document", "cold")
    for number in range(20):
        path = f"/cold?turn={number}"
        with ThreadPoolExecutor(4) as pool:
            mine = [pool.submit(editor.ask, path) for _ in range(2)]
            theirs = [pool.submit(live.get, path) for _ in range(2)]
        assert all(one.result().is_for_an_editor for one in mine)
        assert not any(one.result().is_for_an_editor for one in theirs)
        assert not live.get(path).is_for_an_editor


def test_messages_are_for_the_one_who_caused_them(
    live: PloneSite, editor: Editor
) -> None:
    live.make("Document", "message")
    live.get("/message")
    form = editor.form("/message/edit", TITLE)
    form.fields[TITLE] = "Seen once"
    saved = editor.submit("/message/edit", form, "form.buttons.save")
    assert saved.status in {302, 303}
    first = editor.ask("/message")
    assert "Changes saved" in first.text
    assert "Changes saved" not in live.get("/message").text
    assert "Changes saved" not in editor.ask("/message").text


def test_a_form_without_its_token_changes_nothing(
    live: PloneSite, editor: Editor
) -> None:
    live.make("Document", "guarded")
    form = editor.form("/guarded/edit", TITLE)
    form.fields[TITLE] = "Forged"
    form.fields["_authenticator"] = "0" * 40
    editor.submit("/guarded/edit", form, "form.buttons.save")
    assert "Forged" not in live.get("/guarded").text


def test_what_has_no_time_is_not_stored(live: PloneSite) -> None:
    for path in ("/@@search?SearchableText=x", "/contact-info", "/login", "/register"):
        assert [live.get(path).cache for _ in range(2)].count("HIT") == 0, path
    # But for a missing page, which is as dear as others: ten seconds.
    assert [live.get("/nowhere").cache for _ in range(2)] == ["MISS", "HIT"]


def test_an_edit_while_varnish_is_away(live: PloneSite, editor: Editor) -> None:
    live.make("Document", "alone")
    warm(live, [(HOST, "/alone", ())])
    stack = Stack.from_json((live.folder / "etc/stack/stack.json").read_text())
    Supervisor(stack.socket("supervisor").path).stop("varnish")
    live.wait(lambda: not live.pid("varnish"), 10, "Varnish away")

    begun = time.monotonic()
    edited = live.api("PATCH", "/alone", {"title": "Made in the dark"})
    assert edited.status == 204
    assert time.monotonic() - begun < 3

    live.settle()
    assert "Made in the dark" in live.get("/alone").text


def test_an_edit_while_varnish_hangs(live: PloneSite, editor: Editor) -> None:
    live.make("Document", "hanging")
    warm(live, [(HOST, "/hanging", ())])
    manager = live.pid("varnish")
    (child,) = live.children(manager)
    os.kill(child, signal.SIGSTOP)
    try:
        begun = time.monotonic()
        edited = live.api("PATCH", "/hanging", {"title": "Made meanwhile"})
        assert edited.status == 204
        assert time.monotonic() - begun < 3
    finally:
        os.kill(child, signal.SIGCONT)
    view: View = (HOST, "/hanging", ())
    live.wait(partial(shows, live, view, "Made meanwhile"), 10, "the new title")


@pytest.fixture
def hurried(live: PloneSite) -> Iterator[None]:
    """Let two minutes be two seconds in the cache of the site."""
    folder = live.folder / "var/stack/applied/varnish"
    text = (folder / "default.vcl").read_text()
    for old, new in (("110s", "2s"), ("ttl + 10s", "ttl + 0s"), ("= 10s", "= 0s")):
        assert old in text
        text = text.replace(old, new)
    (folder / "hurried.vcl").write_text(text)

    def use(name: str, file: str) -> None:
        for words in (("vcl.load", name, file), ("vcl.use", name)):
            where = ("-n", f"{live.folder}/var/stack/varnish")
            done = run.run((run.find("varnishadm") or "", *where, *words))
            assert done.ok, done.text

    use("hurried", "hurried.vcl")
    yield
    use("usual", "default.vcl")
    (folder / "hurried.vcl").unlink()


@pytest.mark.proves("N31", "N32")
def test_what_a_retracted_folder_holds_is_asked_for_again(
    live: PloneSite, editor: Editor, hurried: None
) -> None:
    """No purge reaches it, by whatever name: Plone is asked, which costs a 304."""
    path = in_folder(live, "vault", "Image", "green", image=picture("green"))
    if "private" in json.loads(live.api("GET", "/vault").text)["review_state"]:
        done = live.api("POST", "/vault/@workflow/publish", {})
        assert done.status == 200, done.text
    scale = json.loads(live.api("GET", path).text)["image"]["scales"]["large"]
    unique = f"{path}/@@images/{scale['download'].rpartition('/')[2]}"
    usual = (
        *(f"{path}/@@images/image/mini", f"{path}/@@download/image", unique),
        *(path, f"{path}/@@display-file/image"),
    )
    prefixes = ("/++webresource++x", "/bystander", "/++plone++static", "/++resource++x")
    themes = ("/++theme++barceloneta", "/++webresource++x/++plone++static")
    odd = [f"{prefix}{usual[2]}" for prefix in (*prefixes, *themes)]
    names: list[View] = [
        (HOST, name, ())
        for name in (*usual, *odd, f"{path}/images/image/mini")
        if live.get(name).status == live.get(name).status == 200
    ]
    assert set(usual) <= {name for _, name, _ in names}
    for view in names:
        assert {look(live, view).cache for _ in range(2)} >= {"HIT"}, view

    transition(editor, "/vault", "retract")

    for view in names:
        live.wait(partial(is_hidden, live, view), 6, f"{view} hidden")


def test_editors_at_work_leave_the_cache_to_visitors(live: PloneSite) -> None:
    """New pages in a folder and in the root cost what shows them, nothing else."""
    pages = [in_folder(live, "kept", "Document", f"kept-{n}") for n in range(8)]
    image = in_folder(live, "kept", "Image", "blue", image=picture("green"))
    read = [*pages, f"{image}/@@images/image/mini", image, "/", "/sitemap", "/kept"]
    for path in read * 2:
        live.get(path)
    seen = []
    with ThreadPoolExecutor(1) as pool:
        work = pool.submit(_edit_for_a_while, live)
        while not work.done():
            seen += [live.get(path).cache for path in read]
        work.result()
    ratio = seen.count("HIT") / len(seen)
    assert ratio > 0.9, f"{ratio:.3f} of {len(seen)}"


def _edit_for_a_while(site: PloneSite) -> None:
    for number in range(6):
        in_folder(site, "busy", "Document", f"new-{number}")
        site.make("Document", f"new-in-root-{number}")
