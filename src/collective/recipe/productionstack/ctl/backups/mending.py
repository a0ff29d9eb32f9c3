"""``restore --blobs``: bring back blobs that are gone or damaged, and nothing else.

ZODB never changes a blob once it is there, and looks for its file when somebody wants
it: so one may be put in its place while the database is in use.
"""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path

from collective.recipe.productionstack.ctl.backups.kept import filestorage
from collective.recipe.productionstack.ctl.backups.kept import manifest
from collective.recipe.productionstack.ctl.backups.kept.manifest import Manifest
from collective.recipe.productionstack.ctl.backups.kept.repozo import Copy
from collective.recipe.productionstack.ctl.backups.restoring import Chosen
from collective.recipe.productionstack.ctl.jobs.task import Outcome
from collective.recipe.productionstack.ctl.jobs.task import Task
from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.errors import printable
from collective.recipe.productionstack.machine.files import megabytes
from collective.recipe.productionstack.machine.files import need_room
from collective.recipe.productionstack.model.storage import Backup

MOST = 5
FRESH = ".fresh"
LAYOUT = ".layout"
"""Says how ZODB names the folders of blobs; without it an older way is taken."""

SPARE = 16 * 1024**2


@dataclass
class Mended:
    """What was done: paths within the folder of blobs; ``bad`` says what failed."""

    well: int = 0
    packed: int = 0
    missing: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    bad: list[str] = field(default_factory=list)


def mend(work: Task, chosen: Chosen, source: Path | None) -> Outcome:
    """Bring back what the live folders of blobs lack, from the backup of each part.

    Raises ControlError where a blob could not be brought back; the others are.
    """
    parts = [(backup, copy) for backup, copy in chosen if backup.blob_dir]
    if not parts:
        raise ControlError("no backup part copies blobs: nothing can be brought back.")
    texts, size, bad = [], 0, []
    for backup, copy in parts:
        one = _Mending(work, backup, copy, source)
        found = one.run()
        texts.append(one.said(found))
        bad += found.bad
        size += sum(one.known.blobs[name][0] for name in found.missing + found.damaged)
    if bad:
        lines = [f"    {printable(text)}" for text in bad[:MOST]]
        more = [f"    and {len(bad) - MOST} more"] if len(bad) > MOST else []
        head = f"{'; '.join(texts)}; {len(bad)} could NOT be brought back:"
        last = "Try an earlier one: --date"
        raise ControlError("\n".join([head, *lines, *more, last]))
    return Outcome("; ".join(texts), size)


class _Mending:
    """The blobs of one part."""

    def __init__(
        self, work: Task, backup: Backup, copy: Copy, source: Path | None
    ) -> None:
        self.work, self.backup, self.copy = work, backup, copy
        self.live = Path(backup.blob_dir)
        mark = time.strftime("replaced-%Y-%m-%d-%H-%M-%S", time.gmtime())
        self.aside = self.live.parent / mark / self.live.name
        self.known = self.read(source)

    def read(self, source: Path | None) -> Manifest:
        """Return what every blob has to be.

        Raises ControlError where nothing says that.
        """
        known = manifest.load(self.backup, self.copy.date, source)
        if known is None or self.copy.blobs is None:
            what = "manifest: nothing says how its blobs were" if not known else "blobs"
            message = f"the backup {self.copy.date} has no {what}. Try another --date."
            raise ControlError(message)
        return known

    def run(self) -> Mended:
        """Compare every live blob, and bring back what is not as it was."""
        found, wanted = Mended(), {}
        for number, (name, (size, digest)) in enumerate(
            sorted(self.known.blobs.items())
        ):
            self.work.steps.begin("blobs", f"{number} of {len(self.known.blobs)} read")
            if manifest.trouble(self.live / name, size, digest):
                wanted[name] = (size, digest)
            else:
                found.well += 1
        self.work.steps.done("blobs", f"{len(self.known.blobs)} compared")
        needed = self.needed(wanted)
        found.packed = len(wanted) - len(needed)
        room = sum(size for size, _ in needed.values())
        self.live.mkdir(parents=True, exist_ok=True, mode=0o700)
        need_room(self.live, room + SPARE, "the blobs")
        self.lay_out()
        for name, (size, digest) in needed.items():
            self.work.steps.begin("copies", f"bringing back {name}")
            self.bring(name, size, digest, found)
        if needed:
            self.work.steps.done("copies", f"{len(needed)} blobs copied")
        return found

    def needed(self, wanted: dict[str, tuple[int, str]]) -> dict[str, tuple[int, str]]:
        """Leave out what the live database refers to no longer: it was packed away."""
        gone = {name for name in wanted if not (self.live / name).exists()}
        asked = {filestorage.blob_state(name) for name in gone}
        try:
            held = (
                filestorage.held(Path(self.backup.data_file), asked) if gone else asked
            )
        except (OSError, ValueError):  # it is to be restored too
            return wanted
        return {
            name: one
            for name, one in wanted.items()
            if name not in gone or filestorage.blob_state(name) in held
        }

    def lay_out(self) -> None:
        """Give a folder of blobs that is new the mark of the one that was copied."""
        assert self.copy.blobs is not None  # noqa: S101 (for the type checker)
        mark, wanted = self.live / LAYOUT, self.copy.blobs / LAYOUT
        if wanted.is_file() and not mark.exists():
            shutil.copy2(wanted, mark)

    def bring(self, name: str, size: int, digest: str, found: Mended) -> None:
        """Copy one blob beside its place, prove that, and put it there."""
        assert self.copy.blobs is not None  # noqa: S101 (for the type checker)
        target = self.live / name
        fresh = target.with_name(f".{target.name}{FRESH}")
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            if text := manifest.trouble(self.copy.blobs / name, size, digest):
                found.bad.append(text)
                return
            fresh.unlink(missing_ok=True)
            shutil.copy2(self.copy.blobs / name, fresh)
            if text := manifest.trouble(fresh, size, digest):
                found.bad.append(text)
                return
            self.put(target, fresh, name, found)
        except OSError as error:
            found.bad.append(f"{target}: {error.strerror}")
        finally:
            fresh.unlink(missing_ok=True)

    def put(self, target: Path, fresh: Path, name: str, found: Mended) -> None:
        """Take the place; what was there is kept."""
        there = target.is_symlink() or target.exists()
        if there:
            aside = self.aside / name
            aside.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            target.rename(aside)
        fresh.rename(target)
        (found.damaged if there else found.missing).append(name)

    def said(self, found: Mended) -> str:
        """Return one line about what was done."""
        brought = found.missing + found.damaged
        size = sum(self.known.blobs[name][0] for name in brought)
        texts = [f"{len(found.missing)} were gone", f"{len(found.damaged)} damaged"]
        kept = f"; the damaged ones are in {self.aside}" if found.damaged else ""
        packed = f"; {found.packed} were packed away since" if found.packed else ""
        return (
            f"{self.backup.name} {self.copy.date}: {len(brought)} blobs brought back "
            f"({megabytes(size)}; {', '.join(texts)}), {found.well} were well"
            f"{packed}{kept}"
        )
