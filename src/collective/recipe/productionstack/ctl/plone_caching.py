"""``plone-caching``: set caching and purging in Plone's own registry."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from collective.recipe.productionstack import run
from collective.recipe.productionstack.announced import Health
from collective.recipe.productionstack.ctl import health
from collective.recipe.productionstack.ctl import pages
from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.errors import printable
from collective.recipe.productionstack.model import Client
from collective.recipe.productionstack.model import Site
from collective.recipe.productionstack.model import Stack

SCRIPT = Path(__file__).with_name("inside") / "caching.py"
RESULT = "PRODUCTIONSTACK "
TIMEOUT = 300
PROBE_SECONDS = 5.0
PAGE_SECONDS = 120
"""How long a page is kept: no purge of another page reaches its lists and menus."""

SAID_LINES = 8


@click.command("plone-caching", short_help="Let Plone's pages be cached and purged.")
@click.pass_obj
def command(control: Control) -> int:
    """Let Plone's pages be cached and purged.

    Sets caching, purging and the addresses of this stack in the registry of every
    site, through the debug client. Do it once a site is created; done again it
    changes nothing. What was tuned since then stays.

    \b
    Example: bin/stack plone-caching
    """
    with control.lock():
        stack = control.newest()
        client = _client(control, stack)
        with control.screen.steps() as steps:
            steps.begin(client.name, "setting up caching in Plone")
            result = _run(stack, client)
            steps.done(client.name, "asked Plone")
    troubles = [_conclude(control, stack, site, result) for site in _sites(stack)]
    return 1 if any(troubles) else 0


def _sites(stack: Stack) -> list[Site]:
    """Return one site for each path: two may show the same."""
    return list({site.path: site for site in reversed(stack.sites)}.values())[::-1]


def _client(control: Control, stack: Stack) -> Client:
    """Return the client to do it with; refuse where it would wait for nothing."""
    if stack.proxy_cache == "none":
        message = (
            f"this stack has no cache (proxy-cache = none), so Plone needs no other "
            f"settings. Write proxy-cache = varnish in [{stack.name}] to get one."
        )
        raise ControlError(message)
    if not stack.all_clients or not stack.sites:
        message = f"[{stack.name}] has no sites and clients. Ask the stack that has."
        raise ControlError(message)
    client = stack.debug_client or stack.clients[0]
    # Zope itself would wait half a minute for a database that is not there.
    answers = {
        address: health.probe(Health(address=address.to_connect), PROBE_SECONDS)
        for address in client.zeo_addresses
    }
    if answers and health.OK not in answers.values():
        shown = "; ".join(f"{address}: {answer}" for address, answer in answers.items())
        message = (
            f"the database does not answer ({shown}). Run {control.script} up first."
        )
        raise ControlError(message)
    return client


def _run(stack: Stack, client: Client) -> dict[str, Any]:
    wanted = {
        "paths": [site.path for site in _sites(stack)],
        "proxies": [f"http://{stack.purge.to_connect}"],
        "seconds": PAGE_SECONDS,
        "timeout": TIMEOUT,
    }
    done = run.run(
        (client.script, "run", str(SCRIPT)),
        cwd=stack.folders.buildout,
        text=json.dumps(wanted),
        timeout=TIMEOUT + 60,
    )
    for line in done.output.splitlines():
        if done.ok and line.startswith(RESULT):
            return dict(json.loads(line.removeprefix(RESULT)))
    said = done.text.splitlines()[-SAID_LINES:]
    shown = "".join(f"\n    {printable(line)}" for line in said)
    message = (
        f"{client.script} could not set up caching; nothing was changed.{shown}\n"
        f"Mend that, then try again; {client.script} debug opens the same database."
    )
    raise ControlError(message)


def _conclude(
    control: Control, stack: Stack, site: Site, result: dict[str, Any]
) -> str:
    """Say what was done to one site; return what is wrong with it."""
    done = result.get("sites", {}).get(site.path, result)
    trouble = _worded(stack, site, done.get("trouble", ""))
    changes = done.get("changes", ())
    if trouble:
        control.screen.fail(f"Error: {trouble}")
    elif changes:
        control.screen.say(f"{site.host} ({site.path}): set")
        for line in changes:
            control.screen.say(f"    {printable(line)}")
    else:
        control.screen.say(f"{site.host} ({site.path}): nothing to change")
    return trouble


def _worded(stack: Stack, site: Site, trouble: str) -> str:
    client = (stack.debug_client or stack.clients[0]).name
    known = {
        "missing": pages.missing(stack, site),
        "no site": (
            f"{site.host}: {site.path} is no Plone site. "
            f"Name the site's path in [{stack.name}] sites, then run bin/buildout."
        ),
        "no package": (
            f"{site.host}: plone.app.caching is not installed. "
            f"Add it (or Plone) to the eggs of [{client}], then run bin/buildout."
        ),
        "no profile": (
            f"{site.host}: plone.app.caching is there but not loaded. "
            f"Add zcml = plone.app.caching to [{client}], then run bin/buildout."
        ),
    }
    return known.get(trouble, trouble)
