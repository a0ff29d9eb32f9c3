"""Show visitors a clean page (503) while you work; see who does now.

Addresses in maintenance-allow get through. Backup and pack wait for their next
turn, the watchdog for the end. It stays over restarts, until it is switched off.

\b
Example: bin/stack maintenance on
         bin/stack maintenance on www.example.com
         bin/stack maintenance off
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence

import click

from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.ctl.shell import Guessing
from collective.recipe.productionstack.ctl.traffic import maintenance
from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.model.site import Site
from collective.recipe.productionstack.model.site import readable
from collective.recipe.productionstack.model.stack import Stack


@click.group("maintenance", cls=Guessing, help=__doc__)
def command() -> None:
    """Hold on, off and show."""


@command.command("on")
@click.argument("sites", nargs=-1)
@click.pass_obj
def switch_on(control: Control, *, sites: tuple[str, ...]) -> int:
    """Begin, for the hosts of the named sites (host or path) or for all.

    \b
    Example: bin/stack maintenance on /Plone
    """
    with control.lock():
        stack = _stack(control)
        chosen = _chosen(stack, sites)
        before = maintenance.hosts(stack)
        added = [host for site in chosen for host in site.hosts]
        maintenance.write(control, stack, {*before, *added}, before)
        allowed = ", ".join(stack.maintenance.allow) or "nobody"
        control.screen.tell(
            f"maintenance: on for {', '.join(site.shown for site in chosen)}; "
            f"{allowed} gets through; backup, pack and watchdog wait. "
            f"{control.script} maintenance off ends it."
        )
    return 0


@command.command("off")
@click.argument("sites", nargs=-1)
@click.pass_obj
def switch_off(control: Control, *, sites: tuple[str, ...]) -> int:
    """End it, for the named sites or for all.

    \b
    Example: bin/stack maintenance off
    """
    with control.lock():
        stack = _stack(control)
        before = maintenance.hosts(stack)
        gone = {host for site in _chosen(stack, sites) for host in site.hosts}
        # Without names also those that are no sites any more.
        maintenance.write(control, stack, before - gone if sites else set(), before)
        left = sorted(before - gone) if sites else []
        text = f"still on for {', '.join(left)}" if left else "off"
        control.screen.tell(f"maintenance: {text}")
    return 0


@command.command("show")
@click.pass_obj
def show(control: Control) -> int:
    """Print the hosts in maintenance.

    \b
    Example: bin/stack maintenance show
    """
    found = sorted(maintenance.hosts(control.newest()))
    control.screen.say("\n".join(found) or "maintenance: off")
    return 0


def _stack(control: Control) -> Stack:
    stack = control.newest()
    if stack.alone or not stack.chain.has_web_server:
        message = f"[{stack.name}] has no web server of its own to show a page."
        raise ControlError(message)
    return stack


def _chosen(stack: Stack, names: Sequence[str]) -> list[Site]:
    """Return the named sites, with those that share their hosts, or all."""
    hosts: set[str] = set()
    for name in names:
        found = [one for one in stack.sites if name in _names(one)]
        if not found:
            known = [one.name for one in stack.sites]
            near = difflib.get_close_matches(name, known, n=1) or known
            message = f"there is no site {name}. Did you mean {' or '.join(near)}?"
            raise ControlError(message)
        hosts |= {one.host for one in found}
    return [one for one in stack.sites if one.host in hosts or not names]


def _names(site: Site) -> set[str]:
    return {*site.hosts, *map(readable, site.hosts), site.name, site.path}
