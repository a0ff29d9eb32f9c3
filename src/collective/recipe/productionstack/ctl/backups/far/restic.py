"""A copy of the newest backup in a repository of restic: saved, judged, expired."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

from collective.recipe.productionstack.ctl.backups.far import choosing
from collective.recipe.productionstack.ctl.backups.far import expiry
from collective.recipe.productionstack.ctl.backups.far import noted
from collective.recipe.productionstack.ctl.backups.far import sending
from collective.recipe.productionstack.ctl.backups.far.choosing import Chosen
from collective.recipe.productionstack.ctl.backups.far.proving import Share
from collective.recipe.productionstack.ctl.backups.far.repository import Repository
from collective.recipe.productionstack.ctl.backups.far.repository import Snapshot
from collective.recipe.productionstack.ctl.backups.kept import assembling
from collective.recipe.productionstack.ctl.backups.kept import manifest
from collective.recipe.productionstack.ctl.jobs.task import Task
from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.model.stack import Stack

PASSED = "9999-12-31-23-59-59"
"""The date of every blob folder: with one path for all of them what restic has seen is
not read again, and a restored one is younger than any filestorage."""

PARTS = 28
"""Each copy reads one of so many parts of the repository: four weeks read all."""

DAY = 86400
SAVED = "saved"
REFUSED = re.compile(r"(?i)\b403\b|forbidden|denied|not permitted|append-only")


def send(work: Task, target: str, chosen: Chosen, timeout: float) -> str:
    """Save the newest backups there and have them judged; return a line about that.

    Raises ControlError when it fails; nothing that was saved before is deleted then.
    """
    name = choosing.name_of(chosen)
    far = Repository.of(work, target)
    work.steps.begin("copy", f"looking at {target}")
    there = far.snapshots(make=True)
    known = noted.load(work.stack, target)
    _refuse_future(target, there, name)
    if not any(one.name == name and known.get(name) for one in there):
        _save(far, chosen, name, there, timeout)
        noted.put(work.stack, target, {**known, name: {SAVED: name}})
    part = int(time.time() // DAY) % PARTS + 1
    far.check(f"{part}/{PARTS}", timeout)
    old = _expired(work.stack, there, name)
    held = _forget(far, old, timeout)
    gone = set() if held else {one.name for one in old}
    after = ({one.name for one in there} | {name}) - gone
    noted.put(work.stack, target, {one: {SAVED: one} for one in sorted(after)})
    work.steps.done("copy", f"is whole: {name}")
    text = f"{name} at {target}, {sending.age(name)} old, {len(after)} there"
    return f"{text} ({held})" if held else text


def prove(work: Task, target: str, share: Share, timeout: float) -> str:
    """Let restic read a share of a repository; return a line about that.

    Raises ControlError where it is not good, or a copy is gone.
    """
    far = Repository.of(work, target)
    there = {one.name for one in far.snapshots()}
    if gone := sorted(set(noted.load(work.stack, target)) - there):
        raise ControlError(f"{', '.join(gone)} is gone from {target}")
    if not there:
        raise ControlError(f"there is no copy in {target}")
    far.check(f"{share.part + 1}/{share.parts}", timeout)
    return f"{len(there)} copies in {target}, 1/{share.parts} of the data read"


def _refuse_future(target: str, known: list[Snapshot], name: str) -> None:
    ahead = [one.name for one in known if one.name > name]
    if ahead:
        message = (
            f"{target} has {ahead[-1]}, which is younger than the newest backup here "
            f"({name}): a clock was wrong, or another backup was saved there. Nothing "
            "was saved or deleted. Find out which; then give it another tag."
        )
        raise ControlError(message)


def _save(
    far: Repository, chosen: Chosen, name: str, before: list[Snapshot], timeout: float
) -> None:
    """Save a snapshot; one that is not whole is taken back.

    Raises ControlError when that fails.
    """
    day, clock = name[:10], name[11:].replace("-", ":")
    words = ("--tag", far.tag, "--host", far.host, "--time", f"{day} {clock}")
    # The links of each day are another's, with the same files behind them.
    words = (*words, "--ignore-ctime", *(("--parent", before[-1].id) if before else ()))
    with assembling.folder(far.work.stack) as folder:
        listing = folder / ".files"
        listing.write_text("".join(f"{one}\n" for one in _linked(chosen, folder)))
        far.work.steps.begin("copy", f"restic sends {name}")
        given = ("backup", "-q", "--files-from-verbatim", str(listing), *words)
        done = far.ask(*given, cwd=folder, timeout=timeout)
    if done.ok:
        return
    half = [one.id for one in far.snapshots() if one not in before]
    if half:
        far.ask("forget", *half)
    raise ControlError(far.trouble("backup", done))


def _linked(chosen: Chosen, folder: Path) -> Iterator[str]:
    """Lay links as a generation lies; yield what is to be saved, seen from there."""
    for backup, copy in chosen:
        places = [(Path(backup.location).name, Path(backup.location))]
        noted_in = manifest.path(backup, copy.date)
        places.append((f"{manifest.FOLDER}/{backup.name}", noted_in.parent))
        if copy.blobs is not None:
            inside = Path(choosing.blobs_inside(backup, PASSED))
            places.append((str(inside.parent), copy.blobs.parent))
            yield str(inside)
        for inner, real in places:
            (folder / inner).parent.mkdir(parents=True, exist_ok=True)
            (folder / inner).symlink_to(real)
        yield from (f"{places[0][0]}/{one.name}" for one in copy.files)
        yield f"{places[1][0]}/{noted_in.name}"


def _expired(stack: Stack, there: list[Snapshot], name: str) -> list[Snapshot]:
    """Return what is not to be kept: as `forget --keep-…` says, by our own count.

    So one rule holds for every kind of place and every version of restic.
    """
    kept = expiry.kept({name, *(one.name for one in there)}, stack.data.keeping)
    return [one for one in there if one.name not in kept and not one.pinned]


def _forget(far: Repository, old: list[Snapshot], timeout: float) -> str:
    """Delete what has expired; say why where that must not be, which is no failure.

    Raises ControlError when it fails otherwise.
    """
    if not old:
        return ""
    if sending.doubtful(far.work.stack):
        return sending.HELD
    far.work.steps.begin("copy", f"restic deletes what has expired at {far.target}")
    first, rest = old[0].id, [one.id for one in old[1:]]
    # One at first: where it is refused restic tries long, for each of them.
    for ids in ([first], rest) if rest else ([first],):
        prune = () if rest and ids != rest else ("--prune",)
        done = far.ask("forget", *prune, *ids, timeout=timeout)
        if not done.ok and REFUSED.search(done.text):
            return "what has expired may not be deleted there"
        if not done.ok:
            raise ControlError(far.trouble("forget", done))
    return ""
