"""What is not ready for production, each with the exact line to write."""

from __future__ import annotations

import os
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path

from collective.recipe.productionstack.daemons import cannot
from collective.recipe.productionstack.daemons import low_ports
from collective.recipe.productionstack.daemons import outdated
from collective.recipe.productionstack.model.chain import CACHE
from collective.recipe.productionstack.model.chain import LISTENERS
from collective.recipe.productionstack.model.chain import NOBODY
from collective.recipe.productionstack.model.chain import ROLES
from collective.recipe.productionstack.model.clients import Client
from collective.recipe.productionstack.model.stack import Stack
from collective.recipe.productionstack.model.storage import Storage
from collective.recipe.productionstack.plan.front import certificates
from collective.recipe.productionstack.plan.front import hosts
from collective.recipe.productionstack.plan.front import large_files
from collective.recipe.productionstack.plan.front import visitors

WHAT = {
    "cache": "pages past the web server's refusals",
    "purge": "the cache is emptied",
    "balancer": "Zope is reached past the web server's refusals",
    "stats": "statistics are shown",
}


def warnings(stack: Stack, *, given: Callable[[str, str], bool]) -> Iterator[str]:
    """Yield what is not production-ready, with the exact line to write.

    ``given(part, option)`` tells whether the user wrote that option.
    """
    for client in stack.zope.all_clients:
        yield from _client_warnings(client)
    for storage in stack.data.storages:
        if storage.address.is_public:
            yield _public_zeo(stack, storage, given=given)
    yield from _zeo_warnings(stack)
    yield from _blob_warnings(stack)
    yield from _listeners(stack)
    yield from _fronts(stack, given=given)
    yield from _lacking(stack, given=given)
    yield from _without_effect(stack, given=given)
    yield from _stars(stack)
    yield from _old(stack)
    yield from _secrets(stack)
    yield from certificates.warnings(stack)
    yield from _missing_programs(stack)
    yield from large_files.warnings(stack)
    yield from _low_ports(stack)


def _public_zeo(
    stack: Stack, storage: Storage, *, given: Callable[[str, str], bool]
) -> str:
    where = f"ZEO listens on {storage.address} and asks for no password"
    if not stack.zope.all_clients:
        # Its clients are on other machines, which a private address would shut out.
        remedy = "Let a firewall take connections there from your clients alone"
    elif given(storage.name, "zeo-address"):
        remedy = (
            f"Write: zeo-address = 127.0.0.1:{storage.address.port},"
            " or remove it to get a Unix socket"
        )
    else:
        remedy = f"Write: zeo-address = {stack.socket(storage.name)}"
    return f"[{storage.name}] zeo-address: {where}. {remedy}"


def _listeners(stack: Stack) -> Iterator[str]:
    """Yield the inner listeners that other machines reach."""
    fronts = [role for role in ROLES if stack.chain.filled_by(role) != NOBODY]
    for role in fronts:
        for name in LISTENERS[role]:
            address = getattr(stack.chain, name)
            outermost = role == fronts[0] and name not in {"purge", "stats"}
            if address and address.is_public and not (outermost or stack.alone):
                yield (
                    f"[{stack.name}] {name}-address: {WHAT[name]} on {address}, for"
                    f" everybody. Write: {name}-address = 127.0.0.1:{address.port}"
                )


def _fronts(stack: Stack, *, given: Callable[[str, str], bool]) -> Iterator[str]:
    """Yield the sites whose visitors all seem to be what stands in front."""
    if host := visitors.hidden(stack.sites, stack.chain):
        limits = "" if given(stack.name, "rate-limits") else " and no limit is set"
        yield (
            f"[{stack.name}] sites: {host} is https elsewhere, so every visitor seems"
            f" to come from there{limits}. Write its address:"
            " trusted-proxies = 127.0.0.1"
        )


def _lacking(stack: Stack, *, given: Callable[[str, str], bool]) -> Iterator[str]:
    """Yield what the web server does not do, by its nature or for a reason."""
    lacking = cannot.lacks(stack.chain.web_server)
    for lack in lacking:
        chosen = getattr(stack.front, lack.field) != lack.instead
        if chosen and given(stack.name, lack.option):
            yield f"[{stack.name}] {lack.option}: {lack.what}. {lack.remedy}"
    could = "micro-cache" not in {one.option for one in lacking}
    could = could and not stack.chain.is_of_web_server(CACHE)
    off = stack.front.micro_cache == "off" and could
    if off and not given(stack.name, "micro-cache"):
        yield (
            f"[{stack.name}] micro-cache: off, since {stack.folders.templates}/"
            f"{stack.chain.proxy_cache} holds templates of yours, and the web server"
            " would answer before them. Where they do not look at who asks, write:"
            " micro-cache = on"
        )


def _without_effect(
    stack: Stack, *, given: Callable[[str, str], bool]
) -> Iterator[str]:
    """Yield what somebody in the chain has no means for, where that does no harm."""
    for one in cannot.excesses(stack.chain):
        if not one.refused and given(stack.name, one.option) and not stack.alone:
            yield f"[{stack.name}] {one.option}: {one.what}. {one.remedy}"


def _old(stack: Stack) -> Iterator[str]:
    for option, what in outdated.shortcomings(stack):
        yield f"[{stack.name}] {option}: {what}"


def _stars(stack: Stack) -> Iterator[str]:
    """Yield the names with a star that hold hosts of other sites."""
    owners = {host: site.host for site in stack.virtual_hosts for host in site.hosts}
    for star, host in hosts.covered(owners):
        yield (
            f"[{stack.name}] sites: {star} of {owners[star]} covers {host} too, which"
            f" goes to {owners[host]}: the more special name wins"
        )


def _low_ports(stack: Stack) -> Iterator[str]:
    chain = stack.chain
    if not chain.has_web_server:
        return
    for option, address in (("http", chain.http), ("https", chain.https)):
        why = low_ports.trouble(address.port, stack.folders.buildout) if address else ""
        if why:
            yield f"[{stack.name}] {option}-address = {address}: {why.rstrip('.')}"


def _missing_programs(stack: Stack) -> Iterator[str]:
    """Yield what is to be run and is not there; ``bin/…`` may be made later on."""
    for program in (*stack.extras.before, *stack.extras.after):
        path = program.command[0]
        inside = path.startswith(f"{stack.folders.buildout}/")
        if not inside and not os.access(path, os.X_OK):
            yield (
                f"[{stack.name}] programs: {program.name}: this machine has no "
                f"{path} that can be run. Install it before bin/{stack.name} up"
            )


def _secrets(stack: Stack) -> Iterator[str]:
    """Yield the key that is not there."""
    key = stack.data.keeping.sync_key
    if key and not Path(key).is_file():
        yield (
            f"[{stack.name}] sync-key = {key}: no such file, so no copy can be made."
            f" Run: ssh-keygen -t ed25519 -N '' -f {key}"
        )


def _client_warnings(client: Client) -> Iterator[str]:
    for address in client.addresses:
        if address.is_public:
            yield (
                f"[{client.name}] http-address: Zope listens on {address}, past the web"
                f" server. Write: http-address = 127.0.0.1:{address.port}"
            )
    if client.fast_listen:
        yield (
            f"[{client.name}] http-fast-listen is on: the port opens before Zope can"
            " answer. Write: http-fast-listen = off"
        )
    if any(log.how == "truncate" for log in client.logs):
        yield (
            f"[{client.name}] a log loses lines at rotation. Write: event-log-handler ="
            " logging.handlers.WatchedFileHandler, and the same for access-log-handler"
        )


def _blob_warnings(stack: Stack) -> Iterator[str]:
    parts = stack.data.backups
    copied = {one.blob_dir for one in parts if one.blobs}
    without = next((one.name for one in parts if not one.blobs), "")
    left = [one for one in stack.data.storages if one.blob_dir not in {*copied, ""}]
    if without and left and not stack.alone:
        yield (
            f"[{without}] backup_blobs = false: the site's files and images are "
            "in no backup. Remove the option, unless something else copies them"
        )


def _zeo_warnings(stack: Stack) -> Iterator[str]:
    if stack.data.storage is None:
        return
    storage = stack.data.storage
    if not (storage.address.path or storage.address.is_public):
        yield (
            f"[{storage.name}] zeo-address = {storage.address}: every user and daemon"
            " of this machine can read and write the database there. Remove the option"
            " where it stands to get a Unix socket"
        )
    target = storage.address.to_connect
    for client in stack.zope.all_clients:
        asked = {address.to_connect for address in client.zeo_addresses}
        if target not in asked:
            shown = " ".join(map(str, client.zeo_addresses))
            yield (
                f"[{client.name}] zeo-address = {shown}: the ZEO server"
                f" [{stack.data.storage.name}] listens on {stack.data.storage.address}."
                f" Write: zeo-address = {target}"
            )
