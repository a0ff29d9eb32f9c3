"""``restore --object``: bring one object back, beside what is there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from collective.recipe.productionstack.ctl.backups.kept import assembling
from collective.recipe.productionstack.ctl.backups.kept import manifest
from collective.recipe.productionstack.ctl.backups.kept import repozo
from collective.recipe.productionstack.ctl.backups.kept.repozo import Copy
from collective.recipe.productionstack.ctl.backups.restoring import Chosen
from collective.recipe.productionstack.ctl.jobs.task import Outcome
from collective.recipe.productionstack.ctl.jobs.task import Task
from collective.recipe.productionstack.ctl.plone import ask
from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.errors import printable
from collective.recipe.productionstack.model.stack import Stack
from collective.recipe.productionstack.model.storage import Backup

SECONDS = 6 * 3600
"""A large database without an index is read whole before anything is found in it."""

LOCK_SECONDS = 60
DATES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedObject:
    """The path of an object in the database, and the site that it belongs to."""

    path: str
    site: str


def wanted(stack: Stack, path: str) -> WantedObject:
    """Return what a path means.

    Raises ControlError where it lies in no site of this stack.
    """
    words = [one for one in path.split("/") if one]
    clean = f"/{'/'.join(words)}"
    for site in ask.sites(stack):
        if clean.startswith(f"{site.path}/") and not {".", ".."} & set(words):
            return WantedObject(path=clean, site=site.path)
    shown = ", ".join(f"{site.path}/…" for site in ask.sites(stack)) or "no site"
    message = (
        f"--object {path}: name an object within a site by its path in the database: "
        f"{shown}. For everything: bin/{stack.name} restore without --object."
    )
    raise ControlError(message)


def of_site(stack: Stack, chosen: Chosen) -> tuple[Backup, Copy]:
    """Return the backup of the database that the sites are in."""
    data_file = stack.data.storage.data_file if stack.data.storage else ""
    return next((one for one in chosen if one[0].data_file == data_file), chosen[0])


def bring(
    work: Task, chosen: Chosen, asked: WantedObject, source: Path | None
) -> Outcome:
    """Put a backup together in a scratch folder, and let Zope take the object from it.

    Raises ControlError where the backup is not whole, or has no such object.
    """
    stack, control = work.stack, work.control
    client = ask.client(control, stack)
    backup, copy = of_site(stack, chosen)
    noted = str(manifest.path(backup, copy.date, source))
    if not manifest.load(backup, copy.date, source):
        noted = ""
        work.steps.say(f"{copy.date} has no manifest: its blobs cannot be compared")
    with assembling.folder(stack) as folder:
        data = folder / "Data.fs"
        if troubles := assembling.assemble(copy, data, work.steps):
            message = f"{'; '.join(troubles)}. Nothing was changed; try an earlier "
            raise ControlError(f"{message}--date.")
        told = {
            "data": str(data),
            "blobs": str(copy.blobs or ""),
            "manifest": noted,
            "path": asked.path,
            "site": asked.site,
            "date": copy.date,
            "suffix": f"-restored-{copy.date[:10]}",
        }
        work.steps.begin(client.name, f"brings {asked.path} back")
        with control.lock(LOCK_SECONDS):
            found = ask.ask(stack, client, "objects", told, SECONDS)
        work.steps.done(client.name, "was asked")
    if "trouble" in found:
        raise ControlError(_worded(stack, asked, (backup, copy), source, found))
    return Outcome(_said(asked, copy, found))


def _said(asked: WantedObject, copy: Copy, found: dict[str, Any]) -> str:
    state = f", {found['state']} as it was" if found["state"] else ""
    beside = "; the one that is there is untouched" if found["was_there"] else ""
    return (
        f"{asked.path} of {copy.date} is back as {printable(found['path'])} "
        f"({found['objects']} objects, {found['blobs']} blobs{state}){beside}"
    )


def _holding(found: dict[str, Any]) -> str:
    """Say what is where the way to an object ends; empty where that is not known."""
    if "holder" not in found:
        return ""
    more = f" and {found['more']} more" if found["more"] else ""
    ids = printable(", ".join(found["ids"])) or "nothing"
    return f"{found['holder']} holds {ids}{more}"


def _worded(
    stack: Stack,
    asked: WantedObject,
    chosen: tuple[Backup, Copy],
    source: Path | None,
    found: dict[str, Any],
) -> str:
    backup, copy = chosen
    known = repozo.dates(backup, source)
    dates = ", ".join(known[-DATES:])
    try_another = f"Try another --date; there are: {dates} (UTC)."
    there = _holding(found)
    above = asked.path.rpartition("/")[0]
    texts = {
        "not in it": (
            f"the backup {copy.date} has no {asked.path}: there {there}. {try_another}"
        ),
        "no folder": (
            f"{above}, which held it, is gone too: now {there}. Bring that back with "
            f"all that is in it: bin/{stack.name} restore --object {above}"
        ),
        "holds its holder": (
            f"{asked.path} refers to what it lies in, so all of that would come along. "
            f"Look at it with bin/{stack.name} restore --to FOLDER."
        ),
        "blob": (
            f"a blob of {asked.path} is not good: {found.get('text', '')}. Nothing was "
            f"changed. {try_another}"
        ),
        "busy": (
            f"{above or asked.site} was changed by somebody else each time that it was "
            "tried; nothing was changed by us. Try again when it is quieter."
        ),
        "missing": f"there is no {asked.site} in the database. Restore all of it.",
        "no site": f"{asked.site} is no Plone site. Restore all of it.",
    }
    return texts.get(found["trouble"], str(found["trouble"]))
