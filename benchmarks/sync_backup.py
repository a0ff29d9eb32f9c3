"""Seconds to copy a backup of many blobs: the first time, the next day, and unchanged.

A backup of so many blobs is made by hand and copied to another folder with the real
rsync; then a tenth more blobs, then the same again. Needs rsync; run as any user.
"""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from collective.recipe.productionstack.ctl.backups.far import targets
from collective.recipe.productionstack.ctl.backups.kept import manifest
from collective.recipe.productionstack.ctl.backups.kept import repozo
from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.ctl.jobs.task import Task
from collective.recipe.productionstack.ctl.screen import Screen
from collective.recipe.productionstack.ctl.screen import Steps
from collective.recipe.productionstack.model.storage import Backup
from collective.recipe.productionstack.model.storage import Data
from collective.recipe.productionstack.model.storage import Keeping
from tests.support import samples

BLOBS = 20_000
SIZE = 5_000
DATA = 50 * 1024**2
DAYS = ("2026-11-23-04-05-06", "2026-11-24-04-05-06")
PROMISED = 10.0


def back_up(backup: Backup, date: str, blobs: int) -> None:
    """Write what a backup run leaves; what was there before is linked."""
    location = Path(backup.location)
    location.mkdir(exist_ok=True)
    data = os.urandom(1024) * (DATA // 1024)
    (location / f"{date}.fsz").write_bytes(gzip.compress(data, 1))
    total = hashlib.md5(data, usedforsecurity=False).hexdigest()
    (location / f"{date}.dat").write_text(f"{date}.fsz 0 {len(data)} {total}\n")
    folder = Path(backup.blob_location, f"blobstorage.{date}", "blobstorage")
    before = Path(backup.blob_location, f"blobstorage.{DAYS[0]}", "blobstorage")
    for number in range(blobs):
        name = f"0x00/0x{number % 256:02x}/0x{number:016x}.blob"
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if (before / name).exists():
            (folder / name).hardlink_to(before / name)
        else:
            (folder / name).write_bytes(os.urandom(SIZE))
    copy = repozo.find(backup)
    assert copy is not None
    known, _ = manifest.make(copy, 1, 0, manifest.newest(backup))
    manifest.save(backup, known)


def main() -> int:
    """Make, copy, add, copy, copy."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        backup = Backup(
            name="backup",
            script="",
            location=f"{name}/backups",
            blob_dir=f"{name}/blobstorage",
            blob_location=f"{name}/blobstoragebackups",
        )
        stack = dataclasses.replace(
            samples.STACK,
            folders=dataclasses.replace(samples.FOLDERS, var=name),
            data=Data(backups=(backup,), keeping=Keeping(sync_target=(f"{name}/far",))),
        )
        control = Control(folder, "stack", quiet=True)
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT)
        work = Task(control, stack, Steps(Screen(quiet=True)), lock)
        taken = []
        for date, blobs in (
            (DAYS[0], BLOBS),
            (DAYS[1], BLOBS + BLOBS // 10),
            ("", 0),
        ):
            if date:
                back_up(backup, date, blobs)
            begun = time.monotonic()
            targets.sync(work, 600)
            taken.append(time.monotonic() - begun)
    print(
        f"| copying a backup of {BLOBS:,} blobs to another folder | {taken[0]:.1f} s; "
        f"a tenth more the next day {taken[1]:.1f} s; unchanged {taken[2]:.1f} s |"
    )
    return 0 if taken[2] < PROMISED else 1


if __name__ == "__main__":
    sys.exit(main())
