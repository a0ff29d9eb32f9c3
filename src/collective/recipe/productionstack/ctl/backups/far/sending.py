"""A copy of the newest backup in a folder, here or far away, as a generation."""

from __future__ import annotations

import calendar
import hashlib
import socket
import tempfile
import time
from pathlib import Path

from collective.recipe.productionstack.ctl.backups.far import choosing
from collective.recipe.productionstack.ctl.backups.far import expiry
from collective.recipe.productionstack.ctl.backups.far import noted
from collective.recipe.productionstack.ctl.backups.far import proving
from collective.recipe.productionstack.ctl.backups.far.choosing import Chosen
from collective.recipe.productionstack.ctl.backups.far.remote import Far
from collective.recipe.productionstack.ctl.backups.kept import repozo
from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.ctl.jobs import outcomes
from collective.recipe.productionstack.ctl.jobs.task import Task
from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.machine import run
from collective.recipe.productionstack.model.stack import Stack

HELD = "nothing has expired: their last verification was not good"
INCOMING, GONE, MARK = ".incoming-", ".gone-", ".copies-of-"


def send(work: Task, far: Far, chosen: Chosen, timeout: float) -> str:
    """Copy the newest backups there; return a line about that.

    Raises ControlError when it fails; the last good copy is as it was then.
    """
    if run.find("rsync") is None:
        raise ControlError("there is no rsync. On Debian: apt-get install rsync")
    name = choosing.name_of(chosen)
    work.steps.begin("copy", f"looking at {far}")
    names = _ours(control=work.control, far=far)
    known = [one for one in names if proving.GENERATION.fullmatch(one)]
    _refuse_future(far, known, name)
    if name not in known or _differs(work, far, chosen, name):
        before = next((one for one in reversed(known) if one != name), "")
        there = name in known
        _send(work, far, chosen, (name, before), timeout, replaces=there)
        known = sorted({*known, name})
        _refuse_other(work, far, chosen, name)
        names += [f"{GONE}{name}"] if there else []
    if gone := sorted(set(noted.load(work.stack, str(far))) - set(known)):
        text = f"note: {', '.join(gone)} is gone from {far}; we did not delete it"
        work.control.screen.fail(text)
    kept = _sweep(work.stack, far, names, known, name)
    noted.save(work.stack, str(far), name, chosen, kept)
    work.steps.done("copy", f"is whole: {name}")
    held = f" ({HELD})" if doubtful(work.stack) else ""
    return f"{name} at {far}, {age(name)} old, {len(kept)} there{held}"


def identity(control: Control) -> str:
    """Return what tells this stack's copies from another's: host, folder and name."""
    text = f"{socket.gethostname()}:{control.directory}:{control.name}"
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _ours(control: Control, far: Far) -> list[str]:
    """Return what lies there; ControlError where another stack keeps its copies."""
    mark = f"{MARK}{identity(control)}"
    names = far.names()
    _refuse_others(far, names, mark)
    if mark not in names:
        far.do("mkdir", "-p", "-m", "700", "--", far.folder)
        far.do("touch", "--", f"{far.folder}/{mark}")
    return names


def _refuse_others(far: Far, names: list[str], mark: str) -> None:
    others = [one for one in names if one.startswith(MARK) and one != mark]
    if others:
        message = (
            f"{far} holds the copies of another stack, which would be deleted in time. "
            f"Use a path of its own; or, if this is that stack on a new machine, "
            f"delete {others[0]} there."
        )
        raise ControlError(message)


def _refuse_other(work: Task, far: Far, chosen: Chosen, name: str) -> None:
    if found := _differs(work, far, chosen, name):
        message = f"{far}/{name} is not what is here, though it was just sent: {found}"
        raise ControlError(f"{message}. Look at the disk there.")


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
        for sources, inner in choosing.parts(backup, copy):
            work.steps.begin("copy", f"sending {inner}")
            far.do("mkdir", "-p", "-m", "750", "--", f"{far.folder}/{incoming}/{inner}")
            like = _like(far, before, inner)
            far.copy(work, sources, f"{incoming}/{inner}", like, timeout)
    if replaces:
        far.keep_pin(name, incoming)
        # Deleted when the new one is found whole; one may be left from a killed run.
        far.do("rm", "-rf", "--", f"{far.folder}/{GONE}{name}")
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


def _differs(work: Task, far: Far, chosen: Chosen, name: str) -> str:
    """Say how the generation there is not what is here; empty when it is."""
    work.steps.begin("copy", f"comparing {name}")
    with tempfile.TemporaryDirectory(dir=work.stack.folders.var) as scratch:
        # As it is to be there, of links: one login compares all of it.
        for backup, copy in chosen:
            for sources, inner in choosing.parts(backup, copy):
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


def _sweep(
    stack: Stack, far: Far, names: list[str], known: list[str], name: str
) -> list[str]:
    """Delete what has expired, and what an interrupted copy has left."""
    kept = expiry.kept(known, stack.data.keeping)
    if doubtful(stack):
        kept = set(known)
    elif kept != set(known):
        kept |= set(far.pinned()) & set(known)
    old = [one for one in known if one not in kept]
    for one in old:
        far.do("mv", "-T", "--", f"{far.folder}/{one}", f"{far.folder}/{GONE}{one}")
    left = [one for one in names if one.startswith((INCOMING, GONE))]
    left = [one for one in left if one != f"{INCOMING}{name}"]
    for one in sorted({*left, *(f"{GONE}{gone}" for gone in old)}):
        far.do("rm", "-rf", "--", f"{far.folder}/{one}")
    return sorted(kept)


def doubtful(stack: Stack) -> bool:
    """Whether a verification of the copies was not good: none of them may expire."""
    stamp = outcomes.load(stack, proving.STAMP)
    return stamp is not None and not stamp.ok


def age(name: str) -> str:
    """Return how old a generation is, for people."""
    made = calendar.timegm(time.strptime(name, "%Y-%m-%d-%H-%M-%S"))
    hours = max(0.0, time.time() - made) / 3600
    return f"{hours:.0f} h" if hours >= 1 else f"{hours * 60:.0f} min"
