"""Ask Plone itself, through the debug client."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.daemons import health
from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.machine import run
from collective.recipe.productionstack.model.announced import Health
from collective.recipe.productionstack.model.clients import Client
from collective.recipe.productionstack.model.site import Site
from collective.recipe.productionstack.model.stack import Stack

INSIDE = Path(__file__).with_name("inside")
RESULT = "PRODUCTIONSTACK "
TIMEOUT = 300
PROBE_SECONDS = 5.0


def sites(stack: Stack) -> list[Site]:
    """Return one site for each path: two may show the same."""
    return list({site.path: site for site in reversed(stack.sites)}.values())[::-1]


def client_of_cache(control: Control, stack: Stack) -> Client:
    """Return the client to ask about caching.

    Raises ControlError where there is no cache, or the client would wait for nothing.
    """
    if not stack.chain.has_cache:
        message = (
            f"this stack has no cache (proxy-cache = none). "
            f"Write proxy-cache = varnish in [{stack.name}] to get one."
        )
        raise ControlError(message)
    return client(control, stack)


def client(control: Control, stack: Stack) -> Client:
    """Return the client to ask.

    Raises ControlError where it would wait for nothing.
    """
    if not stack.zope.all_clients or not stack.sites:
        message = f"[{stack.name}] has no sites and clients. Ask the stack that has."
        raise ControlError(message)
    found = stack.zope.debug_client or stack.zope.clients[0]
    # Zope itself would wait half a minute for a database that is not there.
    answers = {
        address: health.probe(Health(address=address.to_connect), PROBE_SECONDS)
        for address in found.zeo_addresses
    }
    if answers and health.OK not in answers.values():
        shown = "; ".join(f"{address}: {answer}" for address, answer in answers.items())
        message = (
            f"the database does not answer ({shown}). Run {control.script} up first."
        )
        raise ControlError(message)
    return found


def ask(
    stack: Stack,
    asked: Client,
    module: str,
    wanted: dict[str, Any],
    seconds: int = TIMEOUT,
) -> Any:
    """Run one of our modules inside Zope; return the values that it answers.

    Raises ControlError with the last lines that Zope said when it answers none.
    """
    told = {"folder": str(INSIDE), "module": module, "timeout": seconds, **wanted}
    done = run.run(
        (asked.script, "run", str(INSIDE / "run.py")),
        cwd=stack.folders.buildout,
        text=json.dumps(told),
        timeout=seconds + 60,
    )
    for line in done.output.splitlines():
        if done.ok and line.startswith(RESULT):
            return json.loads(line.removeprefix(RESULT))
    message = (
        f"{asked.script} could not do it; nothing was changed.{done.said}\n"
        f"Mend that, then try again; {asked.script} debug opens the same database."
    )
    raise ControlError(message)
