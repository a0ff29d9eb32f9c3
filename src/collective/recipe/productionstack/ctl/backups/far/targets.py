"""Every place that copies go to: each by itself, one that fails stops no other."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence

from collective.recipe.productionstack.ctl.backups.far import choosing
from collective.recipe.productionstack.ctl.backups.far import sending
from collective.recipe.productionstack.ctl.backups.far.remote import Far
from collective.recipe.productionstack.ctl.jobs.task import Outcome
from collective.recipe.productionstack.ctl.jobs.task import Task
from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.model.stack import Stack


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
        far = Far.of(target, keeping.sync_key)
        return sending.send(work, far, chosen, timeout)

    return Outcome(each(keeping.sync_target, one), choosing.size_of(chosen))


def each(targets: Sequence[str], do: Callable[[str], str]) -> str:
    """Do something at each place; return what was said of all.

    Raises ControlError that names those where it failed, and says how others ended.
    """
    said: dict[str, str] = {}
    failed: dict[str, str] = {}
    for one in targets:
        try:
            said[one] = do(one)
        except (ControlError, OSError) as error:
            failed[one] = str(error)
    if not failed:
        return "; ".join(said.values())
    if len(targets) == 1:
        raise ControlError(*failed.values())
    first = "; ".join(f"{one} FAILED" for one in failed)
    good = "".join(f"; good: {text}" for text in said.values())
    whole = "\n".join(f"{one}: {text}" for one, text in failed.items())
    raise ControlError(f"{first}{good}\n{whole}")
