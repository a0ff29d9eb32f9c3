"""One object, or blobs alone, come back from a backup while the site runs."""

from __future__ import annotations

import base64
import gzip
import json
import os
import shutil
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.plone import test_backups as base
from tests.support.plonesite import PloneSite

pytestmark = [base.pytestmark, pytest.mark.slow]
kept = base.kept

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
    "+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def search(site: PloneSite, words: str) -> list[dict[str, Any]]:
    """Return what the catalog finds."""
    found = json.loads(
        site.api("GET", f"/@search?{words}&metadata_fields=UID&b_size=9999").body
    )
    return list(found["items"])


def paths(items: list[dict[str, Any]]) -> set[str]:
    return {one["@id"].partition("/Plone")[2] for one in items}


@dataclass(frozen=True)
class Album:
    """A folder of a page and an image, and the date of the backup that has it."""

    site: PloneSite
    name: str
    date: str

    @property
    def back(self) -> str:
        return f"{self.name}-restored-{self.date[:10]}"

    def delete(self) -> None:
        assert self.site.api("DELETE", f"/{self.name}").status == 204


@pytest.fixture
def album(kept: PloneSite) -> Album:
    name = f"album-{os.urandom(4).hex()}"
    kept.make("Folder", name)
    image = {
        "data": base64.b64encode(PNG).decode(),
        "encoding": "base64",
        "filename": "pic.png",
        "content-type": "image/png",
    }
    for values in (
        {"@type": "Document", "id": "page", "title": "First words"},
        {"@type": "Image", "id": "pic.png", "title": "A picture", "image": image},
    ):
        assert kept.api("POST", f"/{name}", values).status == 201
    assert kept.api("POST", f"/{name}/page/@workflow/publish", {}).status == 200
    edited = kept.api("PATCH", f"/{name}/page", {"title": "Edited words"})
    assert edited.status == 204
    # Names of backups are seconds.
    time.sleep(1.1)
    kept.stack("backup").good()
    return Album(kept, name, base.newest(kept, "deltafsz").name.partition(".")[0])


def test_a_deleted_folder_is_brought_back_with_its_blobs(
    album: Album,
) -> None:
    site, name, back = album.site, album.name, album.back
    uids = {one["UID"] for one in search(site, f"path=/Plone/{name}")}
    album.delete()
    before = search(site, "sort_on=path")
    said = site.stack("restore", "--object", f"/Plone/{name}").good()
    site.took["restore --object"] = said
    assert f"is back as /Plone/{back} (3 objects, 1 blobs, published" in said.output
    # Visitors see what was edited last, and get the image.
    page = site.get(f"/{back}/page")
    assert page.status == 200
    assert "Edited words" in page.text
    assert site.get(f"/{back}/pic.png/@@download/image").body == PNG
    # Links that lead to the old ones lead to it; nothing else has changed.
    found = search(site, f"path=/Plone/{back}")
    assert {one["UID"] for one in found} == uids
    assert paths(search(site, "sort_on=path")) == paths(before) | paths(found)
    # An editor works on it as on anything.
    retracted = site.api("POST", f"/{back}/page/@workflow/retract", {})
    assert retracted.status == 200, retracted.text
    assert site.get(f"/{back}/page?{time.time()}").status != 200
    assert not list((site.folder / "var/stack").glob("scratch-*"))
    site.stack("backup").good()
    assert base.verify(site)[1]["ok"]


def test_it_comes_beside_the_one_that_is_there(album: Album) -> None:
    site, name, date = album.site, album.name, album.date
    (old,) = search(site, f"path=/Plone/{name}/page")
    for number in ("", "-2"):
        said = site.stack(
            "restore", "--object", f"/Plone/{name}/page/", "--date", date
        ).good()
        back = f"/{name}/page-restored-{date[:10]}{number}"
        assert f"as /Plone{back} (1 objects, 0 blobs" in said.output
        assert "the one that is there is untouched" in said.output
    found = search(site, f"path=/Plone/{name}&portal_type=Document")
    assert len({one["UID"] for one in found}) == 3
    assert old["UID"] in {one["UID"] for one in search(site, f"UID={old['UID']}")}


def test_it_comes_back_while_people_write_beside_it(album: Album) -> None:
    site, name, over = album.site, album.name, threading.Event()
    failed: list[str] = []

    def write() -> None:
        while not over.is_set():
            values = {"@type": "Document", "title": os.urandom(4).hex()}
            made = site.api("POST", f"/{name}", values)
            failed.extend([made.text] if made.status != 201 else [])
            over.wait(0.2)

    # Two would get conflicts with each other.
    writer = threading.Thread(target=write)
    writer.start()
    try:
        said = site.stack("restore", "--object", f"/Plone/{name}/pic.png").good()
    finally:
        over.set()
        writer.join()
    assert failed == []
    back = f"/{name}/pic.png-restored-{album.date[:10]}"
    assert f"/Plone{back} (1 objects, 1 blobs" in said.output
    assert site.get(f"{back}/@@download/image").body == PNG
    (old,) = search(site, f"path=/Plone/{name}/pic.png")
    assert len(search(site, f"UID={old['UID']}")) == 1


def test_what_cannot_be_brought_back_is_said(album: Album) -> None:
    site, name, date = album.site, album.name, album.date
    album.delete()
    before = (site.folder / "var/filestorage/Data.fs").stat().st_size

    def refused(*words: str) -> str:
        said = site.stack("restore", *words)
        assert said.status == 1
        assert "Traceback" not in said.text
        return said.errors

    said = refused("--object", f"/Plone/{name}/nothing")
    assert f"the backup {date} has no /Plone/{name}/nothing" in said
    assert f"there /Plone/{name} holds page, pic.png. Try another --date" in said
    said = refused("--object", f"/Plone/{name}/page")
    assert f"/Plone/{name}, which held it, is gone too: now /Plone holds " in said
    assert f"bin/stack restore --object /Plone/{name}" in said
    for path in ("/Plone", "/Elsewhere/page", "/"):
        assert "name an object within a site" in refused("--object", path)
    pictures = (one for one in base.blobs(site) if one.read_bytes() == PNG)
    lost = max(pictures, key=lambda one: one.name)
    base._flip(base.same_inode_gone(lost), 1)
    said = refused("--object", f"/Plone/{name}")
    assert lost.name in said
    assert "has changed since the backup" in said
    both = site.stack("restore", "--blobs", "--object", f"/Plone/{name}")
    assert both.status == 2
    assert (site.folder / "var/filestorage/Data.fs").stat().st_size == before
    assert base.job(site, "backup")["ok"]


TIE = """\
import sys
import transaction
from Acquisition import aq_base

app.Plone[sys.argv[-1]].holder = aq_base(app.Plone)
transaction.commit()
"""


def test_an_object_that_would_bring_the_whole_site_is_refused(kept: PloneSite) -> None:
    name = f"tied-{os.urandom(4).hex()}"
    kept.make("Document", name)
    script = kept.folder / "tie.py"
    script.write_text(TIE)
    kept.run("bin/instance", "run", str(script), name).good()
    time.sleep(1.1)
    kept.stack("backup").good()
    said = kept.stack("restore", "--object", f"/Plone/{name}")
    assert said.status == 1
    assert f"/Plone/{name} refers to what it lies in" in said.errors
    assert kept.api("DELETE", f"/{name}").status == 204


def live_blobs(site: PloneSite) -> list[Path]:
    folder = site.folder / "var/blobstorage"
    copied = {one.name for one in base.blobs(site)}
    return sorted(one for one in folder.rglob("*.blob") if one.name in copied)


@pytest.mark.parametrize("running", [True, False])
def test_lost_and_damaged_blobs_come_back(kept: PloneSite, *, running: bool) -> None:
    if not running:
        kept.stack("down").good()
        said = kept.stack("restore", "--object", "/Plone/page")
        assert said.status == 1
        assert "the database does not answer" in said.errors
    gone, damaged, *others = live_blobs(kept)
    before = {one: one.read_bytes() for one in (gone, damaged)}
    modes = {one: one.stat().st_mode for one in before}
    inodes = {one: one.stat().st_ino for one in others}
    gone.unlink()
    gone.parent.rmdir()
    base._flip(base.same_inode_gone(damaged), 1)
    rotten = damaged.read_bytes()
    said = kept.stack("restore", "--blobs").good()
    assert "2 blobs brought back" in said.output
    assert "1 were gone, 1 damaged" in said.output
    assert {one: one.read_bytes() for one in before} == before
    assert {one: one.stat().st_mode for one in before} == modes
    assert {one: one.stat().st_ino for one in others} == inodes
    (aside,) = kept.folder.glob(f"var/replaced-*/blobstorage/**/{damaged.name}")
    assert str(aside).startswith(said.output.rpartition(" are in ")[2].strip())
    assert aside.read_bytes() == rotten
    assert "0 blobs brought back" in kept.stack("restore", "--blobs").good().output
    shutil.rmtree(aside.parents[8])
    if not running:
        kept.stack("up").good()
    kept.wait(kept.is_well, 60, "the site after")
    kept.stack("backup").good()


def test_a_blob_whose_copy_is_rotten_is_not_brought_back(kept: PloneSite) -> None:
    one, other = live_blobs(kept)[:2]
    text = one.read_bytes(), other.read_bytes()
    copies = {path.name: path for path in base.blobs(kept)}
    base._flip(base.same_inode_gone(copies[one.name]), 1)
    one.unlink()
    other.unlink()
    try:
        said = kept.stack("restore", "--blobs")
        assert said.status == 1
        assert "1 could NOT be brought back" in said.errors
        assert f"{one.name} has changed since the backup" in said.errors
        assert other.read_bytes() == text[1]
        assert not one.exists()
        assert not list(one.parent.glob(".*"))
    finally:
        one.write_bytes(text[0])


def test_a_backup_without_its_list_comes_back_when_asked(kept: PloneSite) -> None:
    lists = base.newest(kept, "dat")
    lists.unlink()
    staging = kept.folder / "unproven"
    words = ("restore", "--to", str(staging), "--yes")
    said = kept.stack(*words)
    assert said.status == 1
    assert f"{lists} does not list" in said.errors
    assert "Or --unproven: " in said.errors
    assert not staging.exists()
    said = kept.stack(*words, "--unproven").good()
    assert "UNPROVEN: 2 files in the order of their names" in said.output
    live = (kept.folder / "var/filestorage/Data.fs").read_bytes()
    restored = (staging / "filestorage/Data.fs").read_bytes()
    assert live.startswith(restored)
    shutil.rmtree(staging)
    # What a manifest knows is still compared.
    increment = base.newest(kept, "deltafsz")
    increment.write_bytes(gzip.compress(b"of another chain"))
    said = kept.stack(*words, "--unproven")
    assert said.status == 1, said.text
    assert increment.name in said.errors
    assert not staging.exists()
