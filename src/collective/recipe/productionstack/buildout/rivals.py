"""Other parts that already do what a stack does: each is named, with what to delete.

What runs twice is what nobody notices for months: two supervisors that start a client
in turn, a pack beside a backup.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from collective.recipe.productionstack.buildout import sections
from collective.recipe.productionstack.daemons.cron import rivals
from collective.recipe.productionstack.daemons.logrotate import rivals as rotating
from collective.recipe.productionstack.model.stack import Stack

SUPERVISOR = "collective-recipe-supervisor"
CRONTAB = "z3c-recipe-usercrontab"
TIERS = {
    "plone-recipe-varnish": ("Varnish", "proxy-cache"),
    "plone-recipe-haproxy": ("HAProxy", "load-balancer"),
    "gocept-nginx": ("nginx", "web-server"),
    "collective-recipe-nginx": ("nginx", "web-server"),
}
"""Recipes, the daemon that they make, and the option that leaves ours out."""


def found(buildout: Any, stack: Stack) -> Iterator[str]:
    """Yield a line for each listed part that does the same as a stack."""
    for name in sections.listed(buildout):
        recipe = sections.recipe_of(buildout, name)
        if recipe == SUPERVISOR:
            yield from _supervisor(buildout, name, stack)
        elif recipe == CRONTAB:
            yield from _crontab(buildout, name, stack)
        elif recipe in TIERS:
            title, option = TIERS[recipe]
            if getattr(stack.chain, option.replace("-", "_")) != "none":
                yield (
                    f"[{name}] makes another {title} than the stack's. Drop it from"
                    f" [buildout] parts, or write in [{stack.name}]: {option} = none"
                )
    yield from rotating.warnings(stack)


def _supervisor(buildout: Any, name: str, stack: Stack) -> Iterator[str]:
    text = sections.view(buildout, name).get("programs", "")
    shared = [one for one in rivals.programs(stack) if rivals.starts(one, text)]
    if shared:
        yield (
            f"[{name}] programs: {', '.join(shared)} would run under two supervisors."
            f" Run bin/supervisorctl shutdown, drop [{name}] from [buildout] parts,"
            f" then: bin/{stack.name} up"
        )


def _crontab(buildout: Any, name: str, stack: Stack) -> Iterator[str]:
    values = sections.view(buildout, name)
    text = values.get("command", "")
    shared = [one for one in rivals.jobs(stack) if rivals.names(one, text)]
    if shared:
        yield (
            f"[{name}] command: bin/{shared[0]} runs past the lock and the verdict of"
            f" bin/{stack.name}. Drop [{name}] from [buildout] parts;"
            f" bin/{stack.name} cron install does it"
        )
    begun = (*rivals.programs(stack), "supervisord")
    starts = [one for one in begun if rivals.starts(one, text)]
    if values.get("times", "").strip() == rivals.AT_BOOT and starts:
        yield (
            f"[{name}] command: {starts[0]} would be started twice after a reboot. Drop"
            f" [{name}] from [buildout] parts; bin/{stack.name} boot install does it"
        )
