"""Restore the newest backup into a scratch folder and read all of it.

Every object is loaded, every blob is looked for and compared with what was written
down when the backup was made. The live database and its blobs are read and compared
too. Nothing live is touched. With --date or --sample it is a question, no verdict.

\b
Example: bin/stack verify-backup
         bin/stack verify-backup --date 2026-11-24 --json
"""

from __future__ import annotations

import json

import click

from collective.recipe.productionstack.ctl.backups import making
from collective.recipe.productionstack.ctl.backups.report import MOST
from collective.recipe.productionstack.ctl.backups.report import Report
from collective.recipe.productionstack.ctl.backups.report import VerifySettings
from collective.recipe.productionstack.ctl.backups.verifying import Verification
from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.ctl.jobs import task
from collective.recipe.productionstack.ctl.jobs.task import Outcome
from collective.recipe.productionstack.ctl.jobs.task import Task
from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.errors import printable


@click.command("verify-backup", help=__doc__)
@click.option("--date", default="", help="The newest until then: 2026-11-24[-04[-30]].")
@click.option(
    "--sample",
    default=100.0,
    show_default=True,
    type=click.FloatRange(min=0, max=100),
    metavar="PERCENT",
    help="Load so many of the objects only.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON for a machine.")
@task.waiting
@task.limited(12 * 3600)
@click.pass_obj
def command(control: Control, /, *, as_json: bool, wait: float, **given: object) -> int:
    settings = VerifySettings(**given)  # type: ignore[arg-type]
    reports: list[Report] = []
    control.screen.quiet |= as_json

    def work(one: Task) -> Outcome:
        found = making.of(one.stack)
        reports.extend(Verification(one, each, settings).run() for each in found)
        return _conclude(reports)

    try:
        proof = not settings.is_partial
        return task.run(control, "verify", wait, work, stamped=proof)
    finally:
        if as_json:
            values = [{"ok": one.ok, **vars(one)} for one in reports]
            click.echo(json.dumps({"backups": values}, indent=1))


def _conclude(reports: list[Report]) -> Outcome:
    bad = [one for one in reports if not one.ok]
    if bad:
        lines = []
        for one in bad:
            lines.append(f"the backup {one.name} {one.date} is NOT good:")
            lines += [f"    {printable(text)}" for text in one.troubles[:MOST]]
            if len(one.troubles) > MOST:
                lines.append(f"    and {len(one.troubles) - MOST} more")
        lines.append("Make a new one (bin/stack backup), verify it, and find out why.")
        raise ControlError("\n".join(lines))
    notes = [f" ({note})" for one in reports for note in one.notes[:3]]
    text = "; ".join(one.line() for one in reports) + "".join(notes)
    return Outcome(text, sum(one.bytes for one in reports))
