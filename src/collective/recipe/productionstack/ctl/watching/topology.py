"""Who talks to whom, from the visitor to the disk."""

from __future__ import annotations

from collective.recipe.productionstack.model.clients import Client
from collective.recipe.productionstack.model.stack import Stack

Branch = tuple[str, list["Branch"]]
"""A line of the topology and what hangs below it."""


def topology(stack: Stack) -> list[Branch]:
    """Return who talks to whom, from the visitor to the disk."""
    chain: list[Branch] = _clients(stack)
    if stack.load_balancer == "haproxy":
        chain = [(f"HAProxy  {stack.balancer}, statistics {stack.stats}", chain)]
    if stack.proxy_cache == "varnish":
        text = f"Varnish  {stack.cache}, {stack.cache_socket}, purge {stack.purge}"
        chain = [(text, chain)]
    if stack.web_server == "nginx":
        secure = f", https {stack.https}" if stack.https else ""
        chain = [(f"nginx  http {stack.http}{secure}", chain)]
    sites: list[Branch] = [(f"{site.url} -> {site.path}", []) for site in stack.sites]
    return [("visitors", [*sites, *chain]), *_beside(stack)]


def _clients(stack: Stack) -> list[Branch]:
    found = [(_client(client), list[Branch]()) for client in stack.clients]
    return [*found, *_storage(stack)]


def _client(client: Client) -> str:
    return (
        f"{client.name}  {client.address}, {client.threads} threads, "
        f"maxconn {client.maxconn}"
    )


def _storage(stack: Stack) -> list[Branch]:
    if stack.storage is None:
        return []
    files = [f"data {stack.storage.data_file}", f"blobs {stack.storage.blob_dir}"]
    below: list[Branch] = [(text, []) for text in files if not text.endswith(" ")]
    return [(f"{stack.storage.name} (ZEO)  {stack.storage.address}", below)]


def _beside(stack: Stack) -> list[Branch]:
    folders = stack.folders
    files = [folders.etc, f"{folders.applied} (applied)", folders.var, folders.sockets]
    found: list[Branch] = []
    if stack.debug_client:
        text = (
            f"debug client  {_client(stack.debug_client)}, {stack.debug_client.script}"
        )
        found.append((text, []))
    found.append(("files", [(text, []) for text in dict.fromkeys(files)]))
    found.append((f"logs  {folders.log}", [(log.path, []) for log in stack.logs]))
    jobs = [
        (f"{job.schedule}  {job.name}: {job.why}", list[Branch]()) for job in stack.jobs
    ]
    if jobs:
        found.append(("jobs", list(jobs)))
    return found
