"""Copy the newest backup to sync-target, as a generation of its own there.

What has not changed is linked, not sent. A generation gets its name when it is
whole; an interrupted copy is gone on with. Older ones than sync-keep are deleted.

\b
Example: bin/stack sync-backup
"""

from __future__ import annotations

import click

from collective.recipe.productionstack.ctl.backups.far import targets
from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.ctl.jobs import task


@click.command("sync-backup", help=__doc__)
@task.waiting
@task.limited(12 * 3600)
@click.pass_obj
def command(control: Control, *, wait: float, timeout: float) -> int:
    targets.refuse_unset(control.newest())
    return task.run(control, "sync", wait, lambda one: targets.sync(one, timeout))
