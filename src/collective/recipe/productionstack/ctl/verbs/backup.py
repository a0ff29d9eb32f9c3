"""Back up every storage and its blobs, and judge the result.

Runs the buildout's own script, then looks: the file is there, readable and whole,
every blob is there. Writes down what the backup holds, for verify-backup.

\b
Example: bin/stack backup
"""

from __future__ import annotations

import click

from collective.recipe.productionstack.ctl.backups import making
from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.ctl.jobs import task


@click.command("backup", help=__doc__)
@task.waiting
@task.limited(6 * 3600)
@click.pass_obj
def command(control: Control, *, wait: float, timeout: float) -> int:
    return task.run(control, "backup", wait, lambda one: making.make_all(one, timeout))
