"""``pack``: the buildout's own zeopack, in its turn, with a verdict."""

from __future__ import annotations

import shutil
from pathlib import Path

from collective.recipe.productionstack.ctl.jobs.task import Task
from collective.recipe.productionstack.ctl.jobs.task import Verdict
from collective.recipe.productionstack.daemons import health
from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.errors import printable
from collective.recipe.productionstack.machine import run
from collective.recipe.productionstack.machine.run import Result
from collective.recipe.productionstack.model.announced import Health
from collective.recipe.productionstack.model.storage import Storage

PROBE_SECONDS = 5.0
SAID_LINES = 12
MEGABYTE = 1024**2


def pack(work: Task, timeout: float) -> Verdict:
    """Pack the storage of the stack, and judge the result.

    Raises ControlError when it cannot begin, or did not pack.
    """
    storage = work.stack.data.storage
    if storage is None:
        message = f"[{work.stack.name}] has no ZEO server. Pack where the server is."
        raise ControlError(message)
    answer = health.probe(Health(address=storage.address.to_connect), PROBE_SECONDS)
    if answer != health.OK:
        message = (
            f"the ZEO server {storage.name} does not answer ({answer}). "
            f"Run bin/{work.stack.name} up first."
        )
        raise ControlError(message)
    before = _size(storage)
    _refuse_full_disk(storage, before)
    work.steps.begin(storage.name, f"{storage.pack_script} works")
    done = run.work(
        (storage.pack_script,),
        cwd=work.stack.folders.buildout,
        timeout=timeout,
        keep=(work.lock,),
    )
    if not done.ok:
        raise ControlError(_said(storage, done))
    after = _size(storage)
    work.steps.done(storage.name, "is packed")
    return Verdict(
        f"{storage.name}: {before / MEGABYTE:.1f} MB before, "
        f"{after / MEGABYTE:.1f} MB after",
        after,
    )


def _size(storage: Storage) -> int:
    return Path(storage.data_file).stat().st_size


def _refuse_full_disk(storage: Storage, size: int) -> None:
    """See that there is room: the old database goes when the new one is whole."""
    folder = Path(storage.data_file).parent
    free = shutil.disk_usage(folder).free
    if free < size:
        message = (
            f"{folder} has {free / MEGABYTE:.1f} MB free; a pack may need "
            f"{size / MEGABYTE:.1f} MB, so it was not begun. Make room."
        )
        raise ControlError(message)


def _said(storage: Storage, done: Result) -> str:
    lines = done.text.splitlines()[-SAID_LINES:]
    shown = "".join(f"\n    {printable(line)}" for line in lines)
    why = f"ended with status {done.status}"
    if done.status == run.TOO_SLOW:
        why = "took too long and was ended (the ZEO server may still pack)"
    return (
        f"{storage.pack_script} {why}. If you cannot pack your database, something is "
        f"wrong with it: see {storage.name}'s log and bin/stack verify-backup.{shown}"
    )
