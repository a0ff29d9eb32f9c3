"""An editor changes something; what do visitors see from then on?"""

from __future__ import annotations

import base64
import json
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from collective.recipe.productionstack.daemons.supervisor.control import Supervisor
from collective.recipe.productionstack.machine import run
from collective.recipe.productionstack.model.stack import Stack
from tests.support.plonesite import ALIAS
from tests.support.plonesite import HOST
from tests.support.plonesite import JSON
from tests.support.plonesite import TITLE
from tests.support.plonesite import TWO
from tests.support.plonesite import Editor
from tests.support.plonesite import Page
from tests.support.plonesite import PloneSite

AT_ONCE = 2.0
READ_JSON = {"Accept": "application/json"}
View = tuple[str, str, tuple[tuple[str, str], ...]]


def views(path: str) -> list[View]:
    """Return all addresses and forms of one object that visitors ask for."""
    return [
        (HOST, path, ()),
        (ALIAS, path, ()),
        (HOST, f"{path}?b_start:int=0", ()),
        (HOST, f"/++api++{path}", ()),
        (HOST, path, tuple(READ_JSON.items())),
    ]


def look(site: PloneSite, view: View) -> Page:
    host, path, headers = view
    return site.get(path, dict(headers), host=host)


def warm(site: PloneSite, wanted: list[View]) -> None:
    """See all of them stored, once Plone has sent what it purges by now."""
    time.sleep(0.5)
    for view in wanted:
        look(site, view)
        assert look(site, view).cache == "HIT", view


def shows(site: PloneSite, view: View, text: str) -> bool:
    return text in look(site, view).text


def is_hidden(site: PloneSite, view: View) -> bool:
    """Whether an anonymous visitor gets no content there."""
    return look(site, view).status in {301, 302, 401, 403, 404}


def all_show(site: PloneSite, wanted: list[View], text: str) -> None:
    for view in wanted:
        site.wait(partial(shows, site, view, text), AT_ONCE, f"{text} in {view}")


def all_hidden(site: PloneSite, wanted: list[View]) -> None:
    for view in wanted:
        site.wait(partial(is_hidden, site, view), AT_ONCE, f"{view} hidden")


@pytest.fixture
def others(live: PloneSite) -> Iterator[None]:
    """See that what nobody changed is still in the cache afterwards."""
    if live.api("GET", "/bystander").status != 200:
        live.make("Document", "bystander")
    kept: list[View] = [(TWO, "/", ()), (TWO, "/sitemap", ()), (HOST, "/bystander", ())]
    warm(live, kept)
    yield
    assert {view: look(live, view).cache for view in kept} == dict.fromkeys(kept, "HIT")


def in_folder(site: PloneSite, folder: str, kind: str, name: str, **values: Any) -> str:
    """Make a public object in a public folder; return its path."""
    if site.api("GET", f"/{folder}").status != 200:
        site.make("Folder", folder)
    given = {"@type": kind, "id": name, "title": f"Title of {name}", **values}
    made = site.api("POST", f"/{folder}", given)
    assert made.status == 201, made.text
    if kind != "Image":
        done = site.api("POST", f"/{folder}/{name}/@workflow/publish", {})
        assert done.status == 200, done.text
    return f"/{folder}/{name}"


def change(editor: Editor, method: str, path: str, values: Any) -> None:
    """Use the REST API as the editor's browser does, through nginx."""
    done = editor.ask(path, JSON, method=method, body=json.dumps(values))
    assert done.status in {200, 201, 204}, (done.status, done.text)


def transition(editor: Editor, path: str, name: str) -> None:
    """Follow a link of the editor's workflow menu, with its token."""
    page = editor.ask(path)
    found = page.text.partition('data-authenticator="')[2].partition('"')[0]
    if not found:
        found = page.text.partition("_authenticator=")[2].partition('"')[0]
    asked = f"{path}/content_status_modify?workflow_action={name}&_authenticator="
    done = editor.ask(asked + found)
    assert done.status in {302, 303}, (done.status, done.text[:500])


def test_an_edit(live: PloneSite, editor: Editor, others: None) -> None:
    path = in_folder(live, "editing", "Document", "paper")
    parent: View = (HOST, "/editing", ())
    wanted = [*views(path), *views("/editing")]
    warm(live, wanted)

    editor.edit(path, "Quite another title")

    all_show(live, [*views(path), parent], "Quite another title")
    warm(live, wanted)


def test_publish_retract_and_delete(
    live: PloneSite, editor: Editor, others: None
) -> None:
    path = in_folder(live, "states", "Document", "page")
    listing: View = (HOST, "/states", ())
    warm(live, [*views(path), listing])
    assert shows(live, listing, "Title of page")

    transition(editor, path, "retract")
    all_hidden(live, views(path))
    live.wait(lambda: not shows(live, listing, "Title of page"), AT_ONCE, "listing")

    transition(editor, path, "publish")
    all_show(live, [*views(path), listing], "Title of page")
    warm(live, [*views(path), listing])

    change(editor, "DELETE", path, {})
    all_hidden(live, views(path))
    live.wait(lambda: not shows(live, listing, "Title of page"), AT_ONCE, "listing")


def picture(colour: str) -> dict[str, str]:
    """Return an image as the REST API takes it."""
    buffer = BytesIO()
    Image.new("RGB", (1000, 800), colour).save(buffer, "JPEG")
    data = base64.b64encode(buffer.getvalue()).decode()
    return {
        "data": data,
        "encoding": "base64",
        "content-type": "image/jpeg",
        "filename": "picture.jpg",
    }


def unique(page: Page) -> str:
    """Return the scale with a name of its own that a page links to."""
    image = json.loads(page.text)["image"]
    address = str(image["scales"]["preview"]["download"])
    return "/" + address.split("/", 3)[3]


def test_a_new_image(live: PloneSite, editor: Editor, others: None) -> None:
    path = in_folder(live, "gallery", "Image", "pic", image=picture("red"))
    as_json: View = (HOST, path, tuple(READ_JSON.items()))
    # The other client learns of it from ZEO a moment later.
    live.wait(lambda: look(live, as_json).status == 200, AT_ONCE, "the image")
    first = unique(look(live, as_json))
    scales = [f"{path}/@@images/image/mini", f"{path}/@@images/image", path, first]
    wanted: list[View] = [(HOST, scale, ()) for scale in scales]
    warm(live, wanted)
    before = {view: look(live, view).body for view in wanted}
    assert all(before.values())

    change(editor, "PATCH", path, {"image": picture("blue")})

    for view in wanted[:3]:
        done = partial(_differs, live, view, before[view])
        live.wait(done, AT_ONCE, f"the new image at {view}")
    # Each address has a PURGE of its own, one after the other.
    live.wait(lambda: unique(look(live, as_json)) != first, AT_ONCE, "a new name")
    second = unique(look(live, as_json))
    assert look(live, (HOST, second, ())).status == 200
    # nginx may show what it kept to the end of that second.
    live.wait(lambda: look(live, wanted[3]).cache != "HIT", AT_ONCE, "the old one go")

    wanted[3] = (HOST, second, ())
    warm(live, wanted)
    change(editor, "DELETE", path, {})
    all_hidden(live, wanted)


def _differs(site: PloneSite, view: View, body: bytes) -> bool:
    page = look(site, view)
    return page.status == 200 and page.body != body


def test_a_rename(live: PloneSite, editor: Editor, others: None) -> None:
    path = in_folder(live, "moving", "Document", "old")
    listing: View = (HOST, "/moving", ())
    warm(live, [*views(path), listing])

    change(editor, "PATCH", path, {"id": "new"})

    all_show(live, views("/moving/new"), "Title of old")
    live.wait(lambda: shows(live, listing, "/moving/new"), AT_ONCE, "the listing")
    # The old one is dropped by nobody, but not for longer than its time.
    old = live.get(f"{path}", port=live.base + 2, host=HOST)
    assert old.status in {200, 404}
    assert "s-maxage" not in old.headers.get("Cache-Control", "")


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


def _png() -> dict[str, str]:
    data = BytesIO()
    Image.new("RGB", (900, 600), "green").save(data, "PNG")
    return {
        "data": base64.b64encode(data.getvalue()).decode(),
        "encoding": "base64",
        "content-type": "image/png",
        "filename": "green.png",
    }


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
    path = in_folder(live, "vault", "Image", "green", image=_png())
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
    image = in_folder(live, "kept", "Image", "blue", image=_png())
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
