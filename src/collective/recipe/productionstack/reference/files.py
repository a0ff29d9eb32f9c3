"""The page about the generated files."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any

from collective.recipe.productionstack.daemons import registry
from collective.recipe.productionstack.daemons.registry import Service
from collective.recipe.productionstack.model.address import Address
from collective.recipe.productionstack.model.announced import Check
from collective.recipe.productionstack.model.application import HTTP
from collective.recipe.productionstack.model.application import Application
from collective.recipe.productionstack.model.application import Neighbours
from collective.recipe.productionstack.model.chain import LISTENERS
from collective.recipe.productionstack.model.chain import ROLES
from collective.recipe.productionstack.model.chain import Chain
from collective.recipe.productionstack.model.folders import Folders
from collective.recipe.productionstack.model.frontend import Frontend
from collective.recipe.productionstack.model.site import Site
from collective.recipe.productionstack.model.stack import Stack
from collective.recipe.productionstack.reference.words import codes
from collective.recipe.productionstack.tree import render


def page() -> Iterator[str]:
    """Yield the blocks of the page about the generated files."""
    yield "# Generated files"
    yield (
        "Below `etc/PART`. A template of the same name in your own `templates` folder"
        " is taken instead; it may extend the stock one and refill its blocks"
        " ([how](../how-to/change-a-generated-file.md))."
    )
    yield "`stack.json` is what `bin/PART` reads: the topology, programs, jobs, checks."
    shown = sample()
    for service in registry.SERVICES:
        yield f"## {service.NAME}"
        yield "\n".join(_file_table(service, shown))
        yield from map(_asked, service.checks(shown))


def _file_table(service: Service, sample: Stack) -> Iterator[str]:
    yield "| file | template | blocks |"
    yield "|---|---|---|"
    for path, template, _ in service.files(sample):
        shown = path.replace(sample.sites[0].host, "HOST")
        blocks = codes(render.blocks(template)) or "-"
        yield f"| `{shown}` | `{template}` | {blocks} |"


def _asked(check: Check) -> str:
    least = ".".join(map(str, check.minimum))
    words = shlex.join(check.command).replace("'", "")
    command = re.sub(r"\{(\w+)\}", lambda found: found[1].upper(), words)
    return (
        f"{check.daemon} {least} or newer is asked, on a copy that neither writes nor"
        f" listens anywhere:\n\n```text\n{command}\n```"
    )


def sample() -> Stack:
    """Return a stack with one of everything that decides which files there are."""
    places = Folders(
        buildout="/srv/site",
        bin="/srv/site/bin",
        etc="/srv/site/etc/stack",
        var="/srv/site/var/stack",
        log="/srv/site/var/log",
        sockets="/srv/site/var/stack",
    )
    site = Site(
        host="www.example.com",
        path="/Plone",
        scheme="http",
        url_host="www.example.com",
        url_port=80,
        frontend=Frontend(servers=()),
    )
    beside = Application(number=1, host=site.host, path="/shop", kind=HTTP)
    words = dict.fromkeys(ROLES, "x")
    listens = {one: Address() for names in LISTENERS.values() for one in names}
    chain: Any = {**words, **listens, "https": None}
    every = tuple(service.NAME for service in registry.SERVICES)
    return Stack(
        name="stack",
        folders=places,
        services=every,
        sites=(site,),
        neighbours=Neighbours(applications=(beside,)),
        chain=Chain(**chain),
    )
