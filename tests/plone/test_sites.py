"""A site in a folder of another's host, with real Plone behind the whole chain."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from tests.support.plonesite import ALIAS
from tests.support.plonesite import HOST
from tests.support.plonesite import Editor
from tests.support.plonesite import PloneSite

pytestmark = pytest.mark.slow

FOLDER = "/intranet"
SITES = f"{HOST},{ALIAS} /Plone\n    {HOST}{FOLDER} /Two"
NAME, PASSWORD = "ingrid", "Another-Word-9"


@pytest.fixture(scope="module")
def below(plone: PloneSite) -> Iterator[PloneSite]:
    """Give the stack with the second site below the first one's host."""
    plone.settle(sites=SITES)
    account = {
        "username": NAME,
        "email": "ingrid@example.com",
        "password": PASSWORD,
        "roles": ["Contributor", "Editor", "Reviewer", "Member"],
    }
    made = plone.api("POST", "/Two/@users", account)
    assert made.status == 201, made.text
    values = {"@type": "Document", "id": "inside", "title": "Inside"}
    assert plone.api("POST", "/Two/", values).status == 201
    done = plone.api("POST", "/Two/inside/@workflow/publish", {})
    assert done.status == 200, done.text
    yield plone
    plone.settle()


@pytest.fixture(scope="module")
def editor(below: PloneSite) -> Editor:
    return Editor(below, NAME, PASSWORD, FOLDER)


def test_every_link_holds_the_folder(below: PloneSite) -> None:
    own = f"http://{HOST}:{below.base}"
    for path in (FOLDER, f"{FOLDER}/", f"{FOLDER}/inside"):
        page = below.get(path)
        assert page.status == 200
        found = set(re.findall(rf"{own}(/[^/\"'<> ?#)]*)?", page.text))
        assert found == {FOLDER}
        assert not re.findall(r"(?:href|src|action)=[\"']/(?!intranet)", page.text)
        assert "VirtualHost" not in page.text
        assert "_vh_" not in page.text
    assert FOLDER not in below.get("/").text


def test_what_pages_are_made_of_is_there(below: PloneSite) -> None:
    text = below.get(f"{FOLDER}/inside").text
    bundles = set(re.findall(r"(/intranet/\+\+[^\"']+\.(?:css|js)[^\"']*)", text))
    assert bundles
    for one in bundles:
        assert below.get(one).status == 200


def test_nobody_climbs_from_one_site_to_the_other(below: PloneSite) -> None:
    for path in ("/inside", f"{FOLDER}/../inside", f"{FOLDER}/%2e%2e/inside"):
        assert below.get(path).status == 404
    for path in ("/Two/inside", f"{FOLDER}/Two/inside", f"{FOLDER}/Plone", "/x/Two"):
        assert below.get(path).status == 404
    assert below.get("/_vh_intranet/inside").status == 404


def test_an_edit_in_the_folder_is_fresh_within_two_seconds(
    below: PloneSite, editor: Editor
) -> None:
    path = f"{FOLDER}/inside"
    below.get(path)
    assert below.get(path).cache == "HIT"
    below.get("/")
    assert below.get("/").cache == "HIT"
    for number in range(2):
        title = f"Edited {number} in the folder"
        editor.edit(path, title)
        below.wait(lambda: title in below.get(path).text, 2, title)  # noqa: B023
        assert below.get(path).cache == "HIT"
    assert below.get("/").cache == "HIT"


def test_a_login_is_of_the_folder_alone(below: PloneSite, editor: Editor) -> None:
    assert editor.ask(f"{FOLDER}/inside").is_for_an_editor
    other = Editor(below, NAME, PASSWORD, FOLDER)
    page = other.ask(f"{FOLDER}/logout")
    cookies = page.headers.get_all("Set-Cookie") or []
    of_login = [one for one in cookies if one.startswith("__ac=")]
    assert of_login
    assert all("Path=/intranet" in one for one in of_login)
    assert not other.ask(f"{FOLDER}/inside").is_for_an_editor


def test_purge_check_proves_both(below: PloneSite) -> None:
    below.stack("plone-caching").good()
    told = json.loads(below.stack("purge-check", "--json").good().output)
    assert {one["host"] for one in told} == {
        HOST,
        ALIAS,
        f"{HOST}{FOLDER}",
        f"{ALIAS}{FOLDER}",
    }
    assert all(one["ok"] for one in told)


def test_purge_takes_an_address_in_the_folder(below: PloneSite) -> None:
    own = f"http://{HOST}:{below.base}"
    path = f"{FOLDER}/inside"
    for words in (
        (f"{own}{path}",),
        (f"{own}{FOLDER}/ins*",),
        ("--site", f"{HOST}{FOLDER}"),
        ("--site", f"{HOST}{FOLDER}", "/inside"),
    ):
        below.get(path)
        below.get("/")
        assert (below.get(path).cache, below.get("/").cache) == ("HIT", "HIT")
        assert f"{HOST}{FOLDER}" in below.stack("purge", *words).good().output
        assert (below.get(path).cache, below.get("/").cache) == ("MISS", "HIT")


def test_the_verbs_name_the_folder(below: PloneSite) -> None:
    assert f"{HOST}{FOLDER}: ok" in below.stack("status").output
    assert f"http://{HOST}:{below.base}{FOLDER}" in below.stack("explain").output
    created = below.stack("create-site").good().output
    assert f"{HOST}{FOLDER} (/Two): is there already" in created
    below.stack("restart", "instance1").good()
    below.stack("maintenance", "on", "/Two").good()
    try:
        said = below.stack("maintenance", "show").output
        assert HOST in said
        assert [below.get(path).status for path in ("/", FOLDER)] == [503, 503]
    finally:
        below.stack("maintenance", "off").good()
    assert below.get(FOLDER).status == 200
