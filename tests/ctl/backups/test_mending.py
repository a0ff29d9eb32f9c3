"""Blobs of a real FileStorage that come back from a copy, without Plone."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import os
import shutil
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from collective.recipe.productionstack.ctl.backups import mending
from collective.recipe.productionstack.ctl.backups import restoring
from collective.recipe.productionstack.ctl.backups.kept import filestorage
from collective.recipe.productionstack.ctl.backups.kept import manifest
from collective.recipe.productionstack.ctl.backups.kept import repozo
from collective.recipe.productionstack.ctl.backups.report import VerifySettings
from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.ctl.jobs import task
from collective.recipe.productionstack.ctl.jobs.task import Task
from collective.recipe.productionstack.ctl.screen import Screen
from collective.recipe.productionstack.ctl.screen import Steps
from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.model.storage import Backup
from tests.support import samples

if find_spec("ZODB") is None:
    if os.environ.get("PRODUCTIONSTACK_REQUIRE_DAEMONS") == "1":
        pytest.fail("ZODB is not installed")
    pytest.skip("ZODB is not installed", allow_module_level=True)

DATE = "2026-11-24-04-05-06"
NAMES = ("one", "two", "three")


def database(folder: Path) -> Any:
    from ZODB.DB import DB
    from ZODB.FileStorage import FileStorage

    path, blobs = str(folder / "Data.fs"), str(folder / "blobstorage")
    return DB(FileStorage(path, blob_dir=blobs))


def fill(folder: Path) -> None:
    import transaction
    from ZODB.blob import Blob

    found = database(folder)
    root = found.open().root()
    for name in NAMES:
        root[name] = Blob(name.encode())
    transaction.commit()
    found.close()


def text(blob: Any) -> bytes:
    with blob.open("r") as stream:
        return bytes(stream.read())


def read(folder: Path) -> dict[str, bytes]:
    """Let ZODB read every blob."""
    found = database(folder)
    connection = found.open()
    try:
        root = connection.root()
        return {name: text(root[name]) for name in NAMES if name in root}
    finally:
        connection.close()
        found.close()


def copied(folder: Path) -> Backup:
    """Make a backup of it as repozo and rsync do, with its manifest."""
    backup = Backup(
        name="backup",
        script="",
        location=f"{folder}/backups",
        data_file=f"{folder}/Data.fs",
        blob_dir=f"{folder}/blobstorage",
        blob_location=f"{folder}/blobstoragebackups",
    )
    data = Path(backup.data_file).read_bytes()
    whole = Path(backup.location, f"{DATE}.fsz")
    whole.parent.mkdir()
    whole.write_bytes(gzip.compress(data))
    md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
    whole.with_suffix(".dat").write_text(f"{whole} 0 {len(data)} {md5}\n")
    target = Path(backup.blob_location, f"blobstorage.{DATE}", "blobstorage")
    shutil.copytree(backup.blob_dir, target)
    copy = repozo.find(backup)
    assert copy is not None
    last = filestorage.last_tid(Path(backup.data_file))
    manifest.save(backup, manifest.make(copy, last, 4, None)[0])
    return backup


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Task]:
    fill(tmp_path)
    folders = dataclasses.replace(samples.FOLDERS, var=str(tmp_path))
    stack = samples.changed(folders=folders, backups=(copied(tmp_path),))
    control = Control(tmp_path, "stack", quiet=True)
    with task.turn(control, stack, "restore") as lock:
        yield Task(control, stack, Steps(Screen(quiet=True)), lock)


def mend(work: Task) -> str:
    chosen = restoring.choose(work.stack, VerifySettings())
    return mending.mend(work, chosen, None).text


def live(work: Task) -> list[Path]:
    return sorted(Path(work.stack.data.backups[0].blob_dir).rglob("*.blob"))


def test_everything_is_brought_back_where_all_is_gone(
    work: Task, tmp_path: Path
) -> None:
    shutil.rmtree(tmp_path / "blobstorage")
    said = mend(work)
    assert "3 blobs brought back (0.0 MB; 3 were gone, 0 damaged), 0 were well" in said
    # Its layout too: else ZODB would look for them elsewhere.
    assert (tmp_path / "blobstorage/.layout").read_text().strip() == "bushy"
    assert read(tmp_path) == {name: name.encode() for name in NAMES}


def test_what_was_packed_away_stays_away(work: Task, tmp_path: Path) -> None:
    import transaction

    found = database(tmp_path)
    connection = found.open()
    del connection.root()["two"]
    transaction.commit()
    connection.close()
    found.pack(time.time() + 1)
    found.close()
    one, other = live(work)
    one.unlink()
    assert other.exists()
    said = mend(work)
    assert "1 blobs brought back" in said
    assert "1 were packed away since" in said
    assert read(tmp_path) == {"one": b"one", "three": b"three"}
    # While the database is damaged itself nobody knows what it needs.
    Path(tmp_path, "Data.fs").unlink()
    assert "1 blobs brought back" in mend(work)


@pytest.mark.parametrize("damage", [b"onf", b"longer", b""])
def test_a_damaged_one_is_replaced_and_kept(
    work: Task, tmp_path: Path, damage: bytes
) -> None:
    (path,) = (one for one in live(work) if one.read_bytes() == b"one")
    path.unlink()
    path.write_bytes(damage)
    untouched = {one: one.stat().st_ino for one in live(work) if one != path}
    said = mend(work)
    assert "0 were gone, 1 damaged), 2 were well; the damaged ones are in" in said
    assert read(tmp_path)["one"] == b"one"
    (aside,) = tmp_path.glob(f"replaced-*/blobstorage/**/{path.name}")
    assert aside.read_bytes() == damage
    after = {one: one.stat().st_ino for one in untouched}
    assert after == untouched


def test_without_a_manifest_nothing_is_guessed(work: Task) -> None:
    manifest.path(work.stack.data.backups[0], DATE).unlink()
    live(work)[0].unlink()
    with pytest.raises(ControlError, match="has no manifest: nothing says how"):
        mend(work)
    assert len(live(work)) == 2
