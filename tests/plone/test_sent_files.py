"""``xsendfile``: Plone says who may have a file, and nginx sends it."""

from __future__ import annotations

import base64
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.plonesite import Editor
from tests.support.plonesite import Page
from tests.support.plonesite import PloneSite

pytestmark = pytest.mark.slow

ADD_ON = Path(sys.prefix, "xsendfile")
BYTES, SECRET = os.urandom(3 * 1024**2), os.urandom(3 * 1024**2)
PATH = "/{}/@@download/file/report.bin"
PICTURE = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJ"
    "RU5ErkJggg=="
)


@pytest.fixture(scope="module")
def sending(plone: PloneSite, editor_account: tuple[str, str]) -> Iterator[PloneSite]:
    """Give the site with the add-on, a public file and a private one."""
    if not ADD_ON.is_dir():
        assert os.environ.get("PRODUCTIONSTACK_REQUIRE_DAEMONS") != "1", ADD_ON
        pytest.skip(f"no collective.xsendfile in {ADD_ON}")
    plone.settle()
    said = configure(plone)
    assert "environment-vars = XSENDFILE_RESPONSEHEADER" in said
    assert "[instance1] eggs: collective.xsendfile is not among them" in said
    made = plone.api("POST", "/", {"@type": "Folder", "id": "closed", "title": "x"})
    assert made.status == 201, made.text
    for folder, name, data in (("/", "report", BYTES), ("/closed", "secret", SECRET)):
        values = {"@type": "File", "id": name, "title": name, "file": file(data)}
        made = plone.api("POST", folder, values)
        assert made.status == 201, made.text
    yield plone
    plone.stack("down").good()
    plone.settle()


def configure(site: PloneSite) -> str:
    """Switch it on, with clients that start anew; return what buildout said."""
    site.configure(stack="xsendfile = on", instance=f"extra-paths = {ADD_ON}")
    said = site.buildout().good().text
    site.stack("down").good()
    site.stack("up").good()
    return said


def file(data: bytes) -> dict[str, str]:
    """Return a file as the REST API takes it."""
    return {
        "data": base64.b64encode(data).decode(),
        "encoding": "base64",
        "filename": "report.bin",
        "content-type": "application/octet-stream",
    }


def blob(site: PloneSite, data: bytes) -> Path:
    """Return the newest blob with these bytes."""
    every = site.folder.glob("var/blobstorage/0x*/**/*.blob")
    found = [one for one in every if one.stat().st_size == len(data)]
    return max(
        (one for one in found if one.read_bytes() == data),
        key=lambda one: one.stat().st_mtime,
    )


def from_nginx(site: PloneSite, page: Page, data: bytes = BYTES) -> bool:
    """Whether it is whole, and not only Plone can have sent it."""
    assert (page.status, page.body == data) == (200, True), page.headers
    assert "X-Accel-Redirect" not in page.headers
    assert page.headers["Content-Disposition"].startswith("attachment")
    status = blob(site, data).stat()
    return bool(
        page.headers["ETag"] == f'"{int(status.st_mtime):x}-{status.st_size:x}"'
    )


def test_a_public_file(sending: PloneSite) -> None:
    path = PATH.format("report")
    for _ in range(2):
        assert from_nginx(sending, sending.get(path))
        part = sending.get(path, {"Range": "bytes=1000000-1000009"})
        assert (part.status, part.body) == (206, BYTES[1000000:1000010])
        head = sending.get(path, method="HEAD")
        assert (head.status, head.headers["Content-Length"]) == (200, str(len(BYTES)))
        same = sending.get(path, {"If-None-Match": head.headers["ETag"]})
        assert (same.status, same.body) == (304, b"")
    assert from_nginx(sending, sending.get("/report/@@display-file/file"))
    # Past nginx nobody gets a name instead.
    for port in (2, 4, 11):
        inside = f"/VirtualHostBase/http/www.example.com/Plone/VirtualHostRoot{path}"
        assert sending.get(inside, port=sending.base + port).body == BYTES


def test_a_private_file(sending: PloneSite, editor_account: tuple[str, str]) -> None:
    path = PATH.format("closed/secret")
    editor = Editor(sending, *editor_account)
    for _ in range(2):
        refused = sending.get(path)
        assert refused.status in {302, 401}
        assert SECRET[:100] not in refused.body
        assert from_nginx(sending, editor.ask(path), SECRET)
        part = editor.ask(path, {"Range": "bytes=-7"})
        assert (part.status, part.body) == (206, SECRET[-7:])


def test_other_bytes_and_a_pack(sending: PloneSite) -> None:
    path = PATH.format("report")
    old, new = blob(sending, BYTES), os.urandom(2 * 1024**2)
    assert from_nginx(sending, sending.get(path))

    assert sending.api("PATCH", "/report", {"file": file(new)}).status == 204
    sending.wait(lambda: sending.get(path).body == new, 2, "the new bytes")
    assert from_nginx(sending, sending.get(path), new)
    sending.run("bin/zeopack", "-D", "0").good()
    assert not old.exists()
    assert from_nginx(sending, sending.get(path), new)


def test_what_nginx_may_not_open_comes_from_plone(
    sending: PloneSite, editor_account: tuple[str, str]
) -> None:
    path = PATH.format("closed/secret")
    one = blob(sending, SECRET)
    elsewhere = sending.folder / "elsewhere"
    one.rename(elsewhere)
    one.symlink_to(elsewhere)
    editor = Editor(sending, *editor_account)
    page = editor.ask(path)
    one.unlink()
    elsewhere.rename(one)
    assert (page.status, page.body) == (200, SECRET)
    assert page.headers["ETag"] is None
    assert from_nginx(sending, editor.ask(path), SECRET)


def test_a_picture_comes_from_the_cache(sending: PloneSite) -> None:
    data = {"data": PICTURE, "encoding": "base64", "filename": "dot.png"}
    values = {"image": {**data, "content-type": "image/png"}, "title": "dot"}
    made = sending.api("POST", "/", {"@type": "Image", "id": "dot", **values})
    assert made.status == 201, made.text
    for _ in range(2):
        page = sending.get("/dot/@@images/image")
        assert page.body == base64.b64decode(PICTURE)
    assert page.cache == "HIT"
