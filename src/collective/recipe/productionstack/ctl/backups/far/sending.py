"""``sync-backup``: a copy of the newest backup on another machine, as a generation."""

from __future__ import annotations

import calendar
import hashlib
import re
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from stat import S_ISREG

from collective.recipe.productionstack.ctl.backups import making
from collective.recipe.productionstack.ctl.backups.far.remote import Far
from collective.recipe.productionstack.ctl.backups.kept import filestorage
from collective.recipe.productionstack.ctl.backups.kept import manifest
from collective.recipe.productionstack.ctl.backups.kept import repozo
from collective.recipe.productionstack.ctl.backups.kept import standing
from collective.recipe.productionstack.ctl.backups.kept.manifest import Manifest
from collective.recipe.productionstack.ctl.backups.kept.repozo import Copy
from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.ctl.jobs import outcomes
from collective.recipe.productionstack.ctl.jobs.task import Outcome
from collective.recipe.productionstack.ctl.jobs.task import Task
from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.machine import run
from collective.recipe.productionstack.model.stack import Stack
from collective.recipe.productionstack.model.storage import Backup

GENERATION = re.compile(r"\d{4}(-\d\d){5}")

INCOMING, GONE, MARK = ".incoming-", ".gone-", ".copies-of-"
Chosen = list[tuple[Backup, Copy]]


def refuse_unset(stack: Stack) -> None:
    """See that there is a place for copies. Raises ControlError where none is set."""
    if not stack.data.keeping.sync_target:
        message = (
            f"[{stack.name}] sync-target is not set. Name a host and a path there."
        )
        raise ControlError(message)


def sync(work: Task, timeout: float) -> Outcome:
    """Copy the newest backups.

    Raises ControlError when one fails; the last good copy is as it was then.
    """
    stack = work.stack
    if run.find("rsync") is None:
        raise ControlError("there is no rsync. On Debian: apt-get install rsync")
    far = Far.of(stack.data.keeping.sync_target, stack.data.keeping.sync_key)
    chosen = _sound(stack)
    name = max(copy.date for _, copy in chosen)
    work.steps.begin("copy", f"looking at {far}")
    names = _ours(control=work.control, far=far)
    known = [one for one in names if GENERATION.fullmatch(one)]
    _refuse_future(far, known, name)
    if name not in known or _differs(work, far, chosen, name):
        before = next((one for one in reversed(known) if one != name), "")
        there = name in known
        _send(work, far, chosen, (name, before), timeout, replaces=there)
        known = sorted({*known, name})
    if found := _differs(work, far, chosen, name):
        message = f"{far}/{name} is not what is here, though it was just sent: {found}"
        raise ControlError(f"{message}. Look at the disk there.")
    _sweep(far, names, known, stack.data.keeping.sync_keep, name)
    kept = known[-stack.data.keeping.sync_keep :]
    work.steps.done("copy", f"is whole: {name}")
    size = sum(max(0, copy.size) for _, copy in chosen)
    return Outcome(f"{name} at {far}, {_age(kept[-1])} old, {len(kept)} there", size)


def _ours(control: Control, far: Far) -> list[str]:
    """Return what lies there; ControlError where another stack keeps its copies."""
    text = f"{socket.gethostname()}:{control.directory}:{control.name}"
    mark = f"{MARK}{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    names = far.names()
    others = [one for one in names if one.startswith(MARK) and one != mark]
    if others:
        message = (
            f"{far} holds the copies of another stack, which would be deleted in time. "
            f"Use a path of its own; or, if this is that stack on a new machine, "
            f"delete {others[0]} there."
        )
        raise ControlError(message)
    if mark not in names:
        far.do("mkdir", "-p", "-m", "700", "--", far.folder)
        far.do("touch", "--", f"{far.folder}/{mark}")
    return names


def _sound(stack: Stack) -> Chosen:
    """Return the newest backups; ControlError for one that must not be copied."""
    for job, what, verb in (
        ("backup", "backup", "backup"),
        ("verify", "verification", "backup, then bin/{name} verify-backup"),
    ):
        stamp = outcomes.load(stack, job)
        if stamp is not None and not stamp.ok:
            message = (
                f"the last {what} was not good ({stamp.verdict}), so nothing is copied "
                f"and nothing deleted. Run bin/{stack.name} {verb}."
            )
            raise ControlError(message.format(name=stack.name))
    chosen = []
    for backup in making.of(stack):
        copy = repozo.find(backup)
        known = manifest.load(backup, copy.date) if copy else None
        if copy is None or known is None:
            message = f"[{backup.name}] has no backup that bin/{stack.name} backup made"
            raise ControlError(f"{message}, so nothing is copied. Run that first.")
        if trouble := _lost(stack, backup, copy, known):
            message = (
                f"the backup {copy.date} is not whole: {trouble}. Nothing is copied"
            )
            raise ControlError(f"{message}; run bin/{stack.name} backup.")
        chosen.append((backup, copy))
    return chosen


def _lost(stack: Stack, backup: Backup, copy: Copy, known: Manifest) -> str:
    """Compare with what was written down; the filestorage's content is read."""
    if found := standing.troubles(stack, backup):
        return found[0]
    if found := manifest.relisted(copy, known):
        return found[0]
    for one in copy.data:
        if trouble := manifest.trouble(one, *known.files.get(one.name, (-1, ""))):
            return trouble
    there = dict(filestorage.blob_files(copy.blobs)) if copy.blobs else {}
    for name, (size, _) in known.blobs.items():
        seen = there.get(name)
        if seen is None or not S_ISREG(seen.st_mode) or seen.st_size != size:
            return f"the blob {name} is missing, no file, or has another size"
    return ""


def _send(  # noqa: PLR0913 (what, whereto, after which, for how long)
    work: Task,
    far: Far,
    chosen: Chosen,
    names: tuple[str, str],
    timeout: float,
    *,
    replaces: bool,
) -> None:
    """Send a generation under a name of passage, then give it its own."""
    name, before = names
    incoming = f"{INCOMING}{name}"
    far.do("mkdir", "-p", "-m", "700", "--", f"{far.folder}/{incoming}")
    for backup, copy in chosen:
        for sources, inner in _parts(backup, copy):
            work.steps.begin("copy", f"sending {inner}")
            far.do("mkdir", "-p", "-m", "750", "--", f"{far.folder}/{incoming}/{inner}")
            like = _like(far, before, inner)
            far.copy(work, sources, f"{incoming}/{inner}", like, timeout)
    if replaces:
        # Deleted when the new one is found whole.
        far.do("mv", "-T", "--", f"{far.folder}/{name}", f"{far.folder}/{GONE}{name}")
    far.do("mv", "-T", "--", f"{far.folder}/{incoming}", f"{far.folder}/{name}")


def _like(far: Far, before: str, inner: str) -> str:
    """Return the folder of the generation before whose files can be linked."""
    if not before:
        return ""
    parent, _, last = inner.rpartition("/")
    if parent and repozo.FOLDER.fullmatch(parent.rpartition("/")[2]):
        # The folder of blobs has a date in its name.
        top = parent.rpartition("/")[0]
        inside = Far(far.host, f"{far.folder}/{before}/{top}", far.key).names()
        return f"{before}/{top}/{inside[-1]}/{last}" if inside else ""
    return f"{before}/{inner}"


def _parts(backup: Backup, copy: Copy) -> Iterator[tuple[list[str], str]]:
    """Yield what is copied, and the folder of a generation where it goes.

    Blobs come first: a filestorage without its blobs would look like a backup.
    """
    if copy.blobs is not None:
        # Named as the filestorage: a later copy of the same may lie elsewhere here.
        folder = Path(backup.blob_location).name
        blobs = copy.blobs.name
        yield [f"{copy.blobs}/"], f"{folder}/{blobs}.{copy.date}/{blobs}"
    files = [str(one) for one in copy.files]
    yield files, Path(backup.location).name
    noted = manifest.path(backup, copy.date)
    yield [str(noted)], f"{manifest.FOLDER}/{backup.name}"


def _differs(work: Task, far: Far, chosen: Chosen, name: str) -> str:
    """Say how the generation there is not what is here; empty when it is."""
    work.steps.begin("copy", f"comparing {name}")
    with tempfile.TemporaryDirectory(dir=work.stack.folders.var) as scratch:
        # As it is to be there, of links: one login compares all of it.
        for backup, copy in chosen:
            for sources, inner in _parts(backup, copy):
                place = Path(scratch, inner)
                if sources[0].endswith("/"):
                    place.parent.mkdir(parents=True, exist_ok=True)
                    place.symlink_to(sources[0].rstrip("/"))
                    continue
                place.mkdir(parents=True, exist_ok=True)
                for one in sources:
                    (place / Path(one).name).symlink_to(one)
        return far.differs(work, f"{scratch}/", name)


def _refuse_future(far: Far, known: list[str], name: str) -> None:
    """Refuse where a generation is named younger than the one that is to be sent.

    Raises ControlError: what is newest could not be told by its name any more, and the
    wrong one would be deleted.
    """
    ahead = [one for one in known if one > name]
    if ahead:
        message = (
            f"{far} has {ahead[-1]}, which is younger than the newest backup here "
            f"({name}): a clock was wrong, or another backup was copied there. "
            "Nothing was copied or deleted. Find out which; then move it elsewhere."
        )
        raise ControlError(message)


def _sweep(far: Far, names: list[str], known: list[str], keep: int, name: str) -> None:
    """Delete what is older than wanted, and what an interrupted copy has left."""
    for one in known[:-keep]:
        far.do("mv", "-T", "--", f"{far.folder}/{one}", f"{far.folder}/{GONE}{one}")
    left = [one for one in names if one.startswith((INCOMING, GONE))]
    left = [one for one in left if one != f"{INCOMING}{name}"]
    for one in {*left, *(f"{GONE}{old}" for old in known[:-keep])}:
        far.do("rm", "-rf", "--", f"{far.folder}/{one}")


def _age(name: str) -> str:
    made = calendar.timegm(time.strptime(name, "%Y-%m-%d-%H-%M-%S"))
    hours = max(0.0, time.time() - made) / 3600
    return f"{hours:.0f} h" if hours >= 1 else f"{hours * 60:.0f} min"
