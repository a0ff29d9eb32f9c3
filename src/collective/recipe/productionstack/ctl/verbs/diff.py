"""Compare the generated with the applied configuration.

Secrets are masked. Exit status 1 when they differ.

\b
Example: bin/stack diff
         bin/stack diff --json
"""

from __future__ import annotations

import json
from collections.abc import Iterable

import click

from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.errors import printable
from collective.recipe.productionstack.tree import diff

COLOURS = {"+": "green", "-": "red", "@": "cyan"}


@click.command("diff", help=__doc__)
@click.option("--json", "as_json", is_flag=True, help="Print JSON for a machine.")
@click.pass_obj
def command(control: Control, *, as_json: bool) -> int:
    control.generated()
    old, new = control.trees.applied(), control.trees.current()
    if as_json:
        files = sorted(diff.changed(old, new))
        lines = list(diff.differences(old, new))
        values = {"differs": bool(lines), "files": files, "diff": lines}
        click.echo(json.dumps(values, indent=1))
        return 1 if lines else 0
    return _show(control, diff.differences(old, new))


def _show(control: Control, lines: Iterable[str]) -> int:
    differs = 0
    for line in lines:
        differs = 1
        text = printable(line, limit=2000).replace("\n", "")
        control.screen.say(control.screen.coloured(text, COLOURS.get(line[:1])))
    return differs
