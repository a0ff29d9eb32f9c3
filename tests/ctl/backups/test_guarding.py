"""What is not backed up, and when something was."""

from __future__ import annotations

import dataclasses
import shlex
import sys
from pathlib import Path

import pytest

from collective.recipe.productionstack.ctl.backups import guarding
from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.machine.run import run
from collective.recipe.productionstack.model.address import Address
from collective.recipe.productionstack.model.stack import Stack
from collective.recipe.productionstack.model.storage import Backup
from collective.recipe.productionstack.model.storage import Data
from collective.recipe.productionstack.model.storage import Storage
from tests.support import samples
from tests.support.kept import Kept

ZEO_CONF = """
%define INSTANCE {folder}
<zeo>
  address {folder}/zeo.sock
</zeo>
<blobstorage 1>
  blob-dir {folder}/blobstorage
  <filestorage>
    path {folder}/Data.fs
  </filestorage>
</blobstorage>
"""
SECOND = """
<filestorage catalog>
    pack-gc false
    path {folder}/Catalog.fs
</filestorage>
"""


def stack(folder: Path, text: str, *backups: Backup) -> Stack:
    conf = folder / "zeo.conf"
    conf.write_text(text.format(folder=folder))
    storage = Storage(
        name="zeoserver",
        address=Address(path=f"{folder}/zeo.sock"),
        command=(),
        data_file=f"{folder}/Data.fs",
        blob_dir=f"{folder}/blobstorage",
        quiet_log=True,
        pack_script="",
        files=(str(conf),),
    )
    return dataclasses.replace(
        samples.STACK, data=Data(storage=storage, backups=backups)
    )


def part(folder: Path, name: str = "Data", blobs: str = "blobstorage") -> Backup:
    return Backup(
        name="backup",
        script="",
        location=f"{folder}/backups",
        data_file=f"{folder}/{name}.fs",
        blob_dir=f"{folder}/{blobs}" if blobs else "",
        blobs=bool(blobs),
    )


def test_a_second_storage_without_a_part_is_refused(tmp_path: Path) -> None:
    guarding.refuse_unknown(stack(tmp_path, ZEO_CONF, part(tmp_path)))
    two = stack(tmp_path, ZEO_CONF + SECOND, part(tmp_path))
    with pytest.raises(ControlError, match=f"datafs = {tmp_path}/Catalog.fs"):
        guarding.refuse_unknown(two)
    both = (part(tmp_path), part(tmp_path, "Catalog", ""))
    guarding.refuse_unknown(stack(tmp_path, ZEO_CONF + SECOND, *both))


@pytest.mark.parametrize("way", ["$instance", "${INSTANCE}", "$data"])
def test_a_storage_is_known_by_a_path_with_names(tmp_path: Path, way: str) -> None:
    """In a zeo-conf of one's own the path is often written so."""
    text = ZEO_CONF.replace("path {folder}", f"path {way}".replace("{", "{{"))
    text = f"%define DATA $INSTANCE\n{text}".replace("INSTANCE}", "INSTANCE}}")
    guarding.refuse_unknown(stack(tmp_path, text, part(tmp_path)))
    with pytest.raises(ControlError, match=f"datafs = {tmp_path}/Data.fs"):
        guarding.refuse_unknown(stack(tmp_path, text, part(tmp_path, "Other")))


def test_a_backup_without_the_files_of_the_site_says_so(tmp_path: Path) -> None:
    assert guarding.left_out(stack(tmp_path, ZEO_CONF, part(tmp_path))) == []
    (said,) = guarding.left_out(stack(tmp_path, ZEO_CONF, part(tmp_path, blobs="")))
    assert "in no backup: [backup] backup_blobs = false" in said


def test_when_a_transaction_was() -> None:
    # As ZODB's TimeStamp counts: every month has 31 days.
    minutes = (((126 * 12 + 10) * 31 + 27) * 24 + 16) * 60 + 50
    tid = (minutes << 32) + int(12.5 / 60 * 2**32)
    assert guarding.moment(tid) == "2026-11-28 16:50:12"


def test_every_disk_that_is_written_to_has_room(kept: Kept) -> None:
    """The place of copied blobs is a disk of its own, and too small."""
    blob = Path(kept.backup.blob_dir, "0x00/0x03bb.blob")
    blob.parent.mkdir(exist_ok=True)
    blob.write_bytes(bytes(2 * 1024**2))
    place = Path(kept.backup.blob_location)
    place.mkdir()
    mounted = ("mount", "-t", "tmpfs", "-o", "size=1m", "none", str(place))
    if not run(("unshare", "-Urm", *mounted)).ok:
        pytest.skip("no disks can be mounted here")
    words = (sys.executable, str(kept.folder / "bin/stack"), "backup")
    script = (
        f"{shlex.join(mounted)} && exec env BUILDOUT_ALLOW_ROOT=1 {shlex.join(words)}"
    )
    said = run(("unshare", "-Urm", "sh", "-c", script), cwd=kept.folder)
    assert said.status == 1
    assert f"{place} has 1.0 MB free; this backup may need 2.0 MB" in said.errors
