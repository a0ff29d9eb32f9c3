"""Apache's servers: one host each, with its sites and the applications beside them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

from collective.recipe.productionstack.daemons.front import neighbours
from collective.recipe.productionstack.daemons.front import told
from collective.recipe.productionstack.model.application import FASTCGI
from collective.recipe.productionstack.model.application import Application
from collective.recipe.productionstack.model.site import API
from collective.recipe.productionstack.model.site import Site
from collective.recipe.productionstack.model.site import VirtualHost
from collective.recipe.productionstack.model.site import host_folder
from collective.recipe.productionstack.model.stack import Stack

NAME = "apache"
SHARE = 4
"""Processes that there are at least: what an application may hold of each."""


def files(
    stack: Stack, common: dict[str, Any]
) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield the file of each host, and one for each name with a star.

    The first server that has a name answers: stars come last, the longest first.
    """
    by_host: dict[str, list[VirtualHost]] = {}
    for one in stack.virtual_hosts:
        by_host.setdefault(one.host, []).append(one)
    for host, some in by_host.items():
        site = some[0]
        sites = [one for one in some if isinstance(one, Site)]
        applications = stack.neighbours.of(host)
        values = {
            **common,
            "site": site,
            "sites": sites,
            "root": next((one for one in sites if not one.folder), None),
            "folders": sorted(
                (one for one in sites if one.folder),
                key=lambda one: (-len(one.folder), one.folder),
            ),
            "applications": sorted(applications, key=_longest_first),
            "beside": _beside(sites, applications),
            "own_place": told.place(stack, site),
        }
        exact = [one for one in site.hosts if "*" not in one]
        yield _servers(f"sites/{host_folder(host)}.conf", site, exact, values)
        for star in (one for one in site.hosts if "*" in one):
            rank = 99 - min(star.count("."), 99)
            name = star.replace("*", "any")
            yield _servers(f"stars/{rank:02}-{name}.conf", site, [star], values)


def _servers(
    path: str, site: VirtualHost, names: list[str], values: dict[str, Any]
) -> tuple[str, str, dict[str, Any]]:
    """Return the file with the servers of these names of a host."""
    served = [one for one in names if one in site.served]
    sent_on = [one for one in names if one not in served]
    named = {"hosts": names, "served": served, "sent_on": sent_on}
    return f"{NAME}/{path}", f"{NAME}/sites/site.conf.j2", {**values, **named}


def _longest_first(application: Application) -> tuple[int, str]:
    return -len(application.path), application.path


def _beside(sites: list[Site], applications: tuple[Application, ...]) -> str:
    """Return whose each path of a host is: the longest first, nobody's for a site's."""
    paths = {one.path: one.name for one in applications if one.path}
    paths |= {one.folder: "" for one in sites if one.folder}
    ordered = sorted(paths, key=lambda path: (-len(path), path))
    return "".join(f"{path}={paths[path]} " for path in ordered)


def optional(stack: Stack) -> Iterator[tuple[str, bool]]:
    """Yield the shared files that are there only where something needs them."""
    beside = stack.neighbours.applications
    yield "neighbours.conf", bool(beside)
    yield "neighbour-files.conf", any(one.root for one in beside)


def modules(stack: Stack) -> tuple[str, ...]:
    """Return what applications need besides."""
    beside = stack.neighbours.applications
    return (
        *(("dir",) if any(one.root for one in beside) else ()),
        *(("proxy_fcgi",) if any(one.kind == FASTCGI for one in beside) else ()),
    )


def target(application: Application, scheme: str) -> str:
    """Return where an application answers, as Apache's proxy reads it.

    What is behind a socket has a name of its own: Apache knows by it who is asked.
    """
    address = application.address
    if address.path:
        return f"unix:{address.path}|{scheme}://{application.name}"
    return f"{scheme}://{address}"


def share(application: Application) -> int:
    """Return how many requests each process of Apache may hold of it."""
    return math.ceil(application.connections / SHARE)


def directory(path: str) -> str:
    """Return a folder as the name of a section, which is a pattern."""
    return re.sub(r"([*?\[])", r"[\1]", path)


VALUES = {
    **neighbours.VALUES,
    "target": target,
    "share": share,
    "directory": directory,
    "api": (API, API.replace("+", "[+]")),
}
"""What templates are given besides."""
