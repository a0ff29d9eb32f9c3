"""Verify a backup and put it in the place of the data, which is kept aside.

Refused while anything of the stack runs. When something fails, everything is as
it was.

With --object one page, file or folder is brought back beside what is there, under
an id like news-restored-2026-11-24, while the site runs. With --blobs only the
blobs are brought back that are gone or damaged.

\b
Example: bin/stack restore
         bin/stack restore --date 2026-11-24
         bin/stack restore --object /Plone/news --date 2026-11-24
         bin/stack restore --blobs
         bin/stack restore --to /srv/staging/data
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import click

from collective.recipe.productionstack.ctl.backups import bringing
from collective.recipe.productionstack.ctl.backups import making
from collective.recipe.productionstack.ctl.backups import mending
from collective.recipe.productionstack.ctl.backups import restoring
from collective.recipe.productionstack.ctl.backups.exchange import Swap
from collective.recipe.productionstack.ctl.backups.report import VerifySettings
from collective.recipe.productionstack.ctl.backups.restoring import Chosen
from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.ctl.jobs import task
from collective.recipe.productionstack.ctl.jobs.task import Outcome
from collective.recipe.productionstack.ctl.jobs.task import Task
from collective.recipe.productionstack.ctl.shell import refuse_together
from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.machine.files import megabytes
from collective.recipe.productionstack.model.stack import Stack


@click.command("restore", help=__doc__)
@click.option("--date", default="", help="The newest until then: 2026-11-24[-04[-30]].")
@click.option(
    "--from",
    "source",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A generation that sync-backup made, here.",
)
@click.option(
    "--to",
    "target",
    type=click.Path(path_type=Path),
    help="Restore into this new folder; nothing live is touched.",
)
@click.option(
    "--object",
    "path",
    default="",
    metavar="PATH",
    help="Bring one object back: /Plone/news. Nothing that is there is touched.",
)
@click.option("--blobs", is_flag=True, help="Bring back blobs alone: gone or damaged.")
@click.option(
    "--unproven",
    is_flag=True,
    help="Where the list (.dat) of a backup is gone: take its files by their names.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@task.waiting
@click.pass_obj
def command(  # noqa: PLR0913 (one argument for each option)
    control: Control,
    *,
    date: str,
    source: Path | None,
    target: Path | None,
    path: str,
    blobs: bool,
    unproven: bool,
    yes: bool,
    wait: float,
) -> int:
    refuse_together(to=target, object=path, blobs=blobs)
    refuse_together(unproven=unproven, blobs=blobs)
    stack = control.newest()
    source = source.resolve() if source else None
    asked = bringing.wanted(stack, path) if path else None
    # What lives now is replaced, whatever has become of it.
    settings = VerifySettings(date=date, root=source, unproven=unproven, live=False)
    chosen = restoring.choose(stack, settings)

    def one_object(one: Task) -> Outcome:
        assert asked is not None  # noqa: S101 (for the type checker)
        return bringing.bring(one, chosen, asked, source)

    def only_blobs(one: Task) -> Outcome:
        return mending.mend(one, chosen, source)

    if path or blobs:
        # Nothing is replaced, so nobody is asked.
        beside: Callable[[Task], Outcome] = one_object if path else only_blobs
        return task.run(control, restoring.STAMP, wait, beside, stamped=not path)
    _prepare(control, stack, target)
    _show(control, chosen, target)
    _ask(yes=yes)
    work = _whole(control, chosen, settings, target)
    return task.run(control, restoring.STAMP, wait, work)


def _whole(
    control: Control,
    chosen: Chosen,
    settings: VerifySettings,
    target: Path | None,
) -> Callable[[Task], Outcome]:
    def work(one: Task) -> Outcome:
        if target is not None:
            restoring.verify(one, settings, chosen)
            return restoring.elsewhere(one, chosen, target.resolve())
        # Nothing is started while the data is exchanged.
        with control.lock():
            restoring.verify(one, settings, chosen)
            return restoring.replace(one, control, chosen)

    return work


def _prepare(control: Control, stack: Stack, target: Path | None) -> None:
    """Refuse what cannot be replaced; put back what a killed restore has left."""
    if target is None:
        with control.lock():
            Swap(stack).heal(control.screen)
        restoring.refuse_running(control, stack)
    elif target.exists() and any(target.iterdir()):
        message = f"{target} is not empty. Name a folder that is not there yet."
        raise ControlError(message)


def _ask(*, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise ControlError("nobody can be asked here. Add --yes.")
    if not click.confirm("Go on?", default=False):
        click.echo("nothing was changed.")
        raise click.exceptions.Exit(0)


def _show(control: Control, chosen: Chosen, target: Path | None) -> None:
    there = {backup.name for backup, _ in chosen}
    for one in making.of(control.newest()):
        if one.name not in there:
            control.screen.warn(
                f"Backup {one.name}: LEFT OUT, it has no copy of that time; "
                f"{one.data_file} stays as it is"
            )
    for backup, copy in chosen:
        size = f"{megabytes(copy.size)} of data"
        if copy.is_unproven:
            size = f"UNPROVEN: {len(copy.pieces)} files in the order of their names"
        control.screen.say(f"Backup {backup.name} of {copy.date} (UTC), {size}")
        for place in (backup.data_file, backup.blob_dir):
            if place and target is None:
                control.screen.say(f"  replaces {place}{_state(Path(place))}")
    if target is None:
        control.screen.say("What is replaced is kept beside it.")
    else:
        control.screen.say(f"  goes to {target}; nothing else is touched")


def _state(path: Path) -> str:
    if not path.exists():
        return " (not there now)"
    changed = time.strftime("%Y-%m-%d %H:%M", time.localtime(path.stat().st_mtime))
    if path.is_file():
        return f" ({megabytes(path.stat().st_size)}, changed {changed})"
    return ""
