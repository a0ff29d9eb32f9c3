"""Which hosts show their visitors the maintenance page."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.ctl.lifecycle import signalling
from collective.recipe.productionstack.ctl.lifecycle import survey
from collective.recipe.productionstack.daemons import roles
from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.model.stack import Stack

HEAD = "# Written by bin/{} maintenance: hosts whose visitors see 503.\n"


def hosts(stack: Stack) -> set[str]:
    """Return the host names whose visitors see the maintenance page."""
    if not stack.chain.has_web_server:
        return set()
    try:
        text = Path(stack.maintenance_file).read_text(encoding="utf-8")
    except FileNotFoundError:
        return set()
    return roles.web_server(stack).maintenance_hosts(text)


def write(
    control: Control, stack: Stack, wanted: Iterable[str], before: Iterable[str]
) -> None:
    """Replace the file and let the web server read it.

    Raises ControlError where that refuses it; the file is put back then.
    """
    if set(wanted) == set(before):
        return
    _replace(control, stack, wanted)
    kind = stack.chain.web_server
    server = next(one for one in stack.announced.programs if one.kind == kind)
    if not survey.take(stack).pid(server.name):
        return
    try:
        signalling.reload(stack, server)
    except ControlError:
        _replace(control, stack, before)
        raise


def _replace(control: Control, stack: Stack, wanted: Iterable[str]) -> None:
    path = Path(stack.maintenance_file)
    if not set(wanted):
        path.unlink(missing_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    text = roles.web_server(stack).maintenance_text(sorted(wanted))
    fresh = path.with_name(f"{path.name}.new")
    fresh.write_text(HEAD.format(control.name) + text, encoding="utf-8")
    fresh.replace(path)
