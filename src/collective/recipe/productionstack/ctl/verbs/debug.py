"""Start the debug client on its private port, and say how to reach it.

It shares the database with the others and gets no visitors. One that runs
already is left alone.

\b
Example: bin/stack debug
         bin/stack debug --stop
"""

from __future__ import annotations

import socket
import time

import click

from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.ctl.lifecycle import stopping
from collective.recipe.productionstack.ctl.lifecycle import survey
from collective.recipe.productionstack.ctl.lifecycle.starting import Starter
from collective.recipe.productionstack.daemons.supervisor.control import adopt
from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.model.announced import Program
from collective.recipe.productionstack.model.clients import Client
from collective.recipe.productionstack.model.stack import Stack


@click.command("debug", help=__doc__)
@click.option("--stop", "ending", is_flag=True, help="Stop it again.")
@click.option(
    "--timeout",
    default=300,
    show_default=True,
    metavar="SECONDS",
    help="Give up on its start then.",
)
@click.pass_obj
def command(control: Control, *, ending: bool, timeout: int) -> int:
    with control.lock():
        stack = control.newest()
        client, program = _debugger(control, stack)
        seen = survey.take(stack)
        if not seen.answers:
            message = f"nothing runs under supervisord. Run {control.script} up."
            raise ControlError(message)
        with control.screen.steps() as steps:
            if ending:
                if seen.pid(program.name):
                    stopping.programs(
                        control, stack, survey.take(stack), [program], steps
                    )
                control.screen.say(f"debug: {program.name} is stopped")
                return 0
            supervisor = survey.connect(stack)
            adopt(supervisor)
            deadline = time.monotonic() + timeout
            Starter(control, stack, supervisor, steps, deadline).start([program])
    _tell(control, stack, client)
    return 0


def _debugger(control: Control, stack: Stack) -> tuple[Client, Program]:
    client = stack.zope.debug_client
    found = [
        one for one in stack.announced.programs if client and one.name == client.name
    ]
    if client is None or not found:
        message = (
            "there is no debug client. Add one to buildout.cfg, name it in "
            f"[{control.name}] debug-client, and run bin/buildout."
        )
        raise ControlError(message)
    return client, found[0]


def _tell(control: Control, stack: Stack, client: Client) -> None:
    address = client.address
    script = client.script.removeprefix(f"{stack.folders.buildout}/")
    paths = ", ".join(
        f"http://localhost:{address.port}{one.path}" for one in stack.sites
    )
    control.screen.tell(
        f"debug: {client.name} answers at {address}; no visitor ever gets there.\n"
        f"From your machine: ssh -L {address.port}:{address} {socket.gethostname()}\n"
        f"then in your browser: {paths}\n"
        f"A Python prompt: {script} debug. To stop it: {control.script} debug --stop"
    )
