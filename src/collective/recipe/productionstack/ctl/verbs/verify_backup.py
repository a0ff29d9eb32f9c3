"""Restore the newest backup into a scratch folder and read all of it.

Every object is loaded, every blob is looked for and compared with what was written
down when the backup was made. The live database and its blobs are read and compared
too. Nothing live is touched. With --date or --sample it is a question, no verdict.

With --from it is about copies: a generation here, or a folder of them, is restored and
read as well; those of sync-target are compared there with what was sent.

\b
Example: bin/stack verify-backup
         bin/stack verify-backup --date 2026-11-24 --json
         bin/stack verify-backup --from far
"""

from __future__ import annotations

import dataclasses
import json
import time
from pathlib import Path

import click

from collective.recipe.productionstack.ctl.backups import making
from collective.recipe.productionstack.ctl.backups.far import proving
from collective.recipe.productionstack.ctl.backups.far import targets
from collective.recipe.productionstack.ctl.backups.far.proving import GENERATION
from collective.recipe.productionstack.ctl.backups.far.proving import Share
from collective.recipe.productionstack.ctl.backups.far.targets import Told
from collective.recipe.productionstack.ctl.backups.report import MOST
from collective.recipe.productionstack.ctl.backups.report import Report
from collective.recipe.productionstack.ctl.backups.report import VerifySettings
from collective.recipe.productionstack.ctl.backups.verifying import Verification
from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.ctl.jobs import outcomes
from collective.recipe.productionstack.ctl.jobs import task
from collective.recipe.productionstack.ctl.jobs.task import Outcome
from collective.recipe.productionstack.ctl.jobs.task import Task
from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.errors import printable
from collective.recipe.productionstack.model.stack import Stack

FAR = "far"


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
@click.option(
    "--from",
    "source",
    default="",
    metavar="WHERE",
    help="A folder here, far (every sync-target), or one of them as it is written.",
)
@click.option(
    "--part",
    is_flag=True,
    help="With --from far: sum up a part of it, all of it every fourth week.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON for a machine.")
@task.waiting
@task.limited(12 * 3600)
@click.pass_obj
def command(
    control: Control,
    /,
    *,
    source: str,
    part: bool,
    as_json: bool,
    wait: float,
    **given: object,
) -> int:
    if part and not source:
        raise click.UsageError("--part is for copies: add --from far.")
    settings = VerifySettings(**given)  # type: ignore[arg-type]
    control.screen.quiet |= as_json
    every = _places(control.newest(), source) if source else ()
    if part and not every:
        message = f"--part sums up what lies at a target; {source} is a folder here."
        raise click.UsageError(message)
    if every:
        return _prove(control, every, settings, wait, part=part, as_json=as_json)
    roots = _generations(Path(source).resolve()) if source else [None]
    reports: list[Report] = []

    def work(one: Task) -> Outcome:
        found = making.of(one.stack)
        for root in roots:
            wanted = dataclasses.replace(settings, root=root)
            for each in found:
                reports.append(Verification(one, each, wanted).run())
                reports[-1].name += f" in {root}" if root else ""
        return _conclude(reports)

    try:
        proof = not (source or settings.is_partial)
        return task.run(control, "verify", wait, work, stamped=proof)
    finally:
        if as_json:
            values = [{"ok": one.ok, **vars(one)} for one in reports]
            click.echo(json.dumps({"backups": values}, indent=1))


def _places(stack: Stack, source: str) -> tuple[str, ...]:
    """Return the places for copies that are meant; none where it is a folder here.

    Raises ControlError where it is neither.
    """
    known = stack.data.keeping.sync_target
    if source == FAR:
        targets.refuse_unset(stack)
        return known
    if source in known and not Path(source).is_dir():
        return (source,)
    if not Path(source).is_dir():
        places = ", ".join((FAR, *known))
        remedy = f"There are: {places}." if known else "Name a folder with copies."
        message = f"--from {source}: {source} is no folder here. {remedy}"
        raise ControlError(message)
    return ()


def _generations(folder: Path) -> list[Path | None]:
    """Return the generations in a folder, newest first, or that one itself."""
    inside = [one for one in folder.iterdir() if GENERATION.fullmatch(one.name)]
    return [*sorted(inside, reverse=True)] or [folder]


def _prove(  # noqa: PLR0913 (what the options say)
    control: Control,
    places: tuple[str, ...],
    settings: VerifySettings,
    wait: float,
    *,
    part: bool,
    as_json: bool,
) -> int:
    told: list[Told] = []

    def work(one: Task) -> Outcome:
        before = outcomes.load(one.stack, proving.STAMP)
        share = proving.share_of(before, time.time()) if part else Share()
        told.extend(targets.prove(one, places, share, settings.timeout))
        return Outcome(targets.conclude(told))

    try:
        proof = places == control.newest().data.keeping.sync_target
        return task.run(control, proving.STAMP, wait, work, stamped=proof)
    finally:
        if as_json:
            values = [dataclasses.asdict(one) for one in told]
            click.echo(json.dumps({"copies": values}, indent=1))


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
