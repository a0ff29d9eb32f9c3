"""``pack``: the buildout's own zeopack, in its turn, with a verdict."""

from __future__ import annotations

from pathlib import Path

from collective.recipe.productionstack.ctl.jobs.task import Outcome
from collective.recipe.productionstack.ctl.jobs.task import Task
from collective.recipe.productionstack.daemons import health
from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.machine import run
from collective.recipe.productionstack.machine.files import megabytes
from collective.recipe.productionstack.machine.files import need_room
from collective.recipe.productionstack.machine.run import Result
from collective.recipe.productionstack.model.announced import Health
from collective.recipe.productionstack.model.storage import Storage

PROBE_SECONDS = 5.0


def pack(work: Task, timeout: float) -> Outcome:
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
    # The old database goes when the new one is whole.
    need_room(Path(storage.data_file).parent, before, "a pack")
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
    return Outcome(
        f"{storage.name}: {megabytes(before)} before, {megabytes(after)} after",
        after,
    )


def _size(storage: Storage) -> int:
    return Path(storage.data_file).stat().st_size


def _said(storage: Storage, done: Result) -> str:
    why = f"ended with status {done.status}"
    if done.status == run.TOO_SLOW:
        why = "took too long and was ended (the ZEO server may still pack)"
    return (
        f"{storage.pack_script} {why}. If you cannot pack your database, something is "
        f"wrong with it: see {storage.name}'s log and bin/stack verify-backup."
        f"{done.said}"
    )
