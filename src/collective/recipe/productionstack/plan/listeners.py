"""Who listens where, and who gets in whose way."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from dataclasses import dataclass

from collective.recipe.productionstack.errors import Problem
from collective.recipe.productionstack.model.address import Address
from collective.recipe.productionstack.model.chain import LISTENERS
from collective.recipe.productionstack.model.chain import NOBODY
from collective.recipe.productionstack.model.clients import Client
from collective.recipe.productionstack.model.stack import Stack
from collective.recipe.productionstack.model.storage import Storage
from collective.recipe.productionstack.options.load import OPTIONS
from collective.recipe.productionstack.options.load import StackOptions
from collective.recipe.productionstack.options.load import name_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Who wants an address: which option says so, with which value, and for what."""

    part: str
    option: str
    value: str
    address: Address
    purpose: str

    @property
    def derived(self) -> bool:
        """Whether the address follows from an option of another meaning."""
        return self.option != self.purpose


def of_parts(clients: Iterable[Client], storages: Iterable[Storage]) -> Iterator[Claim]:
    """Yield what the other recipes' parts listen on."""
    for client in clients:
        for address in client.addresses:
            yield _typed(client.name, "http-address", address)
    for storage in storages:
        yield _typed(storage.name, "zeo-address", storage.address)


def _typed(part: str, option: str, address: Address) -> Claim:
    return Claim(
        part=part, option=option, value=str(address), address=address, purpose=option
    )


def of_stack(
    stack: Stack, options: StackOptions, faulty: frozenset[str] = frozenset()
) -> Iterator[Claim]:
    """Yield what a stack's own daemons listen on.

    What follows from a faulty option is left out: it is not what the user wants.
    """
    for role, names in LISTENERS.items():
        daemon = stack.chain.filled_by(role)
        if daemon == NOBODY or (stack.alone and not stack.writes(daemon)):
            continue
        for name in names:
            address, option = getattr(stack.chain, name), f"{name}_address"
            if address is None or faulty & {name_of(option), "port-base"}:
                continue
            yield _own(stack.name, options, option, address)
    yield from _of_frontends(stack, options)
    # A worker that is a part of its own has claimed its address there.
    parts = {address for one in stack.zope.workers for address in one.addresses}
    for program in (*stack.extras.before, *stack.extras.after):
        for address in program.listens:
            if address not in parts:
                yield _typed(stack.name, "programs", address)


def _of_frontends(stack: Stack, options: StackOptions) -> Iterator[Claim]:
    """Yield where Node listens: ours, and what others run on this machine."""
    for site in stack.frontends:
        for server in site.frontend.servers if site.frontend else ():
            if site.frontend and site.frontend.folder:
                yield Claim(
                    part=stack.name,
                    option="port-base",
                    value=str(options.port_base),
                    address=server.address,
                    purpose=server.name,
                )
            elif not server.address.is_public:
                yield _typed(stack.name, "sites", server.address)


def _own(part: str, options: StackOptions, name: str, address: Address) -> Claim:
    """Name the option that decides an address: its own, else ``port-base``."""
    if getattr(options, name) is not None:
        return _typed(part, name_of(name), address)
    return Claim(
        part=part,
        option="port-base",
        value=str(options.port_base),
        address=address,
        purpose=name_of(name),
    )


def clashes(listeners: Iterable[Claim]) -> Iterator[Problem]:
    """Yield a problem for every two that cannot listen at the same time."""
    by_port: dict[tuple[int, str], list[Claim]] = {}
    for listener in listeners:
        key = (listener.address.port, listener.address.path)
        for other in by_port.setdefault(key, []):
            if listener.address.clashes_with(other.address):
                yield _clash(listener, other)
        by_port[key].append(listener)


def _clash(listener: Claim, other: Claim) -> Problem:
    """Word a clash for the user to whom either option may belong."""
    wants = f"[{other.part}] {other.purpose} wants {other.address} too"
    remedy = "Give one of them another port."
    if listener.derived:
        wants = f"{listener.purpose} would be {listener.address}, but {wants}"
        remedy = "Write another port-base"
        name = listener.purpose
        remedy += f", or an own {name}." if name in OPTIONS else "."
    return Problem(
        part=listener.part,
        option=listener.option,
        value=listener.value,
        message=wants.removesuffix(" too") if listener.derived else wants,
        remedy=remedy,
    )
