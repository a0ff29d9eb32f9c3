"""Show what runs and answers, and how backup, copy, verification and pack ended.

Exit status 1 when a program that should run does not run and answer (the debug
client never counts), a site is not there, a disk is nearly full, the last good run
of a job is too old, or a certificate is over or has less than a fifth of its
lifetime left.

\b
Example: bin/stack status
         bin/stack status --json
         bin/stack status --metrics
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from typing import Any

import click

from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.ctl.watching import remarks
from collective.recipe.productionstack.ctl.watching.status import Status
from collective.recipe.productionstack.ctl.watching.status import look
from collective.recipe.productionstack.ctl.watching.status import supervisord
from collective.recipe.productionstack.machine.files import MEGABYTE

if TYPE_CHECKING:
    from rich.console import Console


UNCUT = 400
COLOURS = {"running": "green", "stopped": "yellow", "drained": "yellow"}


@click.command("status", help=__doc__)
@click.option("--json", "as_json", is_flag=True, help="Print JSON for a machine.")
@click.option("--metrics", "as_metrics", is_flag=True, help="Print Prometheus metrics.")
@click.pass_obj
def command(control: Control, *, as_json: bool, as_metrics: bool) -> int:
    status = look(control)
    if as_metrics:
        from collective.recipe.productionstack.ctl.watching import metrics

        programs = [status.program(one) for one in status.stack.announced.programs]
        programs.append(supervisord(status))
        more = metrics.of_status(status)
        text = metrics.text(control.name, programs, status.ages, more)
        click.echo(text, nl=False)
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
    # A program that reads this needs whole names and numbers; a person one screen.
    console = control.screen.console(width=UNCUT)
    _show_programs(console, status)
    for line in remarks.lines(control, status):
        console.print(line, markup=False)


def _show_programs(console: Console, status: Status) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for title in ("program", "state", "pid", "up", "address", "health", "memory"):
        right = title in {"pid", "up", "memory"}
        table.add_column(title, justify="right" if right else "left", no_wrap=True)
    narrow = console.width < UNCUT
    base = f"{status.stack.folders.buildout}/"
    for program in status.stack.announced.programs:
        line = status.program(program)
        good = status.is_good(program) or program.standby
        colour = COLOURS.get(_state(line), "red") if good else "red"
        table.add_row(
            _short(line["name"], 14 if narrow else UNCUT),
            Text(_state(line), style=colour),
            str(line["pid"] or "-"),
            remarks.span(line["uptime"]),
            _short(line["address"].removeprefix(base), 20 if narrow else UNCUT),
            Text(
                _short(line["health"], 18 if narrow else UNCUT),
                style="green" if good else "red",
            ),
            f"{line['memory'] / MEGABYTE:.0f} M" if line["memory"] else "-",
        )
    console.print(table, soft_wrap=False)


def _state(line: dict[str, Any]) -> str:
    """Return supervisord's word; a client that runs for nobody is drained."""
    state = str(line["state"]).lower()
    return "drained" if line["drained"] and state == "running" else state


def _short(text: str, width: int) -> str:
    """Shorten a text in its front part: the end tells more."""
    return text if len(text) <= width else f"…{text[1 - width :]}"
