"""Give clients no new requests and wait until they have none.

They stay so until ready, restart, or the next start of HAProxy (nginx keeps it);
a reload keeps it.

\b
Example: bin/stack drain instance2
"""

from __future__ import annotations

import click

from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.ctl.traffic.clients import patience
from collective.recipe.productionstack.ctl.traffic.clients import programs
from collective.recipe.productionstack.ctl.traffic.clients import refuse_last
from collective.recipe.productionstack.ctl.traffic.clients import running
from collective.recipe.productionstack.daemons import roles


@click.command("drain", help=__doc__)
@click.argument("clients", nargs=-1, required=True)
@patience("requests to end; 0 does not wait")
@click.option("--force", is_flag=True, help="Drain the last client too.")
@click.pass_obj
def command(
    control: Control, *, clients: tuple[str, ...], timeout: float, force: bool
) -> int:
    with control.lock():
        stack = running(control)
        names = {one.name for one in programs(stack, clients)}
        balancer = roles.balancer(stack)
        refuse_last(control, balancer.servers(), names, force=force)
        for name in names:
            balancer.set_state(name, "drain")
        with control.screen.steps() as steps:
            for name in names:
                steps.begin(name, "waiting for its requests to end")
            idle = balancer.wait_idle(names, timeout)
            for name in sorted(names):
                steps.done(name, "drained" if idle else "drained, requests still run")
        control.screen.tell(
            f"{control.script} ready {' '.join(sorted(names))} lets visitors in again"
        )
    return 0 if idle or not timeout else 1
