"""``restore``: put a verified backup in the place of the data, or into a folder."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from collective.recipe.productionstack.ctl.backups import making
from collective.recipe.productionstack.ctl.backups import verifying
from collective.recipe.productionstack.ctl.backups.exchange import Swap
from collective.recipe.productionstack.ctl.backups.kept import assembling
from collective.recipe.productionstack.ctl.backups.kept import repozo
from collective.recipe.productionstack.ctl.backups.kept.repozo import Copy
from collective.recipe.productionstack.ctl.backups.report import VerifySettings
from collective.recipe.productionstack.ctl.backups.verifying import Verification
from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.ctl.jobs.task import Outcome
from collective.recipe.productionstack.ctl.jobs.task import Task
from collective.recipe.productionstack.ctl.lifecycle import survey
from collective.recipe.productionstack.daemons import health
from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.errors import printable
from collective.recipe.productionstack.machine import locks
from collective.recipe.productionstack.machine import run
from collective.recipe.productionstack.model.announced import Health
from collective.recipe.productionstack.model.stack import Stack
from collective.recipe.productionstack.model.storage import Backup

Chosen = Sequence[tuple[Backup, Copy]]
STAMP = "restore"
PROBE_SECONDS = 3.0
MOST = 20
DAY = 24 * 3600


def choose(stack: Stack, asked: VerifySettings) -> Chosen:
    """Return the backup of each part that is to be put in place.

    A database beside that of the sites may be younger than the backups: without a copy
    it is left out. Raises ControlError where another part has no such backup.
    """
    chosen, date = [], verifying.padded(asked.date)
    beside = {one.data_file for one in stack.data.others}
    for one in making.of(stack):
        copy = repozo.find(one, date, asked.root, unproven=asked.unproven)
        if copy is None and one.data_file in beside:
            continue
        if copy is None:
            raise ControlError(_missing(stack, one, repozo.dates(one, asked.root)))
        chosen.append((one, copy))
    if not chosen:
        message = f"[{stack.name}] has no backup of that time at all."
        raise ControlError(message)
    return chosen


def _missing(stack: Stack, part: Backup, dates: Sequence[str]) -> str:
    if not dates:
        return f"[{part.name}] has no backup yet. Make one: bin/{stack.name} backup"
    known = ", ".join(dates[-5:])
    return f"[{part.name}] has no such backup. There are: {known} (UTC)."


def refuse_running(control: Control, stack: Stack) -> None:
    """See that nothing uses the database.

    Raises ControlError where something does.
    """
    seen = survey.take(stack)
    answers = any(
        health.probe(Health(address=one.address.to_connect), PROBE_SECONDS) == health.OK
        for one in stack.data.storages
    )
    held = any(locks.is_held(f"{one.data_file}.lock") for one in stack.data.backups)
    if not seen.is_empty or answers or held:
        what = "the stack runs" if not seen.is_empty else "something uses the database"
        message = f"{what}: what it writes now would be lost."
        raise ControlError(f"{message} Run {control.script} down first.")


def verify(work: Task, asked: VerifySettings, chosen: Chosen) -> None:
    """Verify what is to be restored, as ``verify-backup`` does.

    Raises ControlError with what is wrong with it.
    """
    for backup, copy in chosen:
        report = Verification(work, backup, asked).run()
        if report.ok:
            continue
        lines = [
            f"the backup {backup.name} {report.date} is not good; nothing was changed.",
            *(f"    {printable(text)}" for text in report.troubles[:MOST]),
            "Try an earlier one: --date",
        ]
        if not asked.unproven and not copy.files[-1].exists():
            lines.append(
                f"Or --unproven: without {copy.files[-1].name} nothing says which "
                "files follow each other; that takes them in the order of their names."
            )
        raise ControlError("\n".join(lines))


def elsewhere(work: Task, chosen: Chosen, target: Path) -> Outcome:
    """Restore into a new folder; leave none when that fails."""
    made = not target.exists()
    try:
        for backup, copy in chosen:
            folder = target / backup.name if len(chosen) > 1 else target
            _unpack(
                work,
                copy,
                folder / "filestorage" / Path(backup.data_file).name,
                folder / "blobstorage",
            )
    except BaseException:
        if made:
            shutil.rmtree(target, ignore_errors=True)
        raise
    dates = ", ".join(copy.date for _, copy in chosen)
    return Outcome(f"{dates} is in {target}; point file-storage and blob-storage there")


def replace(work: Task, control: Control, chosen: Chosen) -> Outcome:
    """Unpack beside the data, then exchange both by renaming."""
    swap = Swap(work.stack)
    try:
        for backup, copy in chosen:
            data, blobs = Path(backup.data_file), Path(backup.blob_dir)
            fresh = swap.fresh(data)
            fresh_blobs = swap.fresh(blobs) if backup.blob_dir else None
            _unpack(work, copy, fresh, fresh_blobs)
            swap.replace(data, fresh, also=(".index", ".tmp", ".old"))
            if fresh_blobs:
                swap.replace(blobs, fresh_blobs)
        refuse_running(control, work.stack)
        swap.commit()
    except BaseException:
        swap.undo()
        raise
    dates = ", ".join(copy.date for _, copy in chosen)
    before = f"what was there is in {swap.aside}" if swap.aside else "nothing was there"
    then = ", look, then delete that" if swap.aside else ", and look"
    return Outcome(f"{dates} is in place; {before}. Run {control.script} up{then}")


def _unpack(work: Task, copy: Copy, data: Path, blobs: Path | None) -> None:
    """Write the Data.fs and the blobs of a backup; ControlError when that fails."""
    data.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
    with suppress(FileNotFoundError):
        data.unlink()
    if troubles := assembling.assemble(copy, data, work.steps):
        raise ControlError("; ".join(troubles))
    if copy.blobs is None or blobs is None:
        return
    work.steps.begin("blobs", "copying them")
    if blobs.exists():
        shutil.rmtree(blobs)
    done = run.work(
        ("cp", "-a", "--reflink=auto", "--", str(copy.blobs), str(blobs)),
        cwd=work.stack.folders.var,
        timeout=DAY,
        keep=(work.lock,),
    )
    if not done.ok:
        raise ControlError(f"the blobs could not be copied: {printable(done.text)}")
    work.steps.done("blobs", "are copied")
