"""Who listens where, and who gets in whose way."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from dataclasses import dataclass

from collective.recipe.productionstack.errors import Problem
from collective.recipe.productionstack.model import Address
from collective.recipe.productionstack.model import Client
from collective.recipe.productionstack.model import Stack
from collective.recipe.productionstack.model import Storage
from collective.recipe.productionstack.options import StackOptions
from collective.recipe.productionstack.options import name_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """Who wants an address, for which option."""

    part: str
    option: str
    address: Address


def of_parts(
    clients: Iterable[Client], storages: Iterable[Storage]
) -> Iterator[Listener]:
    """Yield what the other recipes' parts listen on."""
    for client in clients:
        for address in client.addresses:
            yield Listener(part=client.name, option="http-address", address=address)
    for storage in storages:
        yield Listener(part=storage.name, option="zeo-address", address=storage.address)


USED_BY = {
    "nginx": ("http_address", "https_address"),
    "varnish": ("cache_address", "purge_address"),
    "haproxy": ("balancer_address", "stats_address"),
}


def of_stack(stack: Stack, options: StackOptions) -> Iterator[Listener]:
    """Yield what a stack's own daemons listen on."""
    tiers = {
        "nginx": stack.web_server,
        "varnish": stack.proxy_cache,
        "haproxy": stack.load_balancer,
    }
    for service, names in USED_BY.items():
        elsewhere = stack.alone and not stack.writes(service)
        if tiers[service] == "none" or elsewhere:
            continue
        for name in names:
            address = getattr(stack, name.removesuffix("_address"))
            if address is not None:
                yield Listener(
                    part=stack.name, option=_named(options, name), address=address
                )


def _named(options: StackOptions, name: str) -> str:
    """Return the option that decides an address: its own, else ``port-base``."""
    return name_of(name) if getattr(options, name) is not None else "port-base"


def clashes(listeners: Iterable[Listener]) -> Iterator[Problem]:
    """Yield a problem for every two that cannot listen at the same time."""
    by_port: dict[tuple[int, str], list[Listener]] = {}
    for listener in listeners:
        key = (listener.address.port, listener.address.path)
        for other in by_port.setdefault(key, []):
            if listener.address.clashes_with(other.address):
                yield Problem(
                    part=listener.part,
                    option=listener.option,
                    value=str(listener.address),
                    message=f"[{other.part}] {other.option} wants {other.address} too",
                    remedy="Give one of them another port.",
                )
        by_port[key].append(listener)
