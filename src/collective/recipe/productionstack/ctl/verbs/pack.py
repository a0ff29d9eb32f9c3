"""Pack the database: old revisions go, the file becomes smaller.

If you cannot pack your database, something is wrong with it.

\b
Example: bin/stack pack
"""

from __future__ import annotations

import click

from collective.recipe.productionstack.ctl.backups import packing
from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.ctl.jobs import task


@click.command("pack", help=__doc__)
@task.waiting
@task.limited(6 * 3600)
@click.pass_obj
def command(control: Control, *, wait: float, timeout: float) -> int:
    return task.run(control, "pack", wait, lambda one: packing.pack(one, timeout))
