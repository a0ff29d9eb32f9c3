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
from collections.abc import Callable
from typing import Any

import click

from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.ctl.shell import refuse_together
from collective.recipe.productionstack.ctl.watching import remarks
from collective.recipe.productionstack.ctl.watching import table
from collective.recipe.productionstack.ctl.watching.status import Status
from collective.recipe.productionstack.ctl.watching.status import look
from collective.recipe.productionstack.ctl.watching.status import supervisord
from collective.recipe.productionstack.machine.files import MEGABYTE
from collective.recipe.productionstack.model.announced import Program
from collective.recipe.productionstack.model.chain import ROLES

COLOURS = {"running": "green", "stopped": "yellow", "drained": "yellow"}


@click.command("status", help=__doc__)
@click.option("--json", "as_json", is_flag=True, help="Print JSON for a machine.")
@click.option("--metrics", "as_metrics", is_flag=True, help="Print Prometheus metrics.")
@click.pass_obj
def command(control: Control, *, as_json: bool, as_metrics: bool) -> int:
    refuse_together(json=as_json, metrics=as_metrics)
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
    for line in table.lines(_rows(status), control.screen.width, _paint(control)):
        click.echo(line)
    for line in remarks.lines(control, status):
        control.screen.tell(line)


def _rows(status: Status) -> list[dict[str, str]]:
    base = f"{status.stack.folders.buildout}/"
    rows = []
    # From the visitor to the disk, as a request goes.
    for program in sorted(status.stack.announced.programs, key=_place(status)):
        line = status.program(program)
        memory = line["memory"]
        rows.append(
            {
                "program": line["name"],
                "group": str(_place(status)(program)[0]),
                "state": _state(line),
                "pid": str(line["pid"] or "-"),
                "up": remarks.span(line["uptime"]),
                "address": line["address"].removeprefix(base),
                "health": line["health"],
                "memory": f"{memory / MEGABYTE:.0f} M" if memory else "-",
                "good": "yes" if status.is_good(program) or program.standby else "",
            }
        )
    return rows


def _place(status: Status) -> Callable[[Program], tuple[int, int]]:
    """Return what sorts programs: tiers, pages, clients, others, databases, ours."""
    every = status.stack.announced.programs
    names = [one.name for one in every]
    tiers = {status.stack.chain.filled_by(role) for role in ROLES}

    def place(program: Program) -> tuple[int, int]:
        at = names.index(program.name)
        if program.kind in tiers:
            # They start the other way round.
            return 0, -at
        kinds = (
            *(program.is_frontend, program.is_client),
            *(program.is_extra, program.is_storage),
        )
        return (kinds.index(True) + 1 if any(kinds) else 5), at

    return place


def _paint(control: Control) -> Callable[[str, table.Row, str], str]:
    def paint(column: str, row: table.Row, text: str) -> str:
        if column not in {"state", "health"}:
            return text
        good = COLOURS.get(row["state"], "red") if column == "state" else "green"
        return control.screen.coloured(text, good if row["good"] else "red")

    return paint


def _state(line: dict[str, Any]) -> str:
    """Return supervisord's word; a client that runs for nobody is drained."""
    state = str(line["state"]).lower()
    return "drained" if line["drained"] and state == "running" else state
