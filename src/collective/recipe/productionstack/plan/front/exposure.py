"""What an application may not lay open: the tiers behind, the database, the stack."""

from __future__ import annotations

import os
from collections.abc import Iterable
from collections.abc import Iterator
from pathlib import Path

from collective.recipe.productionstack.errors import Problem
from collective.recipe.productionstack.model.address import Address
from collective.recipe.productionstack.model.application import Application
from collective.recipe.productionstack.model.stack import Stack
from collective.recipe.productionstack.plan.listeners import Claim

SYSTEM = frozenset(
    [
        "/",
        "/boot",
        "/dev",
        "/etc",
        "/home",
        "/proc",
        "/root",
        "/run",
        "/sys",
        "/usr",
        "/var",
    ]
)
"""Folders of the system that are nobody's files."""

Wrong = tuple[str, str]
"""What is wrong, and what to write."""


def problems(stack: Stack, claims: Iterable[Claim]) -> Iterator[Problem]:
    """Yield the applications that would be a way around the front."""
    known = [one for one in claims if one.option != "programs"]
    for application in stack.neighbours.applications:
        if application.is_asked:
            wrong = _address(stack, application.address, known)
        else:
            wrong = None
        if application.root:
            wrong = wrong or _root(stack, application)
        if wrong:
            yield Problem(
                part=stack.name,
                option="application",
                value=f"{application.place} {application.kind} {application.target}",
                message=wrong[0],
                remedy=wrong[1],
            )


def _address(stack: Stack, address: Address, claims: list[Claim]) -> Wrong | None:
    """Return whose address that is, if it is one of ours."""
    for one in claims:
        if address.clashes_with(one.address.to_connect):
            message = (
                f"that is {one.purpose} of [{one.part}]: visitors would get past all"
                " that protects it"
            )
            return message, "Write where the application itself answers."
    ours = (stack.folders.var, stack.folders.sockets)
    if address.path and any(_holds(folder, address.path) for folder in ours):
        message = "sockets of the stack itself lie in that folder"
        return message, "Let the application listen in another one."
    return None


def _root(stack: Stack, application: Application) -> Wrong | None:
    """Return why a folder is not for everybody."""
    root = os.path.realpath(application.root)
    if not Path(root).is_dir():
        message = f"there is no folder {application.root}"
        return message, "Make it, or name another."
    if not os.access(root, os.R_OK | os.X_OK):
        message = f"the user of this stack cannot read {root}"
        return message, f"Run: chmod a+rx {root}"
    if root in SYSTEM:
        message = f"{root} is no folder of an application"
        return message, "Name the one with its files."
    for private in _private(stack):
        if _holds(root, private) or _holds(private, root):
            message = f"{private} is not for everybody, and would be"
            return message, "Name a folder that holds its files and nothing else."
    return None


def _private(stack: Stack) -> Iterator[str]:
    """Yield where configuration, state, logs, data and copies of them are."""
    places, base = stack.folders, stack.folders.buildout
    yield from (str(Path(places.etc).parent), f"{base}/var", places.var, places.log)
    yield from (f"{base}/parts", f"{base}/bin", places.sockets)
    for storage in stack.data.storages:
        files = (str(Path(storage.data_file).parent), storage.blob_dir)
        yield from filter(None, files if storage.data_file else files[1:])
    for backup in stack.data.backups:
        yield from filter(None, (backup.location, backup.blob_location))


def _holds(folder: str, path: str) -> bool:
    """Whether a path is a folder or lies in it, once links are followed."""
    outer, inner = os.path.realpath(folder), os.path.realpath(path)
    return inner == outer or inner.startswith(f"{outer.rstrip('/')}/")
