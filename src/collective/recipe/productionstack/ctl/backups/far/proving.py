"""Whether the copies in a folder are what was sent: their files are summed up there."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path

from collective.recipe.productionstack.ctl.backups.far import choosing
from collective.recipe.productionstack.ctl.backups.far import noted
from collective.recipe.productionstack.ctl.backups.far.remote import Far
from collective.recipe.productionstack.ctl.backups.kept import assembling
from collective.recipe.productionstack.ctl.backups.kept import manifest
from collective.recipe.productionstack.ctl.backups.report import MOST
from collective.recipe.productionstack.ctl.jobs import outcomes
from collective.recipe.productionstack.ctl.jobs.outcomes import Stamp
from collective.recipe.productionstack.ctl.jobs.task import Task
from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.errors import printable
from collective.recipe.productionstack.model.storage import Backup

GENERATION = re.compile(r"\d{4}(-\d\d){5}")
STAMP = outcomes.FAR
WEEK = 7 * 24 * 3600
WEEKS = 4
"""Once in so many weeks all is read, in the others a part."""


@dataclass(frozen=True, slots=True)
class Share:
    """Which files are read: one ``part``, counted from 0, of so many ``parts``."""

    part: int = 0
    parts: int = 1

    def reads(self, digest: str) -> bool:
        """Whether a file with that SHA-256 sum is in it."""
        return int(digest[:8], 16) % self.parts == self.part


def share_of(before: Stamp | None, now: float) -> Share:
    """Return what is read this week; all of it where something was wrong before."""
    week = int(now // WEEK) % WEEKS
    is_red = before is not None and not before.ok
    return Share() if is_red or not week else Share(week - 1, WEEKS - 1)


def prove(work: Task, far: Far, share: Share, timeout: float) -> str:
    """Compare every copy there with what was written down; return a line about that.

    Names and sizes are compared of all files, sums of a share. Raises ControlError that
    names the copies which differ.
    """
    work.steps.begin("copies", f"looking at {far}")
    known = noted.load(work.stack, str(far))
    names = [one for one in far.names() if GENERATION.fullmatch(one)]
    found = _Found()
    gone = sorted(set(known) - set(names))
    found.texts += [f"{one} is gone, though it was kept" for one in gone]
    with assembling.folder(work.stack) as folder:
        far.fetch(work, f"*/{manifest.FOLDER}", folder)
        for one in names:
            work.steps.begin("copies", f"comparing {one}")
            found.look(work, far, one, known.get(one, {}), folder)
    chosen = {key: path for key, path in found.sums.items() if share.reads(key[1])}
    work.steps.begin("copies", f"{len(chosen)} files are summed up there")
    pairs = ((digest, path) for (_, digest), path in chosen.items())
    bad = set(far.changed(work, pairs, timeout)) if chosen else set()
    for key, path in chosen.items():
        if path in bad:
            found.texts += found.users[key]
    if not names:
        found.texts.append("there is no copy")
    if found.texts:
        raise ControlError(_worded(far, sorted(found.texts)))
    work.steps.done("copies", f"are good at {far}")
    total = len(found.sums)
    return f"{len(names)} copies at {far}, {len(chosen)} of {total} files summed up"


@dataclass
class _Found:
    """What is wrong, and the files to sum up: once each, however many links it has.

    ``sums`` has a path for each inode and sum, ``users`` what to say where it differs.
    """

    texts: list[str] = field(default_factory=list)
    sums: dict[tuple[str, str], str] = field(default_factory=dict)
    users: dict[tuple[str, str], list[str]] = field(
        default_factory=lambda: defaultdict(list)
    )

    def look(
        self, work: Task, far: Far, name: str, sums: dict[str, str], folder: Path
    ) -> None:
        """Compare names and sizes of a generation."""
        there = far.listing(name)
        expected = {path: (-1, digest) for path, digest in sums.items()}
        for backup in work.stack.data.backups:
            expected |= self.manifest_of(backup, name, sums, folder)
        if not any(size >= 0 for size, _ in expected.values()):
            self.texts.append(f"{name} has no manifest that can be used")
        for path, (size, digest) in expected.items():
            self.expect(f"{name}/{path}", there.get(path), size, digest)

    def expect(
        self, path: str, seen: tuple[str, int] | None, size: int, digest: str
    ) -> None:
        """Note a file that must be there; ``size`` is -1 where that is not known."""
        if seen is None:
            self.texts.append(f"{path} is missing")
        elif size not in {-1, seen[1]}:
            self.texts.append(f"{path} has {seen[1]} bytes, not {size}")
        else:
            key = (seen[0], digest)
            self.sums.setdefault(key, path)
            self.users[key].append(f"{path} has changed since it was sent")

    def manifest_of(
        self, backup: Backup, name: str, sums: dict[str, str], folder: Path
    ) -> dict[str, tuple[int, str]]:
        """Return the files of a part with size and sum, by path in the generation."""
        root = folder / name
        found: dict[str, tuple[int, str]] = {}
        for one in (root / manifest.FOLDER / backup.name).glob("*.json.gz"):
            date = one.name.partition(".")[0]
            inner = choosing.manifest_inside(backup, date)
            known = manifest.load(backup, date, root)
            if known is None or sums.get(inner, "") not in {"", manifest.sha256(one)}:
                self.texts.append(f"{name}/{inner} has changed since it was sent")
                continue
            found |= dict(_files(backup, date, known.files, known.blobs))
        return found


Listed = dict[str, tuple[int, str]]


def _files(
    backup: Backup, date: str, files: Listed, blobs: Listed
) -> Iterator[tuple[str, tuple[int, str]]]:
    place, blob_place = Path(backup.location).name, choosing.blobs_inside(backup, date)
    yield from ((f"{place}/{name}", one) for name, one in files.items())
    yield from ((f"{blob_place}/{name}", one) for name, one in blobs.items())


def _worded(far: Far, texts: list[str]) -> str:
    names = sorted({one.split("/")[0].split(" ")[0] for one in texts})
    more = len(texts) - MOST
    lines = [f"copies at {far} are NOT good: {', '.join(names)}:"]
    lines += [f"    {printable(one)}" for one in texts[:MOST]]
    lines += [f"    and {more} more"] if more > 0 else []
    lines.append(
        "Nothing there expires until they are. Look at the disk there; then move what "
        "is named away and copy again (sync-backup)."
    )
    return "\n".join(lines)
