"""Every place that copies go to: each by itself, one that fails stops no other."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass

from collective.recipe.productionstack.ctl.backups.far import choosing
from collective.recipe.productionstack.ctl.backups.far import proving
from collective.recipe.productionstack.ctl.backups.far import restic
from collective.recipe.productionstack.ctl.backups.far import sending
from collective.recipe.productionstack.ctl.backups.far.proving import Share
from collective.recipe.productionstack.ctl.backups.far.remote import Far
from collective.recipe.productionstack.ctl.jobs.task import Outcome
from collective.recipe.productionstack.ctl.jobs.task import Task
from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.model.stack import Stack
from collective.recipe.productionstack.model.storage import RESTIC


def refuse_unset(stack: Stack) -> None:
    """See that there is a place for copies. Raises ControlError where none is set."""
    if not stack.data.keeping.sync_target:
        message = (
            f"[{stack.name}] sync-target is not set. Name a host and a path there."
        )
        raise ControlError(message)


def sync(work: Task, timeout: float) -> Outcome:
    """Copy the newest backups to every place.

    Raises ControlError when one of them fails, after all were tried; the last good copy
    there is as it was then.
    """
    keeping = work.stack.data.keeping
    chosen = choosing.sound(work.stack)

    def one(target: str) -> str:
        if target.startswith(RESTIC):
            return restic.send(work, target, chosen, timeout)
        far = Far.of(target, keeping.sync_key)
        return sending.send(work, far, chosen, timeout)

    text = conclude(_each(keeping.sync_target, one))
    return Outcome(text, choosing.size_of(chosen))


def prove(
    work: Task, targets: Sequence[str], share: Share, timeout: float
) -> list[Told]:
    """Compare what lies at each place with what was sent; return how that ended."""

    def one(target: str) -> str:
        if target.startswith(RESTIC):
            return restic.prove(work, target, share, timeout)
        far = Far.of(target, work.stack.data.keeping.sync_key)
        return proving.prove(work, far, share, timeout)

    return _each(targets, one)


@dataclass(frozen=True, slots=True)
class Told:
    """How something ended at one place."""

    target: str
    ok: bool
    text: str


def conclude(told: Sequence[Told]) -> str:
    """Return what was said of all.

    Raises ControlError that names those where it failed, and says how others ended.
    """
    failed = [one for one in told if not one.ok]
    good = [one.text for one in told if one.ok]
    if not failed:
        return "; ".join(good)
    if len(told) == 1:
        raise ControlError(failed[0].text)
    first = "; ".join(f"{one.target} FAILED" for one in failed)
    others = "".join(f"; good: {text}" for text in good)
    whole = "\n".join(f"{one.target}: {one.text}" for one in failed)
    raise ControlError(f"{first}{others}\n{whole}")


def _each(targets: Sequence[str], do: Callable[[str], str]) -> list[Told]:
    told = []
    for one in targets:
        try:
            told.append(Told(one, ok=True, text=do(one)))
        except (ControlError, OSError) as error:
            told.append(Told(one, ok=False, text=str(error)))
    return told
