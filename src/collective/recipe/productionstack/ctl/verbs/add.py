"""Send visitors to one more client until the next reload.

CLIENT is one that was removed, or a new name with the ADDRESS of a Zope that
serves the same database.

\b
Example: bin/stack add instance2
         bin/stack add helper 127.0.0.1:8099
"""

from __future__ import annotations

import click

from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.ctl.traffic import clients
from collective.recipe.productionstack.daemons import roles
from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.model.chain import BALANCER


@click.command("add", help=__doc__)
@click.argument("client")
@click.argument("address", required=False)
@click.pass_obj
def command(control: Control, *, client: str, address: str | None) -> int:
    with control.lock():
        stack = clients.running(control)
        balancer = roles.balancer(stack)
        if client in balancer.servers():
            knows = f"{roles.title(stack, BALANCER)} knows {client} already"
            message = f"{knows}; to use it: ready {client}."
            raise ControlError(message)
        known = {one.name: one for one in stack.zope.clients}
        if client in known and address is None:
            place, most = known[client].address, known[client].maxconn
        else:
            place = clients.address(stack, client, address)
            most = min(one.maxconn for one in stack.zope.clients)
        balancer.add(client, place, most)
        late = clients.wait_up(balancer, [client])
    if late:
        message = (
            f"{client} is known now, but does not answer at {place} yet. It gets "
            f"visitors as soon as it does; {control.script} remove {client} undoes it."
        )
        raise ControlError(message)
    control.screen.say(f"add: {client} at {place} serves, until the next reload")
    return 0
