"""The certificates of a stack: which the web server has loaded, how long they last."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from collective.recipe.productionstack.machine import asking
from collective.recipe.productionstack.machine import tls
from collective.recipe.productionstack.machine.http import GREETING
from collective.recipe.productionstack.model.stack import Stack

LATE = 0.2
"""Who renews does so after two thirds of the lifetime: below that nobody did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """A file, who is served with it, and from when to when (seconds since the epoch).

    ``loaded`` is whether visitors get what lies there, None where nothing answers;
    the times are of what they get. ``trouble`` says why there is no such thing.
    """

    path: str
    hosts: tuple[str, ...]
    begins: float = 0.0
    ends: float = 0.0
    loaded: bool | None = None
    trouble: str = ""

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
        """Whether it lasts: neither over nor so near its end that a renewal is due."""
        return not self.trouble and self.rest >= LATE


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


def _hosts(stack: Stack) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for site in stack.sites if stack.chain.has_web_server else ():
        if site.certificate:
            before = found.get(site.certificate, ())
            found[site.certificate] = (*before, *site.hosts)
    return found


def _one(
    stack: Stack, path: str, hosts: tuple[str, ...], timeout: float
) -> Certificate:
    https = stack.chain.https
    greeting = GREETING if stack.chain.proxy_protocol else b""
    there = tls.shown(https, hosts[0], timeout, greeting) if https else ()
    try:
        lies = tls.in_file(path)
        begins, ends = tls.validity((there or lies)[0])
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        return Certificate(path=path, hosts=hosts, trouble=f"{why}")
    return Certificate(
        path=path,
        hosts=hosts,
        begins=begins,
        ends=ends,
        loaded=there == lies if there else None,
    )


def warnings(found: list[Certificate]) -> Iterator[tuple[Certificate, str]]:
    """Yield the certificates that visitors will soon be warned of, and why."""
    for one in found:
        if one.trouble:
            yield one, f"{one.path}: {one.trouble}"
        elif one.left < 0:
            yield one, f"the certificate of {one.hosts[0]} has ended: {one.path}"
        elif not one.ok:
            days = f"{one.left / 86400:.1f} days, {one.rest:.0%} of its lifetime"
            yield one, f"the certificate of {one.hosts[0]} ends in {days}: {one.path}"
