"""The processes of Node that we run: how each is started, and what it needs."""

from __future__ import annotations

from collections.abc import Iterator

from collective.recipe.productionstack.model.announced import FRONTEND
from collective.recipe.productionstack.model.announced import Check
from collective.recipe.productionstack.model.announced import Health
from collective.recipe.productionstack.model.announced import Program
from collective.recipe.productionstack.model.frontend import NodeServer
from collective.recipe.productionstack.model.site import Site
from collective.recipe.productionstack.model.stack import Stack

SERVER = "build/server.js"
HEALTH_PATH = "/ok"
"""Volto answers it itself, without asking Plone."""


def programs(stack: Stack) -> Iterator[Program]:
    """Yield what is to be supervised, of those sites whose frontend is ours."""
    for site in stack.frontends:
        if site.frontend and site.frontend.folder:
            for server in site.frontend.servers:
                yield _program(stack, site, server, site.frontend.folder)


def _program(stack: Stack, site: Site, server: NodeServer, folder: str) -> Program:
    script = f"{folder}/{SERVER}"
    return Program(
        name=server.name,
        kind=FRONTEND,
        command=("node", script),
        directory=folder,
        health=Health(address=server.address, path=HEALTH_PATH, headers=asked_as(site)),
        listens=(server.address,),
        environment=environment(stack, site, server),
        files=(script,),
    )


def asked_as(site: Site) -> tuple[tuple[str, str], ...]:
    """Return how a health check names the site, as the web server does.

    Volto takes its own address from whatever request came last (server.jsx), while it
    makes the pages of others.
    """
    host = site.origin.partition("://")[2]
    return (("Host", host), ("X-Forwarded-Proto", site.scheme))


def environment(
    stack: Stack, site: Site, server: NodeServer
) -> tuple[tuple[str, str], ...]:
    """Return what Volto reads (its reference of environment variables).

    Without RAZZLE_API_PATH browsers ask the host that they are at. Without an address
    it would listen on all of them.
    """
    host = server.address.host
    plone = f"http://{stack.chain.balancer.to_connect}{site.virtual_host}"
    return (
        ("HOST", host),
        ("NODE_ENV", "production"),
        ("PORT", str(server.address.port)),
        ("RAZZLE_BIND_ADDRESS", host),
        ("RAZZLE_INTERNAL_API_PATH", plone),
    )


def checks(stack: Stack) -> Iterator[Check]:
    """Yield how Node is asked: whether it can read what was built."""
    folders = {
        site.frontend.folder
        for site in stack.frontends
        if site.frontend and site.frontend.folder
    }
    for folder in sorted(folders):
        yield Check(
            service="frontend",
            daemon="node",
            package="nodejs",
            minimum=(18,),
            version_argument="--version",
            command=("node", "--check", f"{folder}/{SERVER}"),
        )
