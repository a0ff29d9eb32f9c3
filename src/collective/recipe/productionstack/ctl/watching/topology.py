"""Who talks to whom, from the visitor to the disk."""

from __future__ import annotations

from collective.recipe.productionstack.daemons.roles import title
from collective.recipe.productionstack.model.chain import BALANCER
from collective.recipe.productionstack.model.chain import CACHE
from collective.recipe.productionstack.model.chain import WEB_SERVER
from collective.recipe.productionstack.model.clients import Client
from collective.recipe.productionstack.model.stack import Stack

Branch = tuple[str, list["Branch"]]
"""A line of the topology and what hangs below it."""


def topology(stack: Stack) -> list[Branch]:
    """Return who talks to whom, from the visitor to the disk."""
    chain, found = stack.chain, _clients(stack)
    if chain.has_balancer:
        shared = chain.is_of_web_server(BALANCER)
        text = f"{chain.balancer}" + ("" if shared else f", statistics {chain.stats}")
        name = f"{title(stack, BALANCER)}{' (balancer)' if shared else ''}"
        found = [(f"{name}  {text}", [*_frontends(stack), *found])]
    if chain.has_cache:
        shared = chain.is_of_web_server(CACHE)
        socket = "" if shared else f", {stack.cache_socket}"
        name = f"{title(stack, CACHE)}{' (cache)' if shared else ''}"
        text = f"{chain.cache}{socket}, purge {chain.purge}"
        found = [(f"{name}  {text}", found)]
    if chain.has_web_server:
        text = f"http {chain.http}" + (f", https {chain.https}" if chain.https else "")
        found = [(f"{title(stack, WEB_SERVER)}  {text}", found)]
    sites: list[Branch] = [(f"{site.url} -> {site.path}", []) for site in stack.sites]
    return [("visitors", [*sites, *_neighbours(stack), *found]), *_beside(stack)]


def _neighbours(stack: Stack) -> list[Branch]:
    origins = {one.host: one.origin for one in stack.virtual_hosts}
    found: list[Branch] = []
    for one in stack.neighbours.applications:
        watched = ", not watched" if one.is_asked else ""
        text = f"{origins[one.host]}{one.path} -> {one.kind} {one.target}{watched}"
        found.append((text, []))
    return found


def _frontends(stack: Stack) -> list[Branch]:
    return [
        (f"{server.name}  {server.address}, pages of {site.name}", [])
        for site in stack.frontends
        for server in (site.frontend.servers if site.frontend else ())
    ]


def _clients(stack: Stack) -> list[Branch]:
    found = [(_client(client), list[Branch]()) for client in stack.zope.clients]
    return [*found, *_storage(stack)]


def _client(client: Client) -> str:
    return (
        f"{client.name}  {client.address}, {client.threads} threads, "
        f"maxconn {client.maxconn}"
    )


def _storage(stack: Stack) -> list[Branch]:
    found: list[Branch] = []
    for one in stack.data.storages:
        files = (f"data {one.data_file}", f"blobs {one.blob_dir}")
        below: list[Branch] = [(text, []) for text in files if not text.endswith(" ")]
        found.append((f"{one.name} (ZEO)  {one.address}", below))
    return found


def _beside(stack: Stack) -> list[Branch]:
    folders = stack.folders
    files = [folders.etc, f"{folders.applied} (applied)", folders.var, folders.sockets]
    found: list[Branch] = []
    if client := stack.zope.debug_client:
        text = f"debug client  {_client(client)}, {client.script}"
        found.append((text, []))
    found += [
        (f"{one.kind}  {one.name}  {' '.join(one.command)}", [])
        for one in stack.announced.programs
        if one.is_extra
    ]
    found.append(("files", [(text, []) for text in dict.fromkeys(files)]))
    found.append(
        (f"logs  {folders.log}", [(log.path, []) for log in stack.announced.logs])
    )
    jobs = [
        (f"{job.schedule}  {job.name}: {job.why}", list[Branch]())
        for job in stack.announced.jobs
    ]
    if jobs:
        found.append(("jobs", list(jobs)))
    return found
