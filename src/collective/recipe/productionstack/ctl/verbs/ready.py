"""Let clients have visitors again, and see that they get them.

\b
Example: bin/stack ready instance2
"""

from __future__ import annotations

import click

from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.ctl.traffic.clients import programs
from collective.recipe.productionstack.ctl.traffic.clients import running
from collective.recipe.productionstack.ctl.traffic.clients import wait_up
from collective.recipe.productionstack.daemons import roles
from collective.recipe.productionstack.errors import ControlError


@click.command("ready", help=__doc__)
@click.argument("clients", nargs=-1, required=True)
@click.pass_obj
def command(control: Control, *, clients: tuple[str, ...]) -> int:
    with control.lock():
        stack = running(control)
        names = sorted(one.name for one in programs(stack, clients))
        balancer = roles.balancer(stack)
        for name in names:
            balancer.set_state(name, "ready")
        late = wait_up(balancer, names)
    if late:
        message = (
            f"{', '.join(late)} may have visitors, but does not answer its check. "
            f"See {control.script} status; {control.script} restart brings it back."
        )
        raise ControlError(message)
    control.screen.say(f"ready: {', '.join(names)}")
    return 0
