"""The certificates of a stack: which the web server has loaded, how long they last."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from collective.recipe.productionstack.machine import asking
from collective.recipe.productionstack.machine.net import tls
from collective.recipe.productionstack.machine.net.http import GREETING
from collective.recipe.productionstack.model.site import VirtualHost
from collective.recipe.productionstack.model.stack import Stack

LATE = 0.2
"""Who renews does so after two thirds of the lifetime: below that nobody did."""

DUE = 1 / 3
"""The part of the lifetime that is left when ours are renewed, as CAs advise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """A file, who is served with it, and from when to when (seconds since the epoch).

    ``loaded`` is whether visitors get what lies there, None where nothing answers;
    the times are of what they get. ``trouble`` says why there is no such thing.
    Nobody vouches for one that is ``self_signed``. One of ``ours`` (ACME) ``lacks`` the
    hosts that it is not for; ``public`` is whether other machines reach the listener.
    """

    path: str
    hosts: tuple[str, ...]
    begins: float = 0.0
    ends: float = 0.0
    loaded: bool | None = None
    trouble: str = ""
    self_signed: bool = False
    ours: bool = False
    lacks: tuple[str, ...] = ()
    public: bool = False

    @property
    def is_stand_in(self) -> bool:
        """Whether it serves only until the first real one has come."""
        return self.ours and self.self_signed

    @property
    def left(self) -> float:
        """Seconds until it ends; below 0 when it has."""
        return self.ends - time.time()

    @property
    def rest(self) -> float:
        """The part of the lifetime that is left, from 1 to 0."""
        return max(0.0, self.left / ((self.ends - self.begins) or 1))

    @property
    def ok(self) -> bool:
        """Whether visitors may get it: not over, nor near its end, nor a stand-in."""
        wrong = self.trouble or self.lacks or (self.is_stand_in and self.public)
        return not wrong and self.rest >= LATE

    @property
    def due(self) -> str:
        """Why one of ours is to be got anew; empty where it is not."""
        if self.trouble:
            return self.trouble
        if self.self_signed:
            return "there is only a self-signed one"
        if self.lacks:
            return f"it is not for {', '.join(self.lacks)}"
        return f"{self.rest:.0%} of its lifetime is left" if self.rest < DUE else ""


def look(stack: Stack, timeout: float) -> list[Certificate]:
    """Look at every certificate, and at what visitors get."""
    found = _hosts(stack)
    answers = asking.together(
        lambda path: _one(stack, path, found[path], timeout), sorted(found), timeout
    )
    late = "nobody could look in time"
    return [
        answers.get(path) or Certificate(path=path, hosts=hosts, trouble=late)
        for path, hosts in sorted(found.items())
    ]


def behind(stack: Stack, timeout: float = 2.0) -> list[str]:
    """Return the files that hold another certificate than visitors get."""
    return [one.path for one in look(stack, timeout) if one.loaded is False]


def of_site(stack: Stack, site: VirtualHost) -> Certificate:
    """Look at what lies there for a site; nobody is asked what visitors get."""
    return _made(stack, site.certificate, site.hosts, (), ours=site.acme)


def _hosts(stack: Stack) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for site in stack.virtual_hosts if stack.chain.has_web_server else ():
        for certificate, _ in site.pairs:
            both = dict.fromkeys((*found.get(certificate, ()), *site.hosts))
            found[certificate] = tuple(both)
    return found


def _one(
    stack: Stack, path: str, hosts: tuple[str, ...], timeout: float
) -> Certificate:
    https = stack.chain.https
    site = next(one for one in stack.virtual_hosts if hosts[0] in one.hosts)
    kind = _kind(path) if len(site.pairs) > 1 else ""
    greeting = GREETING if stack.chain.proxy_protocol else b""
    there = tls.shown(https, hosts[0], timeout, kind, greeting) if https else ()
    return _made(stack, path, hosts, there, ours=site.acme)


def _kind(path: str) -> str:
    try:
        return tls.kind(tls.in_file(path)[0])
    except (OSError, ValueError):
        return ""


def _made(
    stack: Stack, path: str, hosts: tuple[str, ...], there: tls.Chain, *, ours: bool
) -> Certificate:
    """Judge what visitors get, else what lies there."""
    https = stack.chain.https
    try:
        lies = tls.in_file(path)
        first = (there or lies)[0]
        begins, ends = tls.validity(first)
        names = tls.names(first)
        alone = tls.is_self_signed(first)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        return Certificate(path=path, hosts=hosts, trouble=f"{why}", ours=ours)
    return Certificate(
        path=path,
        hosts=hosts,
        begins=begins,
        ends=ends,
        loaded=there == lies if there else None,
        self_signed=alone,
        ours=ours,
        lacks=tuple(one for one in hosts if ours and not tls.covers(names, one)),
        public=bool(https and https.is_public),
    )


def warnings(found: list[Certificate]) -> Iterator[tuple[Certificate, str]]:
    """Yield the certificates that visitors will soon be warned of, and why."""
    for one in found:
        if one.trouble:
            yield one, f"{one.path}: {one.trouble}"
        elif one.is_stand_in:
            if one.public:
                yield one, f"the certificate of {one.hosts[0]} is self-signed"
        elif one.lacks:
            left = ", ".join(one.lacks)
            yield one, f"the certificate of {one.hosts[0]} is not for {left}"
        elif one.left < 0:
            yield one, f"the certificate of {one.hosts[0]} has ended: {one.path}"
        elif not one.ok:
            days = f"{one.left / 86400:.1f} days, {one.rest:.0%} of its lifetime"
            yield one, f"the certificate of {one.hosts[0]} ends in {days}: {one.path}"
