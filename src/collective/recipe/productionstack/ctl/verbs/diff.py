"""Compare the generated with the applied configuration.

Secrets are masked. Exit status 1 when they differ. Of stack.json, which is for
bin/stack itself, it is only said that it differs.

\b
Example: bin/stack diff
         bin/stack diff --all
         bin/stack diff --json
"""

from __future__ import annotations

import json
from collections.abc import Iterable

import click

from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.errors import printable
from collective.recipe.productionstack.tree import diff

OWN = "stack.json"
COLOURS = {"+": "green", "-": "red", "@": "cyan"}


@click.command("diff", help=__doc__)
@click.option("--json", "as_json", is_flag=True, help="Print JSON for a machine.")
@click.option("--all", "whole", is_flag=True, help="Show stack.json too.")
@click.pass_obj
def command(control: Control, *, as_json: bool, whole: bool) -> int:
    control.generated()
    old, new = control.trees.applied(), control.trees.current()
    if as_json:
        files = sorted(diff.changed(old, new))
        lines = list(diff.differences(old, new))
        values = {"differs": bool(lines), "files": files, "diff": lines}
        click.echo(json.dumps(values, indent=1))
        return 1 if lines else 0
    hidden = frozenset() if whole else frozenset([OWN])
    _show(control, diff.differences(old, new, hidden))
    differing = diff.changed(old, new)
    if hidden & differing:
        text = f"{OWN}, which is for {control.script} itself, differs: --all shows how"
        control.screen.say(text)
    return 1 if differing else 0


def _show(control: Control, lines: Iterable[str]) -> None:
    for line in lines:
        text = printable(line, limit=2000).replace("\n", "")
        control.screen.say(control.screen.coloured(text, COLOURS.get(line[:1])))
