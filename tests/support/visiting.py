"""What visitors see of what editors do, in all the forms that they may ask for."""

from __future__ import annotations

import base64
import json
import time
from functools import partial
from io import BytesIO
from typing import Any

from PIL import Image

from tests.support.plonesite import ALIAS
from tests.support.plonesite import HOST
from tests.support.plonesite import JSON
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
