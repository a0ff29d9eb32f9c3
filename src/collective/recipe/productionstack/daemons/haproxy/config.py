"""HAProxy: one queue in front of all clients."""

from __future__ import annotations

from typing import Any

from collective.recipe.productionstack.daemons.haproxy import headers
from collective.recipe.productionstack.daemons.haproxy import holding
from collective.recipe.productionstack.daemons.haproxy import passwords
from collective.recipe.productionstack.daemons.haproxy import servers
from collective.recipe.productionstack.daemons.volto.processes import HEALTH_PATH
from collective.recipe.productionstack.daemons.volto.processes import asked_as
from collective.recipe.productionstack.model.announced import Check
from collective.recipe.productionstack.model.announced import Health
from collective.recipe.productionstack.model.announced import Program
from collective.recipe.productionstack.model.announced import nothing
from collective.recipe.productionstack.model.chain import BALANCER
from collective.recipe.productionstack.model.chain import BALANCER_HEALTH
from collective.recipe.productionstack.model.stack import Stack

NAME = "haproxy"
ROLES: tuple[str, ...] = (BALANCER,)
NEEDS: tuple[str, ...] = ("clients",)
COLLECTS = ""
VERSIONED = ("haproxy", "-v")


def files(stack: Stack) -> tuple[tuple[str, str, dict[str, Any]], ...]:
    """Return path in the tree, template and further values of each file."""
    storage = stack.data.storage
    asked = storage.address.to_connect if storage and storage.quiet_log else None
    hosts = {host for site in stack.sites for host in (*site.hosts, site.url_host)}
    values = {
        "own_hosts": sorted(one for one in hosts if one[0] not in "*["),
        "own_numbers": sorted(one for one in hosts if one[0] == "["),
        "own_domains": sorted(one[1:] for one in hosts if one[0] == "*"),
        "zeo": asked,
        "runtime": stack.socket(NAME),
        "rules": list(headers.rules(names_files=stack.sends_files)),
        "passwords": passwords,
        "hold": {
            "server": holding.SERVER,
            "path": holding.PATH,
            "room": stack.socket("hold"),
        },
        "health_path": BALANCER_HEALTH,
        "balancing": stack.zope.balancing,
        "backend_of": servers.backend,
        "frontend_of": servers.frontend,
        "literal": servers.literal,
        "node_health": HEALTH_PATH,
        "node_asked_as": asked_as,
        "watched": servers.parameters(stack.zope.balancing),
    }
    return (("haproxy/haproxy.cfg", "haproxy/haproxy.cfg.j2", values),)


def programs(stack: Stack) -> tuple[Program, ...]:
    """Return what is to be supervised; USR1 lets requests finish."""
    return (
        Program(
            name=NAME,
            kind=NAME,
            command=(
                "haproxy",
                "-W",
                "-f",
                f"{stack.folders.applied}/haproxy/haproxy.cfg",
            ),
            health=Health(address=stack.chain.stats.to_connect, path="/alive"),
            listens=(stack.chain.balancer, stack.chain.stats, stack.socket(NAME)),
            stop_signal="USR1",
            reload="USR2",
            tree_files=("haproxy/",),
        ),
    )


logs = nothing
jobs = nothing


def checks(stack: Stack) -> tuple[Check, ...]:  # noqa: ARG001
    """Return how HAProxy is asked."""
    return (
        Check(
            service=NAME,
            daemon=VERSIONED[0],
            minimum=(2, 4),
            version_argument=VERSIONED[1],
            command=("haproxy", "-c", "-f", "{tree}/haproxy/haproxy.cfg"),
        ),
    )
