"""Apply the generated configuration without dropping a connection.

What cannot change while it runs is named, with what to do; the exit status is 1
until that is done.

\b
Example: bin/buildout && bin/stack diff; bin/stack reload
"""

from __future__ import annotations

import click

from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.ctl.lifecycle import reloading


@click.command("reload", help=__doc__)
@click.pass_obj
def command(control: Control) -> int:
    with control.lock():
        return reloading.reload(control)
