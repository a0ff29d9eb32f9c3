"""``plone-caching``: set caching and purging in Plone's own registry."""

from __future__ import annotations

from typing import Any

import click

from collective.recipe.productionstack.ctl import pages
from collective.recipe.productionstack.ctl import zope
from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.errors import printable
from collective.recipe.productionstack.model import Site
from collective.recipe.productionstack.model import Stack

SCRIPT = "caching.py"
PAGE_SECONDS = 120
"""How long a page is kept: no purge of another page reaches its lists and menus."""


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
        client = zope.client(control, stack)
        with control.screen.steps() as steps:
            steps.begin(client.name, "setting up caching in Plone")
            result = zope.ask(stack, client, SCRIPT, _wanted(stack))
            steps.done(client.name, "asked Plone")
    troubles = [_conclude(control, stack, site, result) for site in zope.sites(stack)]
    return 1 if any(troubles) else 0


def _wanted(stack: Stack) -> dict[str, Any]:
    return {
        "paths": [site.path for site in zope.sites(stack)],
        "proxies": [f"http://{stack.purge.to_connect}"],
        "seconds": PAGE_SECONDS,
    }


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
