"""``maintenance``: a clean page for visitors while somebody works on a site."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from collections.abc import Sequence
from pathlib import Path

import click

from collective.recipe.productionstack.ctl import signalling
from collective.recipe.productionstack.ctl import survey
from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.model import Site
from collective.recipe.productionstack.model import Stack

LINE = re.compile(r"^(\S+) 1;$", re.MULTILINE)
HEAD = "# Written by bin/{} maintenance: hosts whose visitors see 503.\n"


@click.group("maintenance", short_help="Show visitors a clean page while you work.")
def command() -> None:
    """Show visitors a clean page (503) while you work; see who does now.

    Addresses in maintenance-allow get through. Backup and pack wait for their next
    turn, the watchdog for the end. It stays over restarts, until it is switched off.

    \b
    Example: bin/stack maintenance on
             bin/stack maintenance on www.example.com
             bin/stack maintenance off
    """


@command.command("on")
@click.argument("sites", nargs=-1)
@click.pass_obj
def switch_on(control: Control, *, sites: tuple[str, ...]) -> int:
    """Begin, for the named sites (host or path) or for all.

    \b
    Example: bin/stack maintenance on /Plone
    """
    with control.lock():
        stack = _stack(control)
        chosen = _chosen(stack, sites)
        before = hosts(stack)
        added = [host for site in chosen for host in site.hosts]
        _write(control, stack, {*before, *added}, before)
        allowed = ", ".join(stack.maintenance_allow) or "nobody"
        control.screen.say(
            f"maintenance: on for {', '.join(site.host for site in chosen)}; "
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
        before = hosts(stack)
        gone = {host for site in _chosen(stack, sites) for host in site.hosts}
        # Without names also those that are no sites any more.
        _write(control, stack, before - gone if sites else set(), before)
        left = sorted(before - gone) if sites else []
        text = f"still on for {', '.join(left)}" if left else "off"
        control.screen.say(f"maintenance: {text}")
    return 0


@command.command("show")
@click.pass_obj
def show(control: Control) -> int:
    """Print the hosts in maintenance.

    \b
    Example: bin/stack maintenance show
    """
    found = sorted(hosts(control.newest()))
    control.screen.say("\n".join(found) or "maintenance: off")
    return 0


def hosts(stack: Stack) -> set[str]:
    """Return the host names whose visitors see the maintenance page."""
    try:
        text = Path(stack.maintenance_file).read_text(encoding="utf-8")
    except FileNotFoundError:
        return set()
    return set(LINE.findall(text))


def _stack(control: Control) -> Stack:
    stack = control.newest()
    if stack.alone or stack.web_server == "none":
        message = f"[{stack.name}] has no web server of its own to show a page."
        raise ControlError(message)
    return stack


def _chosen(stack: Stack, names: Sequence[str]) -> list[Site]:
    chosen = []
    for name in names:
        found = [one for one in stack.sites if name in {*one.hosts, one.path}]
        if not found:
            known = [one.host for one in stack.sites]
            near = difflib.get_close_matches(name, known, n=1) or known
            message = f"there is no site {name}. Did you mean {' or '.join(near)}?"
            raise ControlError(message)
        chosen += found
    return chosen or list(stack.sites)


def _write(
    control: Control, stack: Stack, wanted: Iterable[str], before: Iterable[str]
) -> None:
    """Replace the file and let nginx read it; put it back where nginx refuses."""
    if set(wanted) == set(before):
        return
    _replace(control, stack, wanted)
    nginx = next(one for one in stack.programs if one.kind == "nginx")
    if not survey.take(stack).pid(nginx.name):
        return
    try:
        signalling.reload(stack, nginx)
    except ControlError:
        _replace(control, stack, before)
        raise


def _replace(control: Control, stack: Stack, wanted: Iterable[str]) -> None:
    path = Path(stack.maintenance_file)
    lines = [f"{host} 1;\n" for host in sorted(wanted)]
    if not lines:
        path.unlink(missing_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_name(f"{path.name}.new")
    fresh.write_text(HEAD.format(control.name) + "".join(lines), encoding="utf-8")
    fresh.replace(path)
