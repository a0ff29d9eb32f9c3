"""``pack``: the buildout's own zeopack, in its turn, with a verdict."""

from __future__ import annotations

from pathlib import Path

from collective.recipe.productionstack.ctl.backups import asking
from collective.recipe.productionstack.ctl.backups import report
from collective.recipe.productionstack.ctl.jobs.task import Outcome
from collective.recipe.productionstack.ctl.jobs.task import Task
from collective.recipe.productionstack.daemons import health
from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.errors import printable
from collective.recipe.productionstack.machine import run
from collective.recipe.productionstack.machine.files import megabytes
from collective.recipe.productionstack.machine.files import need_room
from collective.recipe.productionstack.machine.run import Result
from collective.recipe.productionstack.model.announced import Health
from collective.recipe.productionstack.model.storage import Storage

PROBE_SECONDS = 5.0


def pack(work: Task, timeout: float) -> Outcome:
    """Pack each storage of the stack, and judge the results.

    Raises ControlError when it cannot begin, or did not pack.
    """
    storages = work.stack.data.storages
    if not storages:
        message = f"[{work.stack.name}] has no ZEO server. Pack where the server is."
        raise ControlError(message)
    done = [_pack(work, one, timeout) for one in storages]
    text = "; ".join(one.text for one in done)
    return Outcome(text, sum(one.size for one in done))


def _pack(work: Task, storage: Storage, timeout: float) -> Outcome:
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
        raise ControlError(_said(storage, done, _unpackable(work, storage, timeout)))
    after = _size(storage)
    work.steps.done(storage.name, "is packed")
    return Outcome(
        f"{storage.name}: {megabytes(before)} before, {megabytes(after)} after"
        f"{_kept(storage)}",
        after,
    )


def _kept(storage: Storage) -> str:
    """Say where ZODB has put what was packed away, and how much that is."""
    shown = []
    for place in filter(None, (storage.data_file, storage.blob_dir)):
        old = Path(f"{place}.old")
        if old.exists():
            files = old.rglob("*") if old.is_dir() else (old,)
            size = sum(one.stat().st_size for one in files if one.is_file())
            shown.append(f"{old} ({megabytes(size)})")
    if not shown:
        return ""
    return (
        f"; what was there before is in {' and '.join(shown)}: "
        "delete that when the site is well, or the next pack does"
    )


def _unpackable(work: Task, storage: Storage, seconds: float) -> list[str]:
    """Let the database's own Python name the objects that cannot be read."""
    wanted = {"data": storage.data_file, "script": storage.pack_script}
    try:
        found = asking.ask(work, seconds, wanted).get("faults", {}).get("damaged")
    except ControlError:
        return []  # what the script said is all that is known
    if not found:
        return []
    # Without an object it is where somebody writes just now.
    known = [one for one in found["first"] if one["oid"]]
    return report.lines("damaged", {"first": known, "number": len(known)})


def _size(storage: Storage) -> int:
    return Path(storage.data_file).stat().st_size


def _said(storage: Storage, done: Result, unpackable: list[str]) -> str:
    why = f"ended with status {done.status}"
    if done.status == run.TOO_SLOW:
        why = "took too long and was ended (the ZEO server may still pack)"
    said = done.said
    if unpackable:
        said = "".join(f"\n    {printable(text)}" for text in unpackable)
        said += "\nBring what is named back (restore --object), delete it, pack again."
    return (
        f"{storage.pack_script} {why}. If you cannot pack your database, something is "
        f"wrong with it: see {storage.name}'s log and bin/stack verify-backup.{said}"
    )
