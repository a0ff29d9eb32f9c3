"""``restore``: put a verified backup in the place of the data, or into a folder."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import click

from collective.recipe.productionstack import run
from collective.recipe.productionstack.announced import Health
from collective.recipe.productionstack.ctl import backup as backups
from collective.recipe.productionstack.ctl import copies
from collective.recipe.productionstack.ctl import health
from collective.recipe.productionstack.ctl import running
from collective.recipe.productionstack.ctl import scratch
from collective.recipe.productionstack.ctl import survey
from collective.recipe.productionstack.ctl import task
from collective.recipe.productionstack.ctl import verifying
from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.ctl.copies import Copy
from collective.recipe.productionstack.ctl.swap import Swap
from collective.recipe.productionstack.ctl.task import Verdict
from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.errors import printable
from collective.recipe.productionstack.model import Backup
from collective.recipe.productionstack.model import Stack

Chosen = Sequence[tuple[Backup, Copy]]
STAMP = "restore"
PROBE_SECONDS = 3.0
MOST = 20
DAY = 24 * 3600


@click.command("restore", short_help="Put a verified backup in the place of the data.")
@click.option("--date", default="", help="The newest until then: 2026-11-24[-04[-30]].")
@click.option(
    "--from",
    "source",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A generation that sync-backup made, here.",
)
@click.option(
    "--to",
    "target",
    type=click.Path(path_type=Path),
    help="Restore into this new folder; nothing live is touched.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@task.waiting
@click.pass_obj
def command(  # noqa: PLR0913 (one argument for each option)
    control: Control,
    *,
    date: str,
    source: Path | None,
    target: Path | None,
    yes: bool,
    wait: float,
) -> int:
    """Verify a backup and put it in the place of the data, which is kept aside.

    Refused while anything of the stack runs. When something fails, everything is as
    it was.

    \b
    Example: bin/stack restore
             bin/stack restore --date 2026-11-24
             bin/stack restore --to /srv/staging/data
    """
    stack = control.newest()
    source = source.resolve() if source else None
    chosen = _choose(stack, date, source)
    _prepare(control, stack, target)
    _show(control, chosen, target)
    _ask(yes=yes)

    def work(one: task.Task) -> Verdict:
        if target is not None:
            _verify(one, date, source)
            return _elsewhere(one, chosen, target.resolve())
        # Nothing is started while the data is exchanged.
        with control.lock():
            _verify(one, date, source)
            return _replace(one, control, chosen)

    return task.run(control, STAMP, wait, work)


def _prepare(control: Control, stack: Stack, target: Path | None) -> None:
    """Refuse what cannot be replaced; put back what a killed restore has left."""
    if target is None:
        with control.lock():
            Swap(stack).heal(control.screen)
        _refuse_running(control, stack)
    elif target.exists() and any(target.iterdir()):
        message = f"{target} is not empty. Name a folder that is not there yet."
        raise ControlError(message)


def _ask(*, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise ControlError("nobody can be asked here. Add --yes.")
    if not click.confirm("Go on?", default=False):
        raise ControlError("nothing was changed.")


def _choose(stack: Stack, date: str, source: Path | None) -> Chosen:
    chosen = []
    for one in backups.of(stack):
        copy = copies.find(one, verifying.padded(date), source)
        if copy is None:
            known = ", ".join(copies.dates(one, source)[-5:]) or "none"
            message = f"[{one.name}] has no such backup. There are: {known} (UTC)."
            raise ControlError(message)
        chosen.append((one, copy))
    return chosen


def _refuse_running(control: Control, stack: Stack) -> None:
    seen = survey.take(stack)
    storage = stack.storage
    answers = (
        storage is not None
        and health.probe(Health(address=storage.address.to_connect), PROBE_SECONDS)
        == health.OK
    )
    held = any(running.locked(f"{one.data_file}.lock") for one in stack.backups)
    if not seen.is_empty or answers or held:
        what = "the stack runs" if not seen.is_empty else "something uses the database"
        message = f"{what}: what it writes now would be lost."
        raise ControlError(f"{message} Run {control.script} down first.")


def _show(control: Control, chosen: Chosen, target: Path | None) -> None:
    for backup, copy in chosen:
        size = backups.megabytes(max(0, copy.size))
        control.screen.say(f"Backup {backup.name} of {copy.date} (UTC), {size} of data")
        for place in (backup.data_file, backup.blob_dir):
            if place and target is None:
                control.screen.say(f"  replaces {place}{_state(Path(place))}")
    if target is None:
        control.screen.say("What is replaced is kept beside it.")
    else:
        control.screen.say(f"  goes to {target}; nothing else is touched")


def _state(path: Path) -> str:
    if not path.exists():
        return " (not there now)"
    changed = time.strftime("%Y-%m-%d %H:%M", time.localtime(path.stat().st_mtime))
    if path.is_file():
        return f" ({backups.megabytes(path.stat().st_size)}, changed {changed})"
    return ""


def _verify(work: task.Task, date: str, source: Path | None) -> None:
    settings = verifying.Settings(date=date, root=source)
    for one in work.stack.backups:
        report = verifying.Verification(work, one, settings).run()
        if not report.ok:
            name = f"{one.name} {report.date}"
            lines = [
                f"the backup {name} is not good; nothing was changed.",
                *(f"    {printable(text)}" for text in report.troubles[:MOST]),
                "Try an earlier one: --date",
            ]
            raise ControlError("\n".join(lines))


def _elsewhere(work: task.Task, chosen: Chosen, target: Path) -> Verdict:
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
    return Verdict(f"{dates} is in {target}; point file-storage and blob-storage there")


def _replace(work: task.Task, control: Control, chosen: Chosen) -> Verdict:
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
        _refuse_running(control, work.stack)
        swap.commit()
    except BaseException:
        swap.undo()
        raise
    dates = ", ".join(copy.date for _, copy in chosen)
    return Verdict(
        f"{dates} is in place; what was there is in {swap.aside}. "
        f"Run {control.script} up, look, then delete that"
    )


def _unpack(work: task.Task, copy: Copy, data: Path, blobs: Path | None) -> None:
    """Write the Data.fs and the blobs of a backup; ControlError when that fails."""
    data.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
    with suppress(FileNotFoundError):
        data.unlink()
    if troubles := scratch.assemble(copy, data, work.steps):
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
