"""Show what runs and answers, and how backup, copy, verification and pack ended.

Exit status 1 when a program that should run does not run and answer (the debug
client never counts), or the last good run of a job is too old.

\b
Example: bin/stack status
         bin/stack status --json
         bin/stack status --metrics
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.ctl.watching import metrics
from collective.recipe.productionstack.ctl.watching.status import Status
from collective.recipe.productionstack.ctl.watching.status import look
from collective.recipe.productionstack.ctl.watching.status import remarks
from collective.recipe.productionstack.ctl.watching.status import span
from collective.recipe.productionstack.machine.files import MEGABYTE

if TYPE_CHECKING:
    from rich.console import Console


COLOURS = {"RUNNING": "green", "STOPPED": "yellow"}


@click.command("status", help=__doc__)
@click.option("--json", "as_json", is_flag=True, help="Print JSON for a machine.")
@click.option("--metrics", "as_metrics", is_flag=True, help="Print Prometheus metrics.")
@click.pass_obj
def command(control: Control, *, as_json: bool, as_metrics: bool) -> int:
    status = look(control)
    if as_metrics:
        programs = [status.program(one) for one in status.stack.announced.programs]
        click.echo(
            metrics.text(control.name, programs, status.ages, status.counted), nl=False
        )
    elif as_json:
        click.echo(json.dumps(status.to_json(), indent=1))
    elif status.seen.is_empty and not status.seen.supervisor:
        control.screen.say(f"not running: {control.script} up")
        for text in status.boot:
            control.screen.say(f"boot: {text}")
    elif not control.quiet:
        _show(control, status)
    return 0 if status.ok else 1


def _show(control: Control, status: Status) -> None:
    console = control.screen.console()
    _show_programs(console, status)
    for line in remarks(control, status):
        console.print(line, markup=False)


def _show_programs(console: Console, status: Status) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for title in ("program", "state", "pid", "up", "address", "health", "memory"):
        right = title in {"pid", "up", "memory"}
        table.add_column(title, justify="right" if right else "left", no_wrap=True)
    base = f"{status.stack.folders.buildout}/"
    for program in status.stack.announced.programs:
        line = status.program(program)
        good = status.is_good(program) or program.standby
        colour = COLOURS.get(line["state"], "red") if good else "red"
        table.add_row(
            _short(line["name"], 14),
            Text(line["state"].lower(), style=colour),
            str(line["pid"] or "-"),
            span(line["uptime"]),
            _short(line["address"].removeprefix(base), 20),
            Text(_short(line["health"], 18), style="green" if good else "red"),
            f"{line['memory'] / MEGABYTE:.0f} M" if line["memory"] else "-",
        )
    console.print(table, soft_wrap=False)


def _short(text: str, width: int) -> str:
    """Shorten a text in its front part: the end tells more."""
    return text if len(text) <= width else f"…{text[1 - width :]}"
