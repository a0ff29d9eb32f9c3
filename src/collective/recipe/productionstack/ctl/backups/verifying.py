"""Restore a backup into a scratch folder and judge all of it."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
from typing import Any

from collective.recipe.productionstack.ctl.backups import assembling
from collective.recipe.productionstack.ctl.backups import filestorage
from collective.recipe.productionstack.ctl.backups import manifest
from collective.recipe.productionstack.ctl.backups import repozo
from collective.recipe.productionstack.ctl.backups.repozo import Copy
from collective.recipe.productionstack.ctl.jobs.task import Task
from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.machine.run import last_lines
from collective.recipe.productionstack.machine.run import work
from collective.recipe.productionstack.model.storage import Backup

READER = Path(__file__).with_name("reader.py")

RESULT, PROGRESS = "PRODUCTIONSTACK ", "PROGRESS "
MOST = 20
KINDS = {
    "damaged": "cannot be read",
    "blobs": "has lost its blob",
    "dangling": "is missing",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifySettings:
    """Which backup, how much of it in percent, and for how many seconds.

    ``root`` is a folder that holds a copy of the backup's folders.
    """

    date: str = ""
    sample: float = 100
    timeout: float = 12 * 3600
    root: Path | None = None


@dataclass
class Report:
    """What was found in one backup; no trouble is a good one."""

    name: str
    date: str = ""
    seconds: float = 0.0
    objects: int = 0
    loaded: int = 0
    blobs: int = 0
    bytes: int = 0
    live_objects: int | None = None
    troubles: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether it can be believed."""
        return not self.troubles

    def line(self) -> str:
        """Return one line about it."""
        sampled = "" if self.loaded == self.objects else f" ({self.loaded} loaded)"
        return (
            f"{self.name} {self.date}: {self.objects} objects{sampled} and "
            f"{self.blobs} blobs are all there"
        )


@dataclass
class Verification:
    """One backup that is being verified."""

    work: Task
    backup: Backup
    settings: VerifySettings

    def run(self) -> Report:
        """Restore it into a scratch folder and judge it."""
        begun = time.monotonic()
        report = Report(self.backup.name)
        date, root = self.settings.date, self.settings.root
        copy = repozo.find(self.backup, padded(date), root)
        if copy is None:
            until = f" until {date}" if date else ""
            where = root or self.backup.location
            report.troubles.append(f"there is no backup{until} in {where}")
            return report
        report.date, report.bytes = copy.date, copy.size
        with assembling.folder(self.work.stack) as folder:
            data = folder / "Data.fs"
            report.troubles += assembling.assemble(copy, data, self.work.steps)
            self.compare(copy, report)
            if self.backup.blob_dir and copy.blobs is None:
                report.troubles.append(f"the blobs of {copy.date} are missing")
            if data.stat().st_size:
                self.read(copy, data, report)
        if not root:
            self.compare_live(copy, report)
        report.seconds = round(time.monotonic() - begun, 1)
        return report

    def compare(self, copy: Copy, report: Report) -> None:
        """Compare with what was written down when it was made."""
        known = manifest.load(self.backup, copy.date, self.settings.root)
        if known is None:
            report.notes.append("it has no manifest: sizes not checked")
            return

        def step(done: int, total: int) -> None:
            self.work.steps.begin("manifest", f"{done} of {total} files")

        already = "\n".join(report.troubles)
        found = manifest.troubles(copy, known, step)
        report.troubles += [one for one in found if one.split(" ")[0] not in already]
        number = len(known.files) + len(known.blobs)
        self.work.steps.done("manifest", f"{number} files compared")

    def read(self, copy: Copy, data: Path, report: Report) -> None:
        """Let the database's own Python read the scratch copy."""
        live = Path(self.backup.data_file)
        result = self.ask(
            {
                "data": str(data),
                "blobs": str(copy.blobs) if copy.blobs else "",
                "live": str(live) if live.is_file() else "",
                "sample": self.settings.sample / 100,
                "script": f"{self.work.stack.folders.bin}/repozo",
            }
        )
        if "error" in result:
            report.troubles.append(f"the database: {result['error']}")
            return
        report.objects, report.loaded = result["objects"], result["loaded"]
        report.blobs, report.live_objects = result["blobs"], result.get("live")
        for kind, found in result["faults"].items():
            # A reference that leads nowhere was copied faithfully.
            into = report.notes if kind == "dangling" else report.troubles
            into += _lines(kind, found)

    def ask(self, wanted: dict[str, Any]) -> dict[str, Any]:
        """Run the reader.

        Raises ControlError where it gives no result.
        """
        steps = self.work.steps

        def line(text: str) -> None:
            if text.startswith(PROGRESS):
                done, total = text.split()[1:3]
                share = 100 * int(done) // max(1, int(total))
                steps.begin("objects", f"{share} % of the database read")

        steps.begin("objects", "opening the database")
        done = work(
            (interpreter(wanted["script"]), str(READER)),
            cwd=self.work.stack.folders.var,
            timeout=self.settings.timeout,
            text=json.dumps(wanted),
            keep=(self.work.lock,),
            line=line,
        )
        for text in done.output.splitlines():
            if done.ok and text.startswith(RESULT):
                values: dict[str, Any] = json.loads(text.removeprefix(RESULT))
                steps.done("objects", "read")
                return values
        said = last_lines(done.errors)
        message = f"the scratch copy could not be read (status {done.status}).{said}"
        raise ControlError(message)

    def compare_live(self, copy: Copy, report: Report) -> None:
        """Compare with the live storage up to the backup's last transaction.

        A pack since then has only made that less.
        """
        live = report.live_objects
        if live is not None and live > report.objects:
            report.troubles.append(
                f"the live database had {live} objects then, "
                f"the backup has {report.objects}"
            )
        if not self.backup.blob_dir or copy.blobs is None:
            return
        try:
            last = filestorage.last_tid(Path(self.backup.data_file), copy.size)
        except (OSError, ValueError):
            return  # packed since: the offsets are others
        known = "\n".join(report.troubles)
        report.troubles += [
            f"the blob {name} is missing"
            for name, _ in filestorage.blob_files(Path(self.backup.blob_dir))
            if filestorage.blob_tid(name) <= last
            and not (copy.blobs / name).exists()
            and name not in known
        ]


def _lines(kind: str, found: dict[str, Any]) -> list[str]:
    what = KINDS[kind]
    lines = [
        f"{one['path'] or 'the file'} ({one['oid'] or '-'}) {what}: {one['text']}"
        for one in found["first"]
    ]
    more = found["number"] - len(lines)
    return [*lines, f"and {more} more like these"] if more else lines


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


def interpreter(script: str) -> str:
    """Return the Python of a script that buildout wrote; it has ZODB on its path.

    Raises ControlError where its first line names none.
    """
    try:
        first, second = (Path(script).read_text(encoding="utf-8") + "\n\n").split("\n")[
            :2
        ]
    except OSError as error:
        message = f"{script} cannot be read ({error.strerror}). Run bin/buildout."
        raise ControlError(message) from None
    # A long path stands in the second line, for a shell (packaging of pip and others).
    line = second.removeprefix("'''exec' ") if first == "#!/bin/sh" else first[2:]
    return line.strip().strip('"').partition('" "')[0].strip().strip('"')
