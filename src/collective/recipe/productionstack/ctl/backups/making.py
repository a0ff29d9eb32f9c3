"""``backup``: run the buildout's own backup, and judge the result ourselves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG

from collective.recipe.productionstack.ctl.backups import guarding
from collective.recipe.productionstack.ctl.backups import healing
from collective.recipe.productionstack.ctl.backups.guarding import Live
from collective.recipe.productionstack.ctl.backups.kept import assembling
from collective.recipe.productionstack.ctl.backups.kept import filestorage
from collective.recipe.productionstack.ctl.backups.kept import holding
from collective.recipe.productionstack.ctl.backups.kept import ledger
from collective.recipe.productionstack.ctl.backups.kept import manifest
from collective.recipe.productionstack.ctl.backups.kept import repozo
from collective.recipe.productionstack.ctl.backups.kept.ledger import Accepted
from collective.recipe.productionstack.ctl.backups.kept.manifest import Manifest
from collective.recipe.productionstack.ctl.backups.kept.repozo import Copy
from collective.recipe.productionstack.ctl.jobs.task import Outcome
from collective.recipe.productionstack.ctl.jobs.task import Task
from collective.recipe.productionstack.ctl.screen import Steps
from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.errors import printable
from collective.recipe.productionstack.machine import run
from collective.recipe.productionstack.machine.files import megabytes
from collective.recipe.productionstack.machine.files import need_rooms
from collective.recipe.productionstack.machine.run import Result
from collective.recipe.productionstack.model.stack import Stack
from collective.recipe.productionstack.model.storage import Backup

SPARE = 64 * 1024**2
MOST = 5


def of(stack: Stack) -> list[Backup]:
    """Return the backup parts.

    Raises ControlError where there is none, or one that cannot be judged.
    """
    if not stack.data.backups:
        message = (
            f"[{stack.name}] knows no backup part. Add one with "
            "recipe = collective.recipe.backup, and run bin/buildout."
        )
        raise ControlError(message)
    for one in stack.data.backups:
        if one.unreadable:
            message = (
                f"[{one.name}] {one.unreadable}: such backups cannot be judged, "
                "verified or copied here. Remove the option and run bin/buildout."
            )
            raise ControlError(message)
    return list(stack.data.backups)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """How backups are made; ``timeout`` in seconds for each part's script."""

    timeout: float
    full: bool = False
    accept_shrink: bool = False


def make_all(work: Task, wanted: Wanted) -> Outcome:
    """Back up every part of the stack; return all verdicts and the whole size."""
    verdicts, size = [], 0
    parts = of(work.stack)
    guarding.refuse_unknown(work.stack)
    for text in guarding.left_out(work.stack):
        work.control.screen.fail(f"warning: {text}.")
    for one in parts:
        verdict = _Making(work, one, wanted).run()
        verdicts.append(verdict.text)
        size += verdict.size
    return Outcome("; ".join(verdicts), size)


@dataclass(frozen=True, slots=True)
class _Making:
    """One backup that is being made."""

    work: Task
    backup: Backup
    wanted: Wanted

    def run(self) -> Outcome:
        """Judge what is there, back it up, judge the result, and write that down.

        Raises ControlError where one of these fails; no older copy is touched then.
        """
        backup, stack = self.backup, self.work.stack
        holding.put_back(backup)
        live = self.look()
        full = self.new_chain()
        _refuse_full_disk(stack, backup)
        held = holding.older(backup) if holding.is_doubtful(stack) else nullcontext()
        with holding.last(backup):
            with held:
                done = self.execute(full=full)
            try:
                copy = _judge(backup, live.size, self.work.steps)
            except ControlError as error:
                raise ControlError(f"{error}{done.said}") from None
            known = self.note(copy, live)
        entry = Accepted(
            date=copy.date,
            manifest=manifest.sha256(manifest.path(backup, copy.date)),
            size=copy.size,
            last=known.last,
            objects=known.objects,
            blobs=len(known.blobs),
            blob_bytes=sum(size for size, _ in known.blobs.values()),
            files={name: size for name, (size, _) in known.files.items()},
        )
        ledger.accept(stack, backup, entry, repozo.dates(backup))
        self.work.steps.done(backup.name, f"is whole: {copy.date}")
        size = sum(size for size, _ in known.files.values())
        return Outcome(
            f"{backup.name} {copy.date}: {megabytes(copy.size)} of data, "
            f"{len(known.blobs)} blobs{'; a new full one' if full else ''}",
            size,
        )

    def look(self) -> Live:
        """Look at the live database.

        Raises ControlError where it must not be backed up.
        """
        backup, stack = self.backup, self.work.stack
        data = Path(backup.data_file)
        if not data.is_file():
            message = f"there is no {data} yet. Run bin/{stack.name} up first."
            raise ControlError(message)
        self.work.steps.begin(backup.name, "looking at the live database")
        guarding.refuse_odd(backup)
        guarding.refuse_ahead(backup)
        live = guarding.look(stack, backup)
        if not self.wanted.accept_shrink:
            guarding.refuse(stack, backup, guarding.losses(stack, backup, live))
        return live

    def new_chain(self) -> bool:
        """Whether a full backup is to be made: wanted, or the old one has rotted."""
        backup, work = self.backup, self.work
        healing.heal_blobs(work.stack, backup)
        work.steps.begin(backup.name, "reading the backup that is there")
        if found := healing.rotten(backup):
            aside = healing.move_away(backup)
            work.control.screen.fail(
                f"note: the backup that was there has rotted: {printable(found[0])}. "
                f"A new full one is made; the old files are in {aside}"
            )
            return True
        return self.wanted.full and repozo.find(backup) is not None

    def execute(self, *, full: bool) -> Result:
        """Run the part's script, after repozo itself where all is to be copied.

        Raises ControlError where one fails.
        """
        backup, folders = self.backup, self.work.stack.folders
        commands: list[tuple[str, ...]] = [(backup.script, "-q")]
        if full:
            words = ("--backup", "-F", "--gzip", "-f", backup.data_file)
            repozo_words = (f"{folders.bin}/repozo", *words, "-r", backup.location)
            commands.insert(0, repozo_words)
        for command in commands:
            self.work.steps.begin(backup.name, f"{command[0]} works")
            done = run.work(
                command,
                cwd=folders.buildout,
                timeout=self.wanted.timeout,
                keep=(self.work.lock,),
            )
            if not done.ok:
                raise ControlError(_said(command[0], done))
        return done

    def note(self, copy: Copy, live: Live) -> Manifest:
        """Write down what a copy holds; ControlError where a blob has changed."""
        backup = self.backup
        data = Path(backup.data_file)
        self.work.steps.begin(backup.name, "writing down what it holds")
        last = filestorage.last_tid(data, copy.size)
        # What was added while it was made.
        more = filestorage.tally(data, live.size, copy.size)
        objects = live.tally.objects + more.objects
        before = manifest.newest(backup)
        known, troubles = manifest.make(copy, last, objects, before)
        if before is None and len(repozo.dates(backup)) > 1:
            troubles += _unlike_live(backup, known)
        _refuse_bad(troubles)
        manifest.save(backup, known)
        return known


def _refuse_full_disk(stack: Stack, backup: Backup) -> None:
    """Refuse while one of the disks has no room for what will be written there."""
    location = Path(backup.location)
    blobs = Path(backup.blob_location) if backup.blob_dir else location
    for folder in (location, blobs):
        folder.mkdir(parents=True, exist_ok=True, mode=0o750)
    before = repozo.find(backup)
    size = Path(backup.data_file).stat().st_size
    grown = size - before.size if before and 0 < before.size <= size else size
    # repozo compresses; half is little for what Plone keeps in its database.
    needed = (
        (location, grown // 2 + SPARE),
        (blobs, sum(_new_blobs(backup, before))),
        (Path(stack.folders.var), assembling.SPARE),
    )
    need_rooms(needed, "this backup")


def _new_blobs(backup: Backup, before: Copy | None) -> Iterator[int]:
    if backup.blob_dir:
        old = before.blobs if before else None
        for name, stat in filestorage.blob_files(Path(backup.blob_dir)):
            if old is None or not (old / name).exists():
                yield stat.st_size


def _judge(backup: Backup, covered: int, steps: Steps) -> Copy:
    """See that a backup holds everything that was there when it began."""
    steps.begin(backup.name, "reading what was written")
    copy = repozo.find(backup)
    if copy is None:
        raise ControlError(f"{backup.script} wrote no backup into {backup.location}.")
    troubles = [text for one in copy.pieces[-1:] if (text := one.trouble())]
    troubles += [
        f"{one} is missing, or no file of its own"
        for one in copy.files
        if one.is_symlink() or not one.is_file()
    ]
    troubles += repozo.unlisted(backup) + copy.gaps
    if not troubles and copy.size < covered:
        troubles.append(
            f"{copy.date} ends at byte {copy.size} of {backup.data_file}, "
            f"which had {covered} when the backup began"
        )
    if not troubles:
        troubles += _blob_troubles(backup, copy)
    _refuse_bad(troubles)
    return copy


def _refuse_bad(troubles: list[str]) -> None:
    if troubles:
        shown = "".join(f"\n    {printable(one)}" for one in troubles[:MOST])
        more = f"\n    and {len(troubles) - MOST} more" if len(troubles) > MOST else ""
        raise ControlError(f"the backup is not good:{shown}{more}")


def _blob_troubles(backup: Backup, copy: Copy) -> list[str]:
    """Compare with the live blobs: those of the copied transactions must be there."""
    if not backup.blob_dir:
        return []
    if copy.blobs is None:
        return [f"there are no blobs of {copy.date} in {backup.blob_location}"]
    last = filestorage.last_tid(Path(backup.data_file), copy.size)
    copied = dict(filestorage.blob_files(copy.blobs))
    troubles = []
    for name, stat in filestorage.blob_files(Path(backup.blob_dir)):
        if filestorage.blob_tid(name) > last:
            continue
        there = copied.get(name)
        if there is None or not S_ISREG(there.st_mode):
            troubles.append(f"the blob {name} was not copied")
        elif there.st_size != stat.st_size:
            size = there.st_size
            troubles.append(f"the blob {name} has {size} bytes, not {stat.st_size}")
    return troubles


def _unlike_live(backup: Backup, known: Manifest) -> list[str]:
    """Compare copies that nobody has summed up yet: most are links to older ones."""
    folder = Path(backup.blob_dir)
    return [
        f"the copy of the blob {name} is not like the live one"
        for name, (_, digest) in known.blobs.items()
        if (folder / name).is_file() and manifest.has_changed(folder / name, digest)
    ]


def _said(program: str, done: Result) -> str:
    why = f"ended with status {done.status}"
    if done.status == run.TOO_SLOW:
        why = "took too long and was ended"
    return f"{program} {why}.{done.said}"
