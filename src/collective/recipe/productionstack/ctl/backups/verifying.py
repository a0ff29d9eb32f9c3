"""Restore a backup into a scratch folder and judge all of it."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from collective.recipe.productionstack.ctl.backups import asking
from collective.recipe.productionstack.ctl.backups.guarding import moment
from collective.recipe.productionstack.ctl.backups.kept import assembling
from collective.recipe.productionstack.ctl.backups.kept import filestorage
from collective.recipe.productionstack.ctl.backups.kept import ledger
from collective.recipe.productionstack.ctl.backups.kept import manifest
from collective.recipe.productionstack.ctl.backups.kept import repozo
from collective.recipe.productionstack.ctl.backups.kept import standing
from collective.recipe.productionstack.ctl.backups.kept.manifest import Manifest
from collective.recipe.productionstack.ctl.backups.kept.repozo import Copy
from collective.recipe.productionstack.ctl.backups.report import Report
from collective.recipe.productionstack.ctl.backups.report import VerifySettings
from collective.recipe.productionstack.ctl.backups.report import add
from collective.recipe.productionstack.ctl.backups.report import lines
from collective.recipe.productionstack.ctl.jobs.task import Task
from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.model.storage import Backup


@dataclass
class Verification:
    """One backup that is being verified."""

    work: Task
    backup: Backup
    settings: VerifySettings

    def run(self) -> Report:
        """Restore it into a scratch folder and judge it, and the live database."""
        begun = time.monotonic()
        report = Report(self.backup.name)
        date, root = self.settings.date, self.settings.root
        unproven = self.settings.unproven
        copy = repozo.find(self.backup, padded(date), root, unproven=unproven)
        if not self.settings.is_partial:
            report.troubles += standing.troubles(self.work.stack, self.backup)
        if copy is None:
            until = f" until {date}" if date else ""
            where = root or self.backup.location
            report.troubles.append(f"there is no backup{until} in {where}")
            return report
        report.date, report.bytes = copy.date, max(0, copy.size)
        with assembling.folder(self.work.stack) as folder:
            data = folder / "Data.fs"
            found = assembling.assemble(copy, data, self.work.steps)
            add(report.troubles, found)
            known = self.compare(copy, report)
            add(report.troubles, self.missing(copy))
            add(report.troubles, [] if found or self.is_unused(data) else torn(data))
            same = not root and not found and self.is_live(copy, data)
            judged = same and self.settings.live
            differs = self.compare_bytes(copy, data, report) if judged else []
            if data.stat().st_size:
                self.read(copy, data, report, differs, live=judged)
            self.judge(known, report)
        if same:
            self.compare_live(copy, report, known)
        report.seconds = round(time.monotonic() - begun, 1)
        return report

    def compare(self, copy: Copy, report: Report) -> Manifest | None:
        """Compare with what was written down when it was made."""
        root = self.settings.root
        entry = ledger.load(self.work.stack, self.backup).get(copy.date)
        noted = manifest.path(self.backup, copy.date, root)
        known = manifest.load(self.backup, copy.date, root)
        if known is None:
            text = f"the manifest {noted} is gone or damaged"
            if entry or noted.exists():
                add(report.troubles, [text])
            else:
                report.notes.append(
                    f"it has no manifest: bin/{self.work.stack.name} backup did not "
                    "make it, or an earlier version did"
                )
            return None
        if entry and not root and manifest.has_changed(noted, entry.manifest):
            text = f"the manifest {noted} has changed since it was written"
            add(report.troubles, [text])

        def step(done: int, total: int) -> None:
            self.work.steps.begin("manifest", f"{done} of {total} files")

        judged = self.settings.live and not root
        live = Path(self.backup.blob_dir or "/nowhere") if judged else None
        found = manifest.compare(copy, known, live, step)
        add(report.troubles, found.texts)
        if not root and found.rotten:
            ledger.note_rotten(self.work.stack, self.backup, found.rotten)
        number = len(known.files) + len(known.blobs)
        self.work.steps.done("manifest", f"{number} files compared")
        return known

    def missing(self, copy: Copy) -> list[str]:
        """Say where the blobs of a copy are not there, but a link to some is."""
        if copy.blobs is None:
            text = f"the blobs of {copy.date} are missing"
            return [text] if self.backup.blob_dir else []
        return [
            f"{copy.blobs / name} is a symbolic link: what it leads to is in no copy"
            for name in filestorage.links(copy.blobs)
        ]

    @property
    def is_beside(self) -> bool:
        """Whether it backs up a database that the sites are not in."""
        others = self.work.stack.data.others
        return self.backup.data_file in {one.data_file for one in others}

    def is_unused(self, data: Path) -> bool:
        """Whether nothing was ever written, here and live, to a database beside."""
        live = Path(self.backup.data_file)
        with suppress(OSError, ValueError):
            both = (filestorage.last_tid(data), filestorage.last_tid(live))
            return self.is_beside and both == (0, 0)
        return False

    def is_live(self, copy: Copy, data: Path) -> bool:
        """Whether the live Data.fs goes on from the restored one: no pack since."""
        live = Path(self.backup.data_file)
        try:
            return filestorage.last_tid(live, copy.size) == filestorage.last_tid(data)
        except (OSError, ValueError):
            return False

    def compare_bytes(self, copy: Copy, data: Path, report: Report) -> list[int]:
        """Compare the live Data.fs with the restored one."""
        live = Path(self.backup.data_file)
        self.work.steps.begin("live", "comparing the live database")
        place = filestorage.first_difference(live, data, copy.size)
        self.work.steps.done("live", "compared")
        if place is None:
            return []
        report.live_damage = f"the live database {live} has changed at byte {place}"
        return [place]

    def read(
        self,
        copy: Copy,
        data: Path,
        report: Report,
        differs: Sequence[int],
        *,
        live: bool,
    ) -> None:
        """Let the database's own Python read the scratch copy."""
        every = self.work.stack.sites if not self.is_beside else ()
        sites = [one.path.split("/")[1] for one in every]
        result = asking.ask(
            self.work,
            self.settings.timeout,
            {
                "data": str(data),
                "blobs": str(copy.blobs) if copy.blobs else "",
                "live": self.backup.data_file if live else "",
                "sample": self.settings.sample / 100,
                "sites": sites,
                "at": list(differs),
                "script": f"{self.work.stack.folders.bin}/repozo",
            },
        )
        if "error" in result:
            report.troubles.append(f"the database: {result['error']}")
        else:
            self.note(result, sites, report)

    def note(
        self, result: dict[str, Any], sites: Sequence[str], report: Report
    ) -> None:
        """Note what was read, and what is wrong with it."""
        report.objects, report.loaded = result["objects"], result["loaded"]
        report.blobs, report.live_objects = result["blobs"], result.get("live")
        report.last, report.unreferenced = result["last"], result["unreferenced"]
        report.known_objects = result["index"]
        if result["transactions"] and sites and not result["sites"]:
            shown = ", ".join(sorted({one.path for one in self.work.stack.sites}))
            report.troubles.append(f"the database holds none of the sites: {shown}")
        if report.live_damage:
            where = result["at"][0] or "an object that is not current"
            report.troubles.append(f"{report.live_damage}, in {where}")
        if report.unreferenced:
            report.notes.append(f"{report.unreferenced} blobs are of no object")
        for kind, found in result["faults"].items():
            # A reference that leads nowhere was copied faithfully.
            into = report.notes if kind == "dangling" else report.troubles
            into += lines(kind, found)

    @staticmethod
    def judge(known: Manifest | None, report: Report) -> None:
        """Compare what was read with what was written down."""
        if known is None or report.troubles:
            return
        if report.last != known.last:
            report.troubles.append(
                f"the database ends at {moment(report.last)}, "
                f"its manifest says {moment(known.last)}"
            )
        elif known.objects and report.known_objects != known.objects:
            report.troubles.append(
                f"the database knows {report.known_objects} objects, "
                f"its manifest says {known.objects}"
            )

    def compare_live(self, copy: Copy, report: Report, listed: Manifest | None) -> None:
        """Compare with the live storage up to the backup's last transaction."""
        live = report.live_objects
        if live is not None and live > report.objects:
            report.troubles.append(
                f"the live database had {live} objects then, "
                f"the backup has {report.objects}"
            )
        if not self.backup.blob_dir or copy.blobs is None:
            return
        last = filestorage.last_tid(Path(self.backup.data_file), copy.size)
        known = "\n".join(report.troubles)
        folder = Path(self.backup.blob_dir)
        for name, seen in filestorage.blob_files(folder):
            if filestorage.blob_tid(name) > last or name in known:
                continue
            if not os.path.lexists(copy.blobs / name):
                report.troubles.append(f"the blob {name} is missing")
            elif listed is None:
                digest = manifest.sha256(folder / name)
                text = manifest.trouble(copy.blobs / name, seen.st_size, digest)
                report.troubles += [text] if text else []


def torn(data: Path) -> list[str]:
    """Say what is wrong with the end of a restored Data.fs: ZODB would cut it off."""
    try:
        return [] if filestorage.last_tid(data) else ["the database has no transaction"]
    except ValueError:
        return ["the database ends in the middle of a transaction"]


def padded(date: str) -> str:
    """Return a date as repozo writes it; a day or an hour includes its end.

    Raises ControlError for anything that is no date.
    """
    digits = date.strip().replace(" ", "-").replace("T", "-").replace(":", "-")
    if not digits:
        return ""
    parts = digits.split("-")
    if not all(one.isdigit() for one in parts) or len(parts[0]) != 4:  # noqa: PLR2004
        raise ControlError(
            f"--date {date}: write for example 2026-11-24 (times in UTC)."
        )
    return digits + "-99" * (6 - len(parts))
