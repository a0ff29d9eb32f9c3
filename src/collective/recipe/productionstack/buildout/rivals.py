"""Other parts that already do what a stack does: each is named, with what to delete.

What runs twice is what nobody notices for months: two supervisors that start a client
in turn, a pack beside a backup.
"""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Iterator
from typing import Any

from collective.recipe.productionstack.buildout import sections
from collective.recipe.productionstack.daemons import registry
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
        others = _others(text, {*shared, *registry.TAKEN})
        kept = f" write {', '.join(others)} in [{stack.name}] programs," * bool(others)
        yield (
            f"[{name}] programs: {', '.join(shared)} would run under two supervisors."
            f" Run bin/supervisorctl shutdown,{kept} drop [{name}] from [buildout]"
            f" parts, then: bin/{stack.name} up"
        )


def _others(text: str, ours: Collection[str]) -> list[str]:
    """Return the programs of a supervisor that nothing of ours stands for.

    A line is: priority, name, command, … (that recipe's own README).
    """
    lines = [line.split() for line in text.splitlines()]
    return [
        words[1]
        for words in lines
        if len(words) > 2  # noqa: PLR2004
        and not any(rivals.starts(one, " ".join(words)) for one in ours)
    ]


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
    if not shared and _rotates(stack, text):
        yield (
            f"[{name}] command: its logrotate and that of the stack would rename the"
            f" same logs in turn. Drop [{name}] from [buildout] parts;"
            f" bin/{stack.name} cron install does it"
        )
    begun = (*rivals.programs(stack), "supervisord")
    starts = [one for one in begun if rivals.starts(one, text)]
    if values.get("times", "").strip() == rivals.AT_BOOT and starts:
        yield (
            f"[{name}] command: {starts[0]} would be started twice after a reboot. Drop"
            f" [{name}] from [buildout] parts; bin/{stack.name} boot install does it"
        )


def _rotates(stack: Stack, text: str) -> bool:
    """Whether a command rotates logs by a file of rules in this buildout."""
    here = f"{stack.folders.buildout}/" in text
    return here and rivals.names("logrotate", text) and stack.writes("logrotate")
