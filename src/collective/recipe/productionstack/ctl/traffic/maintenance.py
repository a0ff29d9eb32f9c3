"""Which hosts show their visitors the maintenance page."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.ctl.lifecycle import signalling
from collective.recipe.productionstack.ctl.lifecycle import survey
from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.model.stack import Stack

LINE = re.compile(r"^(\S+) 1;$", re.MULTILINE)
HEAD = "# Written by bin/{} maintenance: hosts whose visitors see 503.\n"


def hosts(stack: Stack) -> set[str]:
    """Return the host names whose visitors see the maintenance page."""
    try:
        text = Path(stack.maintenance_file).read_text(encoding="utf-8")
    except FileNotFoundError:
        return set()
    return set(LINE.findall(text))


def write(
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
