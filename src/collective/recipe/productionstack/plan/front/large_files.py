"""Whether the web server can send the files that Plone names (``xsendfile``)."""

from __future__ import annotations

from collections.abc import Iterator

from collective.recipe.productionstack.daemons import cannot
from collective.recipe.productionstack.errors import Problem
from collective.recipe.productionstack.model.chain import Chain
from collective.recipe.productionstack.model.clients import Client
from collective.recipe.productionstack.model.clients import Zope
from collective.recipe.productionstack.model.stack import Stack
from collective.recipe.productionstack.model.storage import Data
from collective.recipe.productionstack.model.storage import file_variables

OPTION = "xsendfile"
REMOVE = "Remove it"


def problems(
    part: str, chain: Chain, zope: Zope, data: Data, *, alone: bool
) -> Iterator[Problem]:
    """Yield why no file could be sent, where the option is on."""
    if OPTION in {one.option for one in cannot.lacks(chain.web_server)}:
        return  # that is said where the web server is looked at
    whole = "Write it in the part that makes the whole stack"
    storage = data.storage
    if alone:
        found = "one daemon alone cannot: all tiers have to let the names through"
        yield _problem(part, found, f"{whole}.")
    elif not chain.has_web_server:
        yield _problem(part, "no web server is there to send a file", f"{REMOVE}.")
    elif not chain.has_balancer:
        found = "without the balancer nobody sees which names are of files"
        yield _problem(part, found, f"{REMOVE}, or let load-balancer have its default.")
    elif storage is None or not storage.blob_dir:
        found = "the files are not on this machine: no ZEO server with blobs is here"
        yield _problem(part, found, f"{REMOVE}.")
    else:
        for client in zope.clients:
            if client.blob_dir != storage.blob_dir:
                yield _other_folder(part, client, storage.blob_dir)


def _other_folder(part: str, client: Client, blob_dir: str) -> Problem:
    if client.blob_dir:
        found = f"[{client.name}] has its blobs in {client.blob_dir}"
        remedy = f"Write in [{client.name}]: blob-storage = {blob_dir}"
    else:
        found = f"[{client.name}] keeps copies of the files it needs"
        remedy = f"Write in [{client.name}]: shared-blob = on"
    return _problem(part, f"{found}, and the web server sends those of ZEO", remedy)


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
                " Plone sends every file itself (unless another egg brings it). Write:"
                " eggs += collective.xsendfile"
            )
        missing = [one for one in wanted if one not in client.file_variables]
        if missing:
            yield (
                f"[{client.name}] environment-vars: Plone is not told how to name"
                f" files. Write these lines: {'; '.join(missing)}"
            )
