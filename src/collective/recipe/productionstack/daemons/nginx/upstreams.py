"""The clients as nginx is told of them: in its file, and while some get nothing new.

nginx is told by files alone. Who is drained stands in two further ones below var, which
the file of the tree includes while they are there. Their names hold what the tree says
of the clients: with another tree they count for nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path

from collective.recipe.productionstack.machine import state
from collective.recipe.productionstack.machine.files import write_atomically
from collective.recipe.productionstack.model.stack import Stack

ANYBODY, LOGGED_IN = "plone", "plone-login"
"""The upstreams of all clients: for everybody, and for who stays with one client."""

LEFT = "left-"
"""How the names of the upstreams begin that stand for those while some are drained."""

WATCHED = "max_fails=1 fail_timeout=2s"
"""One that does not answer is asked again two seconds later, by one request."""


@dataclass(frozen=True, kw_only=True)
class Differing:
    """What differs from the tree: who gets nothing new, and who was added for now."""

    drained: frozenset[str] = frozenset()
    removed: frozenset[str] = frozenset()
    added: Mapping[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Whether anything differs."""
        return bool(self.drained or self.removed or self.added)


def text(stack: Stack, told: Differing | None = None) -> str:
    """Return the upstreams: of the tree, or what stands for them."""
    balancing = stack.zope.balancing
    how = {
        "roundrobin": "",
        "source": f"hash $balanced_source consistent; # {stack.origin('balance')}",
    }
    usual = f"least_conn; # {stack.origin('balance')}"
    found = list(_upstream(stack, ANYBODY, how.get(balancing.algorithm, usual), told))
    if balancing.sticky:
        by_login = f"hash $balanced_login consistent; # {stack.origin('sticky')}"
        found += _upstream(stack, LOGGED_IN, by_login, told)
    return "\n".join((*found, ""))


def _upstream(
    stack: Stack, name: str, how: str, told: Differing | None
) -> Iterator[str]:
    name = f"{LEFT}{name}" if told else name
    yield f"upstream {name} {{"
    # Workers count together what each client has.
    yield f"    zone {name} 256k;"
    if how:
        yield f"    {how}"
    away = told.drained | told.removed if told else frozenset()
    for client in stack.zope.clients:
        down = " down" if client.name in away else ""
        yield f"    server {client.address} {WATCHED}{down}; # [{client.name}]"
    for client_name, address in sorted(told.added.items() if told else ()):
        down = " down" if client_name in away else ""
        yield f"    server {address} {WATCHED}{down}; # {client_name}, added"
    yield "    keepalive 16;"
    yield "    keepalive_timeout 10s;"
    yield "}"


def left_file(stack: Stack, kind: str) -> str:
    """Return the path of a file that is there while anything differs from the tree."""
    digest = hashlib.sha256(text(stack).encode()).hexdigest()[:12]
    return f"{stack.folders.var}/nginx-{LEFT}{digest}.{kind}"


def load(stack: Stack) -> Differing:
    """Return what differs from the tree just now."""
    found = state.read(_state(stack))
    return Differing(
        drained=frozenset(found.get("drained", ())),
        removed=frozenset(found.get("removed", ())),
        added=dict(found.get("added", {})),
    )


def save(stack: Stack, told: Differing) -> None:
    """Write what nginx is to know at its next reload."""
    kept = {left_file(stack, kind) for kind in ("conf", "map")} if told else set()
    if told:
        write_atomically(Path(left_file(stack, "conf")), text(stack, told))
        names = f"{ANYBODY} {LEFT}{ANYBODY};\n{LOGGED_IN} {LEFT}{LOGGED_IN};\n"
        write_atomically(Path(left_file(stack, "map")), names)
    values = {
        "drained": sorted(told.drained),
        "removed": sorted(told.removed),
        "added": dict(told.added),
    }
    state.write(_state(stack), values)
    for path in Path(stack.folders.var).glob(f"nginx-{LEFT}*"):
        if str(path) not in kept:
            path.unlink(missing_ok=True)


def settle(stack: Stack) -> None:
    """Let a reload keep who is drained, and forget who came or went for now."""
    told = load(stack)
    known = {client.name for client in stack.zope.clients}
    if told:
        save(stack, Differing(drained=told.drained & known))


def _state(stack: Stack) -> Path:
    return Path(stack.folders.var, "nginx-balancer.json")
