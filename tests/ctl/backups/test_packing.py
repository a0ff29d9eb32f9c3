"""Packing a real FileStorage behind a real ZEO server, without Plone."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from collective.recipe.productionstack.ctl.backups import packing
from collective.recipe.productionstack.ctl.backups.kept import filestorage
from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.ctl.jobs import task
from collective.recipe.productionstack.ctl.jobs.task import Task
from collective.recipe.productionstack.ctl.screen import Screen
from collective.recipe.productionstack.ctl.screen import Steps
from collective.recipe.productionstack.daemons import health
from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.machine import waiting
from collective.recipe.productionstack.model.address import Address
from collective.recipe.productionstack.model.announced import Health
from collective.recipe.productionstack.model.stack import Stack
from collective.recipe.productionstack.model.storage import Storage
from tests.support import samples

if find_spec("ZEO") is None:
    if os.environ.get("PRODUCTIONSTACK_REQUIRE_DAEMONS") == "1":
        pytest.fail("ZEO is not installed")
    pytest.skip("ZEO is not installed", allow_module_level=True)

CONF = """\
<zeo>
  address {folder}/zeo.sock
</zeo>
<filestorage 1>
  path {folder}/Data.fs
  blob-dir {folder}/blobs
</filestorage>
"""
SCRIPT = """\
#!{python}
import sys
import plone.recipe.zeoserver.pack
if __name__ == "__main__":
    sys.exit(plone.recipe.zeoserver.pack.main(None, None, "{folder}/zeo.sock", 0))
"""


def fill(folder: Path) -> int:
    """Make a site of two pages and a blob that is gone; return where one page lies."""
    import transaction
    from persistent.mapping import PersistentMapping
    from ZODB.blob import Blob
    from ZODB.DB import DB
    from ZODB.FileStorage import FileStorage

    path, blobs = str(folder / "Data.fs"), str(folder / "blobs")
    database = DB(FileStorage(path, blob_dir=blobs))
    connection = database.open()
    root: Any = connection.root()
    above = root["Application"] = PersistentMapping()
    for name in ("Plone", "first", "second"):
        one = above[name] = PersistentMapping()
        one.id, one.__parent__ = name, above
        above = one if name == "Plone" else above
    root["blob"] = Blob(b"x" * 1_000_000)
    transaction.commit()
    del root["blob"]
    transaction.commit()
    place: int = database.storage._index[one._p_oid] + filestorage.RECORD.size
    database.close()
    (folder / "Data.fs.index").unlink()
    return place


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Task]:
    """Give a job's turn in a stack whose ZEO server runs."""
    (tmp_path / "place").write_text(str(fill(tmp_path)))
    (tmp_path / "zeo.conf").write_text(CONF.format(folder=tmp_path))
    script = tmp_path / "zeopack"
    script.write_text(SCRIPT.format(python=sys.executable, folder=tmp_path))
    script.chmod(0o755)
    address = Address(path=f"{tmp_path}/zeo.sock")
    storage = Storage(
        name="zeoserver",
        address=address,
        command=(),
        data_file=f"{tmp_path}/Data.fs",
        blob_dir=f"{tmp_path}/blobs",
        quiet_log=True,
        pack_script=str(script),
    )
    places = {"var": str(tmp_path), "buildout": str(tmp_path), "bin": str(tmp_path)}
    folders = dataclasses.replace(samples.FOLDERS, **places)
    stack = samples.changed(samples.STACK, storage=storage, folders=folders)
    control = Control(tmp_path, "stack", quiet=True)
    command = (sys.executable, "-m", "ZEO.runzeo", "-C", f"{tmp_path}/zeo.conf")
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as server:
        try:
            wanted = Health(address=address)
            assert waiting.until(lambda: health.probe(wanted, 5) == health.OK, 30)
            with task.turn(control, stack, "pack") as lock:
                yield Task(control, stack, Steps(Screen(quiet=True)), lock)
        finally:
            server.send_signal(signal.SIGTERM)


def storage_of(stack: Stack) -> Storage:
    assert stack.data.storage is not None
    return stack.data.storage


def test_what_was_packed_away_is_said(work: Task) -> None:
    storage = storage_of(work.stack)
    said = packing.pack(work, 60).text
    assert f"{storage.data_file}.old (0.0 MB)" in said
    assert f"{storage.blob_dir}.old (1.0 MB)" in said
    assert "delete that when the site is well, or the next pack does" in said
    # Nothing to pack: nothing is kept.
    assert ".old" not in packing.pack(work, 60).text


def test_an_object_that_cannot_be_packed_is_named(work: Task) -> None:
    path = Path(storage_of(work.stack).data_file)
    with path.open("r+b") as stream:
        stream.seek(int((path.parent / "place").read_text()))
        stream.write(b"\xff")
    with pytest.raises(ControlError) as error:
        packing.pack(work, 60)
    said = str(error.value)
    assert "/Plone/second (" in said
    assert "cannot be read: its state cannot be loaded" in said
    assert "Traceback" not in said
    assert len(said.splitlines()) == 3
