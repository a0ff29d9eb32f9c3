"""``check``: the daemons' own verdicts and what they do not look at."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from collective.recipe.productionstack import check
from collective.recipe.productionstack.check import Verdict
from collective.recipe.productionstack.ctl import ports
from collective.recipe.productionstack.ctl import survey
from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.model import Stack

SOCKET_LIMIT = 97
"""HAProxy's limit for the path of a socket in bytes, the lowest of all daemons'."""


@click.command(
    "check", short_help="Ask the daemons whether they accept the configuration."
)
@click.pass_obj
def command(control: Control) -> int:
    """Ask the daemons whether they accept the generated configuration.

    Each is asked about a copy, so nothing is changed and nothing listened on. What
    they do not look at, such as ports in use, is looked at here.

    \b
    Example: bin/stack check
    """
    stack = control.generated()
    bad = 0
    for verdict in check.verdicts(stack, _folder(control)):
        bad += not verdict.ok
        _show(control, verdict)
    for trouble in lint(stack):
        bad += 1
        control.screen.fail(f"{'stack':<12} {trouble}")
    if bad:
        control.screen.fail(
            "Mend that in buildout.cfg, run bin/buildout, "
            f"then {control.script} check again."
        )
    return 1 if bad else 0


def refusals(control: Control, stack: Stack) -> list[Verdict]:
    """Return the verdicts that stand against a reload."""
    return [one for one in check.verdicts(stack, _folder(control)) if not one.ok]


def lint(stack: Stack) -> Iterator[str]:
    """Yield what no daemon looks at."""
    seen = survey.take(stack, timeout=1)
    ours = {name: seen.pids(name) for name in seen.roots}
    for one in ports.intruders(stack, ours):
        yield f"{one}. Stop that or choose another port-base."
    for name in ("supervisor", "haproxy", "varnish"):
        path = stack.socket(name).path
        if len(path.encode()) > SOCKET_LIMIT:
            yield f"{path} is longer than {SOCKET_LIMIT} bytes. Run bin/buildout again."


def _folder(control: Control) -> Path:
    folder = control.trees.current()
    assert folder is not None  # noqa: S101 (generated() has looked)
    return folder


def _show(control: Control, verdict: Verdict) -> None:
    if verdict.ok:
        control.screen.say(f"{verdict.service:<12} ok")
        return
    control.screen.fail(f"{verdict.service:<12} {verdict.state}: {verdict.text}")
