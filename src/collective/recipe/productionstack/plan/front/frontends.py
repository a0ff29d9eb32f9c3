"""Who makes a site's pages: Plone itself, or processes of Node."""

from __future__ import annotations

import os
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace
from pathlib import Path

from collective.recipe.productionstack.errors import Problem
from collective.recipe.productionstack.model.address import LAST_PORT
from collective.recipe.productionstack.model.address import Address
from collective.recipe.productionstack.model.chain import CACHE
from collective.recipe.productionstack.model.chain import Chain
from collective.recipe.productionstack.model.frontend import Frontend
from collective.recipe.productionstack.model.frontend import NodeServer
from collective.recipe.productionstack.model.site import Site
from collective.recipe.productionstack.options.frontends import FRONTEND_OFFSET
from collective.recipe.productionstack.options.frontends import VOLTO
from collective.recipe.productionstack.options.frontends import WantedFrontend
from collective.recipe.productionstack.options.load import StackOptions
from collective.recipe.productionstack.plan.front.hosts import Line

PROCESSES = 2
"""One serves while the other is restarted."""

BUILT = "build/server.js"
BALANCER = "haproxy"
"""Which balancer knows how to ask them; every web server does."""

ELSEWHERE = "frontend=127.0.0.1:3000 where it runs already"


@dataclass(frozen=True)
class Lines:
    """The lines of ``sites`` with the sites that they make, and what stands around."""

    part: str
    options: StackOptions
    lines: Sequence[Line]
    sites: Sequence[Site]
    chain: Chain
    directory: str

    @property
    def folder(self) -> str:
        """The folder of the built frontend, empty where none is named."""
        named = self.options.frontend_folder
        if not named or named.startswith("/"):
            return named
        return os.path.normpath(f"{self.directory}/{named}")

    @property
    def wanted(self) -> list[tuple[Line, WantedFrontend]]:
        """The lines whose pages Plone does not make."""
        named = ((one, one.names.get("frontend")) for one in self.lines)
        return [(line, found) for line, found in named if found is not None]


def given(about: Lines) -> tuple[Site, ...]:
    """Return the sites, each with the processes that make its pages."""
    ours, others = _ours(about.options), _numbered()
    made = []
    for line, site in zip(about.lines, about.sites, strict=True):
        found = line.names.get("frontend")
        if found is None:
            made.append(site)
            continue
        if found.addresses:
            servers = (
                NodeServer(name=f"node{next(others)}", address=one)
                for one in found.addresses
            )
            frontend = Frontend(servers=tuple(servers))
        else:
            many = about.options.frontend_processes or PROCESSES
            frontend = Frontend(
                servers=tuple(next(ours) for _ in range(many)), folder=about.folder
            )
        made.append(replace(site, frontend=frontend))
    return tuple(made)


def run_here(sites: Iterable[Site]) -> tuple[NodeServer, ...]:
    """Return the processes that this stack runs."""
    ours = (one.frontend for one in sites if one.frontend and one.frontend.folder)
    return tuple(server for one in ours for server in one.servers)


def _numbered() -> Iterator[int]:
    number = 0
    while True:
        number += 1
        yield number


def _ours(options: StackOptions) -> Iterator[NodeServer]:
    """Yield the processes that we run, each at a port of its own."""
    first = options.port_base + FRONTEND_OFFSET
    for number in _numbered():
        port = min(first + number - 1, LAST_PORT)
        yield NodeServer(name=f"frontend{number}", address=Address("127.0.0.1", port))


def problems(about: Lines, taken: Collection[str]) -> Iterator[Problem]:
    """Yield what is wrong; ``taken`` are the names of other programs and parts."""
    ours = [line for line, found in about.wanted if not found.addresses]
    for line, _ in about.wanted:
        yield from _misplaced(about, line)
    if not about.folder:
        yield from _without_folder(about, ours)
        return
    options = about.options
    shown = options.frontend_folder
    if not ours:
        message = f"no site says frontend={VOLTO}"
        remedy = f"Write: www.example.com /Plone frontend={VOLTO}"
        yield _problem(about, "frontend-folder", shown, message, remedy)
    elif not Path(about.folder, BUILT).is_file():
        message = f"there is no {BUILT} in {about.folder}"
        remedy = (
            "Build it there: make build in a project of cookieplone, else yarn build."
        )
        yield _problem(about, "frontend-folder", shown, message, remedy)
    many = len(ours) * (options.frontend_processes or PROCESSES)
    first = options.port_base + FRONTEND_OFFSET
    if first + many - 1 > LAST_PORT:
        message = f"leaves no port for {many} processes of the frontend"
        remedy = (
            f"Write a lower one: they listen from port-base + {FRONTEND_OFFSET} on."
        )
        yield _problem(about, "port-base", str(options.port_base), message, remedy)
    for name in sorted({f"frontend{n + 1}" for n in range(many)} & set(taken)):
        message = f"{name}, a process of it, would have the name of a part"
        yield _problem(about, "frontend-folder", shown, message, "Rename that part.")


def _without_folder(about: Lines, ours: Iterable[Line]) -> Iterator[Problem]:
    for line in ours:
        message = f"frontend={VOLTO} needs to know where it was built"
        remedy = f"Write: frontend-folder = /srv/frontend, or {ELSEWHERE}."
        yield _problem(about, "sites", f"{line.name} {line.path}", message, remedy)
    if about.options.frontend_processes:
        value = str(about.options.frontend_processes)
        message = "there is no frontend-folder to run them from"
        remedy = "Write: frontend-folder = /srv/frontend, or remove it."
        yield _problem(about, "frontend-processes", value, message, remedy)


def _misplaced(about: Lines, line: Line) -> Iterator[Problem]:
    """Yield why a frontend cannot be where a line wants it."""
    value = f"{line.name} {line.path}"
    if line.folder:
        message = "a frontend is built for the root of its host, not for a folder"
        remedy = f"Give it a host, and Classic UI the folder: {line.name} {line.path}"
        yield _problem(about, "sites", value, message, f"{remedy}.")
    chain = about.chain
    if chain.is_of_web_server(CACHE):
        message = "nginx cannot drop the page that Node made when an object is edited"
        remedy = "Write: proxy-cache = varnish."
        yield _problem(about, "sites", value, message, remedy)
    if not chain.has_web_server or chain.load_balancer != BALANCER:
        message = "a frontend is served by nginx or Apache and balanced by HAProxy"
        remedy = f"Write: web-server = nginx, load-balancer = {BALANCER}."
        yield _problem(about, "sites", value, message, remedy)


def _problem(
    about: Lines, option: str, value: str, message: str, remedy: str
) -> Problem:
    return Problem(
        part=about.part, option=option, value=value, message=message, remedy=remedy
    )
