"""HAProxy: one queue in front of all clients."""

from __future__ import annotations

from typing import Any

from collective.recipe.productionstack.model.announced import Check
from collective.recipe.productionstack.model.announced import Health
from collective.recipe.productionstack.model.announced import Job
from collective.recipe.productionstack.model.announced import Log
from collective.recipe.productionstack.model.announced import Program
from collective.recipe.productionstack.model.stack import Stack

NAME = "haproxy"


def files(stack: Stack) -> tuple[tuple[str, str, dict[str, Any]], ...]:
    """Return path in the tree, template and further values of each file."""
    storage = stack.storage
    asked = storage.address.to_connect if storage and storage.quiet_log else None
    values = {
        "zeo": asked,
        "runtime": stack.socket(NAME),
        "balancing": stack.balancing,
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
            health=Health(address=stack.stats.to_connect, path="/alive"),
            listens=(stack.balancer, stack.stats, stack.socket(NAME)),
            stop_signal="USR1",
            reload="USR2",
            tree_files=("haproxy/",),
        ),
    )


def logs(stack: Stack) -> tuple[Log, ...]:  # noqa: ARG001 (a service's member)
    """Return the files to rotate."""
    return ()


def jobs(stack: Stack) -> tuple[Job, ...]:  # noqa: ARG001
    """Return the lines for the crontab."""
    return ()


def checks(stack: Stack) -> tuple[Check, ...]:  # noqa: ARG001
    """Return how HAProxy is asked."""
    return (
        Check(
            service=NAME,
            daemon="haproxy",
            minimum=(2, 4),
            version_argument="-v",
            command=("haproxy", "-c", "-f", "{tree}/haproxy/haproxy.cfg"),
        ),
    )
