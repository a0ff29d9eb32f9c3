"""Ask the daemons whether they accept the generated configuration.

Each is asked about a copy, so nothing is changed and nothing listened on. What
they do not look at, such as ports in use, is looked at here.

\b
Example: bin/stack check
"""

from __future__ import annotations

from collections.abc import Iterator

import click

from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.ctl.lifecycle import intruders
from collective.recipe.productionstack.ctl.lifecycle import reloading
from collective.recipe.productionstack.ctl.lifecycle import survey
from collective.recipe.productionstack.daemons.supervisor.control import SOCKET
from collective.recipe.productionstack.model.address import SOCKET_LIMIT
from collective.recipe.productionstack.model.stack import Stack
from collective.recipe.productionstack.tree import check
from collective.recipe.productionstack.tree.check import Verdict


@click.command("check", help=__doc__)
@click.pass_obj
def command(control: Control) -> int:
    stack = control.generated()
    bad = 0
    for verdict in check.verdicts(stack, reloading.generated_tree(control)):
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


def lint(stack: Stack) -> Iterator[str]:
    """Yield what no daemon looks at."""
    seen = survey.take(stack, timeout=1)
    ours = {name: seen.pids(name) for name in seen.roots}
    for one in intruders.found(stack, ours):
        yield f"{one}. {intruders.remedy(stack, [one])}"
    yield from intruders.unusable(stack, seen.supervisor)
    listens = {
        one.path for program in stack.announced.programs for one in program.listens
    }
    for path in sorted(filter(None, {*listens, stack.socket(SOCKET).path})):
        if len(path.encode()) > SOCKET_LIMIT:
            yield f"{path} is longer than {SOCKET_LIMIT} bytes. Run bin/buildout again."


def _show(control: Control, verdict: Verdict) -> None:
    if verdict.ok:
        control.screen.say(f"{verdict.service:<12} ok")
        return
    control.screen.fail(f"{verdict.service:<12} {verdict.state}: {verdict.text}")
