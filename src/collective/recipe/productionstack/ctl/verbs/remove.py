"""Let the balancer forget a client until the next reload; the process goes on.

\b
Example: bin/stack remove instance2
"""

from __future__ import annotations

import click

from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.ctl.traffic.clients import not_known
from collective.recipe.productionstack.ctl.traffic.clients import patience
from collective.recipe.productionstack.ctl.traffic.clients import refuse_last
from collective.recipe.productionstack.ctl.traffic.clients import running
from collective.recipe.productionstack.daemons import roles
from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.model.chain import BALANCER


@click.command("remove", help=__doc__)
@click.argument("client")
@patience("its requests to end")
@click.option("--force", is_flag=True, help="Remove the last one; cut its requests.")
@click.pass_obj
def command(control: Control, *, client: str, timeout: float, force: bool) -> int:
    with control.lock():
        stack = running(control)
        balancer = roles.balancer(stack)
        servers = balancer.servers()
        if client not in servers:
            raise ControlError(not_known(stack, client))
        refuse_last(control, servers, {client}, force=force)
        balancer.set_state(client, "drain")
        if not balancer.wait_idle({client}, timeout) and not force:
            busy = balancer.busy({client})
            balancer.set_state(client, "ready")
            message = (
                f"{busy} after {timeout:.0f} s and serves again. "
                "Wait longer with --timeout, or cut them with --force."
            )
            raise ControlError(message)
        balancer.remove(client)
        title = roles.title(stack, BALANCER)
    control.screen.say(
        f"remove: {title} has forgotten {client} until the next reload; "
        f"{control.script} add {client} takes it back"
    )
    return 0
