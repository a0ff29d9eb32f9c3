"""Plone Classic in a real browser, over HTTPS and HTTP/2 through the whole chain.

The front is as strict as it comes: nobody is exempt from its limits.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from PIL import Image
from selenium.webdriver.support.ui import Select

from tests.support import chromium
from tests.support import plonesite
from tests.support.chromium import Chromium
from tests.support.plonesite import HOST
from tests.support.plonesite import PASSWORD
from tests.support.plonesite import TITLE
from tests.support.plonesite import PloneSite

OWN_TROUBLES = (
    "Unsatisfied version 3.5.4 from plone.staticresources of shared singleton module",
    "deprecated features are currently enabled and have been removed in TinyMCE 8",
)
"""What Plone 6.2 itself makes the console warn of, without any front."""

LARGE = 50 * 2**20
ROWS = ".pat-structure tbody tr"
DONE = {
    "copy": "Successfully copied items",
    "paste": "Successfully pasted items",
    "rename": "Items renamed",
    "delete": "Successfully delete items",
}


class People:
    """An editor's browser and a visitor's, and the address of the site."""

    def __init__(self, site: PloneSite, editor: Chromium, visitor: Chromium) -> None:
        self.site = site
        self.editor = editor
        self.visitor = visitor
        self.host = f"{HOST}:{site.base + 1}"

    def url(self, path: str) -> str:
        return f"https://{self.host}{path}"

    def content(self) -> bool:
        """Whether neither browser has a reason to complain; it says which."""
        for one in (self.editor, self.visitor):
            found = one.troubles()
            told = [
                text for text in found if not any(own in text for own in OWN_TROUBLES)
            ]
            assert not told, told
            assert one.hosts() <= {self.host}
            assert one.protocols() <= {"h2"}
        return True

    def log_in(self, name: str, password: str) -> None:
        """Log in with the form that lies over a page."""
        one = self.editor
        one.go(self.url("/"))
        one.press("#personaltools-login")
        one.write(".modal [name=__ac_name]", name)
        one.write(".modal [name=__ac_password]", password)
        one.leave_with(partial(one.press, ".modal-footer [name='buttons.login']"))
        one.see("#edit-zone")

    def log_out(self) -> None:
        one = self.editor
        one.go(self.url("/"))
        link = one.value("document.querySelector('#personaltools-logout').href")
        one.leave_with(lambda: one.go(str(link)))
        assert "__ac" not in {cookie["name"] for cookie in one.driver.get_cookies()}
        one.go(self.url("/"))
        assert one.all("#edit-zone") == []

    def add_page(self, title: str, picture: Path) -> str:
        """Make a page with text and a picture in the editor; return its address."""
        one = self.editor
        one.go(self.url("/++add++Document"))
        one.write(f"[name='{TITLE}']", title)
        frame = one.see("iframe.tox-edit-area__iframe")
        # At the end of the window the form's buttons would lie over it.
        centred = "arguments[0].scrollIntoView({block: 'center'})"
        one.driver.execute_script(centred, frame)
        one.driver.switch_to.frame(frame)
        one.see("body[contenteditable=true]").click()
        one.see("body").send_keys("Written in a browser. ")
        one.driver.switch_to.default_content()
        one.press("[data-mce-name=ploneimage]")
        one.press(".modal .content-browser-selected-items-wrapper .btn")
        one.press(".content-browser-wrapper button.upload")
        one.choose_file("input.dz-hidden-input", picture)
        one.press(".upload-all")
        # The first field there is the dialog's own only once the others have gone.
        chosen = "document.querySelector('.modal fieldset.image input').value"
        one.wait(lambda: one.value(chosen))
        one.press(".modal-footer [name=insert]")
        one.leave_with(partial(one.press, "[name='form.buttons.save']"))
        address = one.driver.current_url.removesuffix("/view")
        one.press("#plone-contentmenu-workflow > a")
        one.leave_with(partial(one.press, "#workflow-transition-publish"))
        return address

    def shows_pictures(self) -> bool:
        """Whether the visitor sees pictures, and all of them."""
        pictures = "[...document.querySelectorAll('#content img')]"
        widths = self.visitor.value(f"{pictures}.map(one => one.naturalWidth)")
        return bool(widths) and all(widths)


@pytest.fixture(scope="module")
def people(plone: PloneSite, editor_account: tuple[str, str]) -> Iterator[People]:
    gone = plonesite.missing(chromium.PROGRAMS)
    if gone and os.environ.get("PRODUCTIONSTACK_REQUIRE_DAEMONS") != "1":
        pytest.skip(f"not installed: {', '.join(gone)}")
    assert not gone
    certificate, _ = chromium.make_certificate(plone.folder, HOST)
    with Chromium(certificate) as editor, Chromium(certificate) as visitor:
        yield People(plone, editor, visitor)


@pytest.fixture
def site(people: People, request: pytest.FixtureRequest) -> People:
    """Give them a site with TLS and the front's options of a test, nobody logged in."""
    options = getattr(request, "param", "csp = frame")
    tls = "certificate = {folder}/cert.pem\nkey = {folder}/key.pem\n"
    people.site.settle(stack=tls + options, exempt="")
    people.editor.driver.delete_all_cookies()
    people.editor.troubles()
    return people


def has_row(one: Chromium, name: str) -> bool:
    return name in {row.get_attribute("data-id") for row in one.all(ROWS)}


EVERY = pytest.mark.parametrize(
    "site",
    [
        pytest.param("csp = off", marks=pytest.mark.slow),
        pytest.param("csp = report\nhsts = on", marks=pytest.mark.slow),
        "csp = frame",
    ],
    indirect=True,
)


@EVERY
def test_an_editor_works_and_visitors_see_it(
    site: People, editor_account: tuple[str, str], tmp_path: Path
) -> None:
    picture = tmp_path / "picture.png"
    Image.new("RGB", (900, 600), (20, 90, 160)).save(picture)
    editor, visitor = site.editor, site.visitor
    visitor.go(site.url("/"))
    site.log_in(*editor_account)
    (cookie,) = [one for one in editor.driver.get_cookies() if one["name"] == "__ac"]
    assert (cookie["secure"], cookie["httpOnly"]) == (True, True)
    assert cookie["sameSite"] == "Lax"
    page = site.add_page("A rich page", picture)

    visitor.go(page)
    assert "Written in a browser." in visitor.see("#content").text
    visitor.wait(site.shows_pictures)
    assert visitor.all("#edit-zone") == []

    editor.go(f"{page}/edit")
    editor.see("iframe.tox-edit-area__iframe")
    editor.write(f"[name='{TITLE}']", "A better page")
    editor.leave_with(partial(editor.press, "[name='form.buttons.save']"))
    site.site.wait(lambda: is_shown(visitor, page, "A better page"), 2, "the new title")
    site.log_out()
    visitor.go(site.url("/@@search?SearchableText=better"))
    assert "A better page" in visitor.see("#search-results").text
    assert site.content()
    assert "h2" in editor.protocols() & visitor.protocols()


def is_shown(one: Chromium, page: str, title: str) -> bool:
    one.go(page)
    return one.see("h1").text == title


def test_a_folder_takes_a_large_file_and_every_action(
    site: People, editor_account: tuple[str, str], tmp_path: Path
) -> None:
    large, editor = tmp_path / "large.bin", site.editor
    large.write_bytes(os.urandom(2**20) * (LARGE // 2**20))
    site.site.make("Folder", "shelf")
    site.log_in(*editor_account)
    editor.go(site.url("/shelf/folder_contents"))
    # Pressed earlier it would find its field for files not yet made.
    editor.wait(lambda: editor.all("input.dz-hidden-input"))
    editor.press("#btn-upload")
    editor.choose_file("input.dz-hidden-input", large)
    editor.press(".upload-all")
    editor.wait(lambda: has_row(editor, "large.bin"), 60)
    got = "fetch('/shelf/large.bin/@@download/file').then((one) => one.blob())"
    assert editor.value(f"{got}.then((one) => one.size)") == LARGE

    act(editor, "copy")
    act(editor, "paste")
    editor.wait(lambda: has_row(editor, "copy_of_large.bin"))
    act(editor, "rename", ".popover button")
    act(editor, "delete", ".popover button")
    # Asked at once, the other client may not have heard of it yet.
    editor.go(site.url("/shelf/folder_contents"))
    editor.wait(lambda: has_row(editor, "copy_of_large.bin"))
    assert not has_row(editor, "large.bin")
    assert site.content()


def act(one: Chromium, name: str, sure: str = "") -> None:
    """Do one of the actions of a folder's contents with the large file."""
    box = "document.querySelector('tr[data-id=\"large.bin\"] input[type=checkbox]')"
    if name != "paste" and not one.wait(lambda: [one.value(f"{box}.checked")])[0]:
        one.value(f"{box}.click()")
    one.press(f"#btn-{name}:not(.disabled)")
    if sure:
        one.press(sure)
    one.wait(lambda: DONE[name] in one.see(".fc-status-container").text)


def test_forms_over_a_page_and_those_that_name_what_they_do(site: People) -> None:
    editor = site.editor
    editor.go(site.url("/login"))
    editor.write("[name=__ac_name]", "admin")
    editor.write("[name=__ac_password]", "not this")
    editor.leave_with(partial(editor.press, "[name='buttons.login']"))
    assert "Login failed" in editor.see(".statusmessage-error, .alert-danger").text
    site.log_in("admin", PASSWORD)
    site.site.make("Document", "to-be-renamed")
    editor.go(site.url("/to-be-renamed"))
    editor.press("#plone-contentmenu-actions > a")
    editor.press("#plone-contentmenu-actions-rename")
    editor.write(".modal [name$='new_id']", "renamed-in-a-browser")
    editor.leave_with(partial(editor.press, ".modal-footer [name$='buttons.Rename']"))
    assert editor.driver.current_url == site.url("/renamed-in-a-browser")

    editor.go(site.url("/+rule/plone.ContentRule"))
    editor.write("[name='form.widgets.title']", "A rule")
    editor.leave_with(partial(editor.press, "[name='form.buttons.save']"))
    choice = editor.see("#contentrules-add-action")
    Select(choice).select_by_value("plone.actions.Logger")
    editor.leave_with(partial(editor.press, "[name='form.button.AddAction']"))
    assert "Logger" in editor.see("h1").text
    editor.see("[name='form.buttons.save']")
    assert site.content()


def test_the_console_is_listened_to(site: People) -> None:
    """What is refused shows, so that silence above means something."""
    site.visitor.go(site.url("/manage_main"))
    assert site.visitor.value("fetch('https://other.example.org/').catch(() => 'away')")
    found = "\n".join(site.visitor.troubles())
    assert f"404 {site.url('/manage_main')}" in found
    assert "Failed to load resource" in found
    assert "other.example.org" in site.visitor.hosts()
    site.visitor.asked.clear()
