"""Become supervisord (``up`` starts this, so that ``ps`` is readable)."""

from __future__ import annotations

import sys

import click

from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.ctl.lifecycle import supervisord
from collective.recipe.productionstack.daemons.supervisor.control import CONF
from collective.recipe.productionstack.machine import own_processes


@click.command("supervisord", help=__doc__, hidden=True)
@click.option("--foreground", is_flag=True, help="Do not go into the background.")
@click.pass_obj
def command(control: Control, *, foreground: bool) -> None:
    from supervisor.supervisord import main

    supervisord.raise_limit()
    conf = control.var / "applied" / CONF
    # supervisor takes its own name for messages from here.
    sys.argv = [own_processes.SUPERVISOR, "-c", str(conf)]
    main([*sys.argv[1:], *(["-n"] if foreground else [])])
