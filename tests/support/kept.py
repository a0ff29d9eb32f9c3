"""A small real database whose backups are made by hand, of any day."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import transaction
from ZODB.blob import Blob
from ZODB.blob import BlobStorage
from ZODB.DB import DB
from ZODB.FileStorage import FileStorage

from collective.recipe.productionstack.ctl.backups.far import targets
from collective.recipe.productionstack.ctl.backups.far.proving import Share
from collective.recipe.productionstack.ctl.backups.kept import filestorage
from collective.recipe.productionstack.ctl.backups.kept import manifest
from collective.recipe.productionstack.ctl.backups.kept import repozo
from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.ctl.jobs.task import Outcome
from collective.recipe.productionstack.ctl.jobs.task import Task
from collective.recipe.productionstack.ctl.screen import Screen
from collective.recipe.productionstack.ctl.screen import Steps
from collective.recipe.productionstack.machine.run import Result
from collective.recipe.productionstack.model.stack import Stack
from collective.recipe.productionstack.model.storage import Backup
from collective.recipe.productionstack.model.storage import Data
from collective.recipe.productionstack.model.storage import Keeping
from tests.support.bench import Bench


class Kept(Bench):
    """A buildout folder with a database of two blobs."""

    keeping = Keeping()

    @cached_property
    def backup(self) -> Backup:
        var = f"{self.folder}/var"
        return Backup(
            name="backup",
            script=f"{self.folder}/bin/backup",
            location=f"{var}/backups",
            data_file=f"{var}/Data.fs",
            blob_dir=f"{var}/blobstorage",
            blob_location=f"{var}/blobstoragebackups",
        )

    @property
    def stack(self) -> Stack:
        data = Data(backups=(self.backup,), keeping=self.keeping)
        return dataclasses.replace(super().stack, sites=(), data=data)

    def fill(self) -> None:
        """Write the database, and the script whose Python reads it."""
        self.generate()
        Path(self.folders.var).mkdir(parents=True, exist_ok=True)
        storage = BlobStorage(self.backup.blob_dir, FileStorage(self.backup.data_file))
        base = DB(storage)
        with base.transaction() as connection:
            for number in range(2):
                connection.root()[f"file{number}"] = Blob(f"text {number}".encode())
        base.close()
        transaction.abort()
        script = self.folder / "bin/repozo"
        script.write_text(f"#!{sys.executable}\n")

    def make(self, date: str) -> Path:
        """Leave what a run of backup leaves; return the whole file of data."""
        one, data = self.backup, Path(self.backup.data_file).read_bytes()
        location = Path(one.location)
        location.mkdir(exist_ok=True)
        whole = location / f"{date}.fsz"
        whole.write_bytes(gzip.compress(data, mtime=0))
        total = hashlib.md5(data, usedforsecurity=False).hexdigest()
        whole.with_suffix(".dat").write_text(f"{whole} 0 {len(data)} {total}\n")
        blobs = Path(one.blob_location, f"blobstorage.{date}", "blobstorage")
        before = sorted(Path(one.blob_location).glob("*"))
        for name, _ in filestorage.blob_files(Path(one.blob_dir)):
            (blobs / name).parent.mkdir(parents=True, exist_ok=True)
            if before:
                os.link(before[-1] / "blobstorage" / name, blobs / name)
            else:
                content = Path(one.blob_dir, name).read_bytes()
                (blobs / name).write_bytes(content)
        (blobs / ".layout").write_text(Path(one.blob_dir, ".layout").read_text())
        copy = repozo.find(one)
        assert copy is not None
        last = filestorage.last_tid(Path(one.data_file))
        known, _ = manifest.make(copy, last, 0, manifest.newest(one))
        manifest.save(one, known)
        return whole

    def configure(self, **keeping: Any) -> None:
        """Set the options of backups, as buildout does."""
        self.keeping = dataclasses.replace(self.keeping, **keeping)
        self.generate()

    @contextmanager
    def task(self) -> Iterator[Task]:
        """Give what a job is given, in this process."""
        control = Control(self.folder, self.name, quiet=True)
        lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT)
        try:
            yield Task(control, self.stack, Steps(Screen(quiet=True)), lock)
        finally:
            os.close(lock)

    def sync(self) -> Outcome:
        """Copy the newest backup."""
        with self.task() as work:
            return targets.sync(work, 60)

    def prove(self, share: Share) -> str:
        """Say what is wrong with the copies, empty when nothing is."""
        with self.task() as work:
            every = self.keeping.sync_target
            found = targets.prove(work, every, share, 60)
        return "".join(one.text for one in found if not one.ok)

    def copy_days(self, *dates: str) -> None:
        """Back up and copy on each of them."""
        for one in dates:
            self.make(one)
            self.sync()

    def over_ssh(self, far: dict[str, str], *words: str) -> Result:
        """Run bin/stack where that machine is known to ssh."""
        path = far["path"].removeprefix("PATH=")
        return self.run(*words, env={**os.environ, "PATH": path})
