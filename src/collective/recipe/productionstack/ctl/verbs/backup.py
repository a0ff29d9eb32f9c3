"""Back up every storage and its blobs, and judge the result.

Runs the buildout's own script, then looks: the file is there, readable and whole,
every blob is there. Writes down what the backup holds, for verify-backup.

Not begun when the live database has lost data since the last backup: then nothing
older is deleted. When what is there has rotted, a new full backup is made.

\b
Example: bin/stack backup
         bin/stack backup --full
"""

from __future__ import annotations

import click

from collective.recipe.productionstack.ctl.backups import making
from collective.recipe.productionstack.ctl.backups.making import Wanted
from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.ctl.jobs import task


@click.command("backup", help=__doc__)
@click.option("--full", is_flag=True, help="Copy everything, not what is new alone.")
@click.option(
    "--accept-shrink", is_flag=True, help="What is gone from the database may be gone."
)
@task.waiting
@task.limited(6 * 3600)
@click.pass_obj
def command(control: Control, /, *, wait: float, **given: object) -> int:
    wanted = Wanted(**given)  # type: ignore[arg-type]
    return task.run(control, "backup", wait, lambda one: making.make_all(one, wanted))
