"""What the lines of ``sites`` say together: whose a host is, who shares one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import replace
from typing import Any

from collective.recipe.productionstack.errors import Problem

OF_HOST = frozenset({"redirect", "url", "certificate", "key", "error-pages"})
"""Names of a line that hold for its host, so for every folder of it."""


@dataclass(frozen=True, slots=True)
class Line:
    """A site line taken apart; nothing in it depends on other options yet."""

    hosts: tuple[str, ...]
    path: str
    names: dict[str, Any]
    folder: str = ""

    @property
    def name(self) -> str:
        """Host and folder."""
        return f"{self.hosts[0]}{self.folder}"

    @property
    def speaks_for_host(self) -> bool:
        """Whether it says something that holds for the whole host."""
        return bool(self.hosts[1:] or OF_HOST & set(self.names))


def shared(found: list[Line]) -> list[Line]:
    """Give every line of a host what one of them says for all."""
    heads = {one.hosts[0]: one for one in reversed(found) if one.speaks_for_host}
    return [_with(one, heads.get(one.hosts[0], one)) for one in found]


def _with(line: Line, head: Line) -> Line:
    of_host = {name: head.names[name] for name in OF_HOST & set(head.names)}
    return replace(line, hosts=head.hosts, names={**line.names, **of_host})


def faults(part: str, found: list[Line]) -> Iterator[Problem]:
    """Yield what no two lines may say."""
    yield from _doubled(part, found)
    yield from _spoken_twice(part, found)
    yield from _nested(part, found)


def _doubled(part: str, found: list[Line]) -> Iterator[Problem]:
    owners: dict[str, Line] = {}
    names: dict[str, Line] = {}
    for line in found:
        taken = [
            (f"the host {host}", owners[host].path)
            for host in line.hosts
            if host in owners and owners[host].hosts[0] != line.hosts[0]
        ]
        if line.name in names:
            what = line.name if line.folder else f"the host {line.name}"
            taken.append((what, names[line.name].path))
        for what, path in taken:
            message = f"{what} already belongs to {path}"
            yield _problem(part, line, message, "Name every host once.")
        for host in line.hosts:
            owners.setdefault(host, line)
        names.setdefault(line.name, line)


def _spoken_twice(part: str, found: list[Line]) -> Iterator[Problem]:
    heads: dict[str, Line] = {}
    for line in found:
        if not line.speaks_for_host:
            continue
        host = line.hosts[0]
        head = heads.setdefault(host, line)
        if head is not line and head.name != line.name:
            yield _problem(
                part,
                line,
                f"aliases and names of {host} stand with {head.name} already",
                "Write them once: they hold for all of the host.",
            )


def _nested(part: str, found: list[Line]) -> Iterator[Problem]:
    seen: dict[str, list[Line]] = {}
    for line in found:
        others = seen.setdefault(line.hosts[0], [])
        for other in others:
            short, long = sorted((line.folder, other.folder), key=len)
            if short and long.startswith(f"{short}/"):
                yield _problem(
                    part,
                    line,
                    f"it lies in, or around, {other.name} ({other.path})",
                    "Write folders beside each other.",
                )
        others.append(line)


def _problem(part: str, line: Line, message: str, remedy: str) -> Problem:
    return Problem(
        part=part,
        option="sites",
        value=f"{line.name} {line.path}",
        message=message,
        remedy=remedy,
    )


def covered(hosts: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Yield each name with a star, and a host of another site that it covers.

    ``hosts`` says to which site a host belongs. The web server takes the name that is
    written out, then the longest one with a star.
    """
    for star in sorted(one for one in hosts if one.startswith("*.")):
        for host in sorted(hosts):
            inside = host != star and host.endswith(star[1:])
            if inside and hosts[host] != hosts[star]:
                yield star, host
