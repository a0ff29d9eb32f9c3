"""``backup``: run the buildout's own backup, and judge the result ourselves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from collective.recipe.productionstack.ctl.backups import filestorage
from collective.recipe.productionstack.ctl.backups import manifest
from collective.recipe.productionstack.ctl.backups import repozo
from collective.recipe.productionstack.ctl.backups.manifest import Manifest
from collective.recipe.productionstack.ctl.backups.repozo import Copy
from collective.recipe.productionstack.ctl.jobs.task import Outcome
from collective.recipe.productionstack.ctl.jobs.task import Task
from collective.recipe.productionstack.ctl.screen import Steps
from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.errors import printable
from collective.recipe.productionstack.machine import run
from collective.recipe.productionstack.machine.files import megabytes
from collective.recipe.productionstack.machine.files import need_room
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


def make_all(work: Task, timeout: float) -> Outcome:
    """Back up every part of the stack; return all verdicts and the whole size."""
    verdicts, size = [], 0
    for one in of(work.stack):
        verdict = _one(work, one, timeout)
        verdicts.append(verdict.text)
        size += verdict.size
    return Outcome("; ".join(verdicts), size)


def _one(work: Task, backup: Backup, timeout: float) -> Outcome:
    data = Path(backup.data_file)
    if not data.is_file():
        message = f"there is no {data} yet. Run bin/{work.stack.name} up first."
        raise ControlError(message)
    _refuse_full_disk(backup)
    covered = filestorage.complete_size(data)
    work.steps.begin(backup.name, f"{backup.script} works")
    done = run.work(
        (backup.script, "-q"),
        cwd=work.stack.folders.buildout,
        timeout=timeout,
        keep=(work.lock,),
    )
    if not done.ok:
        raise ControlError(_said(backup, done))
    try:
        copy = _judge(backup, covered, work.steps)
    except ControlError as error:
        raise ControlError(f"{error}{done.said}") from None
    work.steps.begin(backup.name, "writing down what it holds")
    last = filestorage.last_tid(data, copy.size)
    known = manifest.make(copy, last, _newest_manifest(backup))
    manifest.save(backup, known)
    size = sum(size for size, _ in known.files.values())
    work.steps.done(backup.name, f"is whole: {copy.date}")
    return Outcome(
        f"{backup.name} {copy.date}: {megabytes(copy.size)} of data, "
        f"{len(known.blobs)} blobs",
        size,
    )


def _newest_manifest(backup: Backup) -> Manifest | None:
    """Return the newest one that there is: most blobs are in it already."""
    known = (manifest.load(backup, one) for one in reversed(repozo.dates(backup)))
    return next((one for one in known if one), None)


def _refuse_full_disk(backup: Backup) -> None:
    """Refuse while the disk has no room for what will be written."""
    location = Path(backup.location)
    location.mkdir(parents=True, exist_ok=True, mode=0o750)
    before = repozo.find(backup)
    size = Path(backup.data_file).stat().st_size
    grown = size - before.size if before and 0 < before.size <= size else size
    # repozo compresses; half is little for what Plone keeps in its database.
    needed = grown // 2 + SPARE + sum(_new_blobs(backup, before))
    need_room(location, needed, "this backup")


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
    troubles += [f"{one} is missing" for one in copy.files if not one.exists()]
    if not troubles and copy.size < covered:
        troubles.append(
            f"{copy.date} ends at byte {copy.size} of {backup.data_file}, "
            f"which had {covered} when the backup began"
        )
    if not troubles:
        troubles += _blob_troubles(backup, copy)
    if troubles:
        shown = "".join(f"\n    {printable(one)}" for one in troubles[:MOST])
        more = f"\n    and {len(troubles) - MOST} more" if len(troubles) > MOST else ""
        raise ControlError(f"the backup is not good:{shown}{more}")
    return copy


def _blob_troubles(backup: Backup, copy: Copy) -> list[str]:
    """Compare with the live blobs: those of the copied transactions must be there."""
    if not backup.blob_dir:
        return []
    if copy.blobs is None:
        return [f"there are no blobs of {copy.date} in {backup.blob_location}"]
    last = filestorage.last_tid(Path(backup.data_file), copy.size)
    troubles = []
    for name, stat in filestorage.blob_files(Path(backup.blob_dir)):
        if filestorage.blob_tid(name) > last:
            continue
        try:
            there = (copy.blobs / name).stat().st_size
        except OSError:
            troubles.append(f"the blob {name} was not copied")
            continue
        if there != stat.st_size:
            troubles.append(f"the blob {name} has {there} bytes, not {stat.st_size}")
    return troubles


def _said(backup: Backup, done: Result) -> str:
    why = f"ended with status {done.status}"
    if done.status == run.TOO_SLOW:
        why = "took too long and was ended"
    return f"{backup.script} {why}.{done.said}"
