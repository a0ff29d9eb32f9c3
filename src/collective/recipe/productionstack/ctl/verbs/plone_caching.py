"""Let Plone's pages be cached and purged.

Sets caching, purging and the addresses of this stack in the registry of every
site, through the debug client. Do it once a site is created; done again it
changes nothing. What was tuned since then stays, also when it is undone. Caches
that Plone purges already are kept.

\b
Example: bin/stack plone-caching
         bin/stack plone-caching --dry-run
         bin/stack plone-caching --undo
         bin/stack plone-caching --proxy http://10.0.0.2:8003
"""

from __future__ import annotations

import socket
from typing import Any
from urllib.parse import urlsplit

import click

from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.ctl.plone import ask
from collective.recipe.productionstack.ctl.shell import refuse_together
from collective.recipe.productionstack.ctl.traffic import pages
from collective.recipe.productionstack.errors import printable
from collective.recipe.productionstack.model.site import Site
from collective.recipe.productionstack.model.stack import Stack

PAGE_SECONDS = 120
"""How long a page is kept: no purge of another page reaches its lists and menus."""

NOTES = {
    "language": (
        "the site negotiates its language: each that visitors ask for is kept apart"
    ),
    "cookie always": (
        "plone.set_cookie_always is on: each answer sets a cookie, so no page is "
        "stored. Switch it off in Plone's language settings."
    ),
}
"""What is to be known of a site's settings."""


@click.command("plone-caching", help=__doc__)
@click.option("--dry-run", is_flag=True, help="Show what would change; change nothing.")
@click.option("--undo", is_flag=True, help="Put back what was there before.")
@click.option(
    "--proxy",
    "proxies",
    multiple=True,
    metavar="URL",
    help="Another cache's purge address, http://HOST:PORT; may come several times.",
)
@click.pass_obj
def command(
    control: Control, *, dry_run: bool, undo: bool, proxies: tuple[str, ...]
) -> int:
    refuse_together(undo=undo, proxy=proxies)
    wanted = {
        "dry_run": dry_run,
        "undo": undo,
        "more": [_proxy(one) for one in proxies],
    }
    with control.lock():
        stack = control.newest()
        client = ask.client_of_cache(control, stack)
        with control.screen.steps() as steps:
            steps.begin(client.name, "asking Plone")
            result = ask.ask(stack, client, "caching", _wanted(stack, wanted))
            steps.done(client.name, "asked Plone")
    troubles = [
        _conclude(control, stack, site, result, wanted) for site in ask.sites(stack)
    ]
    return 1 if any(troubles) else 0


def _proxy(text: str) -> str:
    """Return the purge address of another cache; refuse what Plone could not use."""
    try:
        parts = urlsplit(text)
        good = parts.scheme == "http" and parts.hostname and parts.port
    except ValueError:
        good = False
    if not good or parts.path.strip("/") or parts.query or parts.username:
        message = f"--proxy {text}: not an address. Write: http://10.0.0.2:8003"
        raise click.UsageError(message)
    return f"http://{parts.netloc}"


def _wanted(stack: Stack, asked: dict[str, Any]) -> dict[str, Any]:
    own = f"http://{stack.chain.purge.to_connect}"
    return {
        "dry_run": asked["dry_run"],
        # Several machines may share one database: each replaces its own alone.
        "owner": f"{socket.gethostname()}:{stack.folders.buildout}:{stack.name}",
        "paths": [site.path for site in ask.sites(stack)],
        "proxies": list(dict.fromkeys((own, *asked["more"]))),
        "seconds": PAGE_SECONDS,
        "tags": stack.caching.purge_by == "tag" and not asked["undo"],
        "undo": asked["undo"],
    }


def _conclude(
    control: Control,
    stack: Stack,
    site: Site,
    result: dict[str, Any],
    asked: dict[str, Any],
) -> str:
    """Say what was done to one site; return what is wrong with it."""
    done = result.get("sites", {}).get(site.path, result)
    trouble = _worded(stack, site, done.get("trouble", ""))
    changes = done.get("changes", ())
    name = f"{site.shown} ({site.path})"
    if trouble:
        control.screen.fail(f"Error: {trouble}")
        return trouble
    verb = ("would be " if asked["dry_run"] else "") + (
        "put back" if asked["undo"] else "set"
    )
    none = "nothing to undo" if asked["undo"] else "nothing to change"
    control.screen.say(f"{name}: {verb if changes else none}")
    for line in changes:
        control.screen.say(f"    {printable(line)}")
    for note in done.get("notes", ()):
        control.screen.say(f"    {NOTES[note]}")
    for line in done.get("kept", ()):
        control.screen.say(f"    stays, since it was changed later: {printable(line)}")
    return ""


def _worded(stack: Stack, site: Site, trouble: str) -> str:
    client = (stack.zope.debug_client or stack.zope.clients[0]).name
    known = {
        "missing": pages.missing(stack, site),
        "no site": (
            f"{site.shown}: {site.path} is no Plone site. "
            f"Name the site's path in [{stack.name}] sites, then run bin/buildout."
        ),
        "no package": (
            f"{site.shown}: plone.app.caching is not installed. "
            f"Add it (or Plone) to the eggs of [{client}], then run bin/buildout."
        ),
        "no profile": (
            f"{site.shown}: plone.app.caching is there but not loaded. "
            f"Add zcml = plone.app.caching to [{client}], then run bin/buildout."
        ),
        "no tags": (
            f"{site.shown}: purge-by = tag needs collective.purgebyid in Plone. Add it "
            f"to the eggs of [{client}], then run bin/buildout."
        ),
        "tags not loaded": (
            f"{site.shown}: collective.purgebyid is there but not loaded. "
            f"Add zcml = collective.purgebyid to [{client}], then run bin/buildout."
        ),
    }
    return known.get(trouble, trouble)
