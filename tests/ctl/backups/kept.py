"""A small database with a whole backup and increments, and what each day promised."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import transaction
from BTrees.OOBTree import OOBTree
from persistent import Persistent
from ZODB.blob import Blob
from ZODB.blob import BlobStorage
from ZODB.blob import FilesystemHelper
from ZODB.DB import DB
from ZODB.FileStorage import FileStorage

from collective.recipe.productionstack.ctl.backups.kept import filestorage
from collective.recipe.productionstack.machine.run import Result
from collective.recipe.productionstack.machine.run import run
from tests.support.buildouts import Site

Content = Mapping[str, str]
"""SHA-256 sums: of the current state of each object, and of its blob."""

TRIVIAL = ("lock", "index", "tmp", "old")


class Folder(Persistent):  # type: ignore[misc]
    """Stands in for Zope's application: its items are attributes."""


@dataclass(frozen=True)
class Kept:
    """The folder of one buildout, and what lies in it."""

    folder: Path
    environment: Mapping[str, str]

    @property
    def var(self) -> Path:
        return self.folder / "var"

    @property
    def data_file(self) -> Path:
        return self.var / "filestorage/Data.fs"

    @property
    def live_blobs(self) -> Path:
        return self.var / "blobstorage"

    @property
    def data(self) -> Path:
        return self.var / "backups"

    @property
    def blobs(self) -> Path:
        return self.var / "blobstoragebackups"

    @property
    def manifests(self) -> Path:
        return self.var / "manifests/backup"

    @property
    def ledger(self) -> Path:
        return self.var / "stack/backups.json"

    @property
    def far(self) -> Path:
        return self.folder / "far"

    @property
    def pieces(self) -> list[Path]:
        """The whole file, then its increments."""
        return sorted(self.data.glob("*fsz"))

    @property
    def dates(self) -> list[str]:
        return [one.name.partition(".")[0] for one in self.pieces]

    @property
    def dat(self) -> Path:
        return max(self.data.glob("*.dat"))

    @property
    def manifest(self) -> Path:
        """The newest."""
        return max(self.manifests.iterdir())

    @property
    def newest_blobs(self) -> Path:
        return self.blobs / f"blobstorage.{self.dates[-1]}" / "blobstorage"

    @property
    def blob_files(self) -> list[Path]:
        """The blobs of the newest backup."""
        return sorted(self.newest_blobs.rglob("*.blob"))

    def stack(self, *words: str) -> Result:
        """Run bin/stack."""
        script = str(self.folder / "bin/stack")
        return run(
            (script, *words), cwd=self.folder, env=dict(self.environment), timeout=120
        )


def opened(data: Path, blobs: Path) -> DB:
    """Open a database to write to."""
    return DB(BlobStorage(str(blobs), FileStorage(str(data))))


def begin(kept: Kept, site: str = "Plone") -> None:
    """Make a database with one site."""
    shutil.rmtree(kept.var / "filestorage", ignore_errors=True)
    shutil.rmtree(kept.live_blobs, ignore_errors=True)
    kept.data_file.parent.mkdir(parents=True)
    kept.live_blobs.mkdir(mode=0o700)
    database = opened(kept.data_file, kept.live_blobs)
    with database.transaction() as connection:
        root = connection.root()
        root["Application"] = Folder()
        inner = Folder()
        inner.__dict__.update({"id": site, "pages": OOBTree()})
        root["Application"].__dict__.update({"site": inner, site: inner})
    database.close()


def work(
    kept: Kept, name: str, pages: int = 5, blobs: int = 2, size: int = 300
) -> None:
    """Add pages and blobs of so many bytes, and change one of each that was there."""
    database = opened(kept.data_file, kept.live_blobs)
    with database.transaction() as connection:
        application = connection.root()["Application"]
        inner = application.site
        for number in range(pages):
            page = Folder()
            page.__dict__.update({"id": f"{name}-{number}", "text": os.urandom(200)})
            inner.pages[page.id] = page
        for number in range(blobs):
            inner.pages[f"{name}-file-{number}"] = Blob(os.urandom(size + number))
        old = next(one for one in inner.pages.values() if isinstance(one, Blob))
        with old.open("w") as stream:
            stream.write(os.urandom(100))
        inner.changed = name
    transaction.abort()
    database.close()
    for suffix in TRIVIAL:
        kept.data_file.with_name(f"Data.fs.{suffix}").unlink(missing_ok=True)


def pack(kept: Kept) -> None:
    """Pack the live database: old states go, and the blobs of them."""
    time.sleep(1.1)
    database = opened(kept.data_file, kept.live_blobs)
    database.pack()
    database.close()
    for suffix in TRIVIAL:
        kept.data_file.with_name(f"Data.fs.{suffix}").unlink(missing_ok=True)


def content(data: Path, blobs: Path) -> Content:
    """Return what a database holds now."""
    helper, found = FilesystemHelper(str(blobs)), {}
    storage: Any = FileStorage(str(data), read_only=True)
    last, cursor = int.from_bytes(storage.lastTransaction(), "big"), None
    while True:
        oid, tid, state, cursor = storage.record_iternext(cursor)
        found[oid.hex()] = f"{tid.hex()} {_sum(state)}"
        if b"ZODB.blob" in state[:30]:
            path = Path(helper.getBlobFilename(oid, tid))
            known = path.is_file() and not path.is_symlink()
            found[f"{oid.hex()} blob"] = _sum(path.read_bytes()) if known else "none"
        if cursor is None:
            break
    storage.close()
    for path in blobs.rglob("*.blob"):
        # An earlier state of a blob is for undo.
        name = path.relative_to(blobs).as_posix()
        if filestorage.blob_tid(name) <= last:
            found[name] = _sum(path.read_bytes()) if path.is_file() else "none"
    return found


def _sum(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def live(kept: Kept) -> Content:
    return content(kept.data_file, kept.live_blobs)


def wait_for_a_second() -> None:
    """Names of backups are seconds."""
    begun = int(time.time())
    while int(time.time()) == begun:
        time.sleep(0.02)


def back_up(kept: Kept, *words: str) -> Content:
    """Back up; return what that promises."""
    wait_for_a_second()
    good(kept.stack("backup", *words))
    return live(kept)


def good(done: Result) -> None:
    """See that a verb ended well."""
    assert done.ok, done.text


def history(kept: Kept) -> dict[str, Content]:
    """Back up on five days, whole on the first and the third; then go on working.

    Return what each backup promises, by date.
    """
    promised = {}
    for number, words in enumerate([(), (), ("--full",), (), ()]):
        work(kept, f"day-{number}", pages=3 if number else 20)
        made = back_up(kept, *words)
        promised[max(kept.dates)] = made
    work(kept, "afterwards")
    return promised


def of(site: Site) -> Kept:
    return Kept(site.folder, {**site.environment, "PATH": "/usr/bin:/bin"})
