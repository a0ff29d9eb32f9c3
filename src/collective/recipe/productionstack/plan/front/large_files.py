"""Whether the web server can send the files that Plone names (``xsendfile``)."""

from __future__ import annotations

from collections.abc import Container
from collections.abc import Iterable
from collections.abc import Iterator

from collective.recipe.productionstack.daemons import cannot
from collective.recipe.productionstack.errors import Problem
from collective.recipe.productionstack.model.chain import NOBODY
from collective.recipe.productionstack.model.chain import ROLES
from collective.recipe.productionstack.model.chain import Chain
from collective.recipe.productionstack.model.clients import Client
from collective.recipe.productionstack.model.clients import Zope
from collective.recipe.productionstack.model.stack import Stack
from collective.recipe.productionstack.model.storage import Data
from collective.recipe.productionstack.model.storage import file_variables

OPTION = "xsendfile"


def problems(
    part: str, services: Container[str], chain: Chain, zope: Zope, data: Data
) -> Iterator[Problem]:
    """Yield why no file could be sent, where the option is on.

    ``services`` are those whose files the part writes.
    """
    if OPTION in {one.option for one in cannot.lacks(chain.web_server)}:
        return  # that is said where the web server is looked at
    storage = data.storage
    tiers = {chain.filled_by(role) for role in ROLES} - {NOBODY}
    others = sorted(one for one in tiers if one not in services)
    if others:
        message = f"{' and '.join(others)} would have to know, and another writes that"
        remedy = "Remove it, or let one part write all of them."
    elif not chain.has_web_server:
        message = "no web server is there to send a file"
        remedy = "Remove it."
    elif not chain.has_balancer:
        message = "without the balancer nobody sees which names are of files"
        remedy = "Remove it, or let load-balancer have its default."
    elif storage is None or not storage.blob_dir:
        message = "the files are not on this machine: no ZEO server with blobs is here"
        remedy = "Remove it."
    else:
        yield from _other_folders(part, zope.clients, storage.blob_dir)
        return
    yield _problem(part, message, remedy)


def _other_folders(
    part: str, clients: Iterable[Client], blob_dir: str
) -> Iterator[Problem]:
    """Yield the clients whose blobs are not those that the web server would send."""
    for client in clients:
        if client.blob_dir != blob_dir:
            has = client.blob_dir or "copies of the files it needs"
            message = f"[{client.name}] has {has}, and ZEO's files are in {blob_dir}"
            remedy = (
                f"Write in [{client.name}]: shared-blob = on, blob-storage = {blob_dir}"
            )
            yield _problem(part, message, remedy)


def _problem(part: str, message: str, remedy: str) -> Problem:
    return Problem(part=part, option=OPTION, value="on", message=message, remedy=remedy)


def warnings(stack: Stack) -> Iterator[str]:
    """Yield the clients that name no file, with the exact lines to write."""
    if not stack.sends_files:
        return
    wanted = file_variables(stack.blob_dir)
    for client in stack.zope.clients:
        if not client.has_xsendfile:
            yield (
                f"[{client.name}] eggs: collective.xsendfile is not among them, so"
                " Plone sends every file itself, unless another egg brings it. Add to"
                " them: collective.xsendfile"
            )
        missing = [one for one in wanted if one not in client.file_variables]
        if missing:
            yield (
                f"[{client.name}] environment-vars: Plone is not told how to name"
                f" files. Write these lines: {'; '.join(missing)}"
            )
