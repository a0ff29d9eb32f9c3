"""Prove for every host of every site that an edit's PURGE empties the cache.

Asks Plone, through the debug client, what it would send for an edit of the front
page. Then, as a visitor: the page is stored, the PURGE drops it, and a PURGE from
outside is refused. Of a site with a frontend its page is proven, and what the API
says. A step that fails names the hop and the remedy.

\b
Example: bin/stack purge-check
"""

from __future__ import annotations

import json
from typing import Any

import click

from collective.recipe.productionstack.ctl.caching.proving import FailedError
from collective.recipe.productionstack.ctl.caching.proving import Visit
from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.ctl.plone import ask
from collective.recipe.productionstack.errors import printable
from collective.recipe.productionstack.model.site import API
from collective.recipe.productionstack.model.site import Site
from collective.recipe.productionstack.model.stack import Stack


@click.command("purge-check", help=__doc__)
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@click.pass_obj
def command(control: Control, *, as_json: bool) -> int:
    stack = control.newest()
    client = ask.client_of_cache(control, stack)
    with control.screen.steps() as steps:
        if not as_json:
            steps.begin(client.name, "asking Plone what it would send")
        plan = ask.ask(stack, client, "purging", {"fronts": _fronts(stack)})
        if not as_json:
            steps.done(client.name, "told what it would send")
    results = [
        _result(control, Visit(control, stack, site, host, plan, api))
        for site in stack.sites
        for host in site.hosts
        for api in _asked(site, host)
    ]
    if as_json:
        click.echo(json.dumps(results, indent=1))
    for one in results:
        if one["ok"] and not as_json:
            control.screen.tell(f"{one['host']}: {one['said']}")
        elif not one["ok"]:
            control.screen.fail(f"Error: {one['host']}: {one['said']}")
    return 0 if all(one["ok"] for one in results) else 1


def _asked(site: Site, host: str) -> tuple[bool, ...]:
    """Say what is asked for: pages, and the API too where others make the pages."""
    is_redirected = site.redirect and host != site.host
    return (False, True) if site.frontend and not is_redirected else (False,)


def _fronts(stack: Stack) -> dict[str, list[tuple[str, str, str, str]]]:
    """Return each site's path and the addresses that it is edited at."""
    fronts: dict[str, list[tuple[str, str, str, str]]] = {}
    for site in stack.sites:
        front = (site.scheme, site.url_host, str(site.url_port), site.folder)
        fronts.setdefault(site.path, []).append(front)
    return fronts


def _result(control: Control, visit: Visit) -> dict[str, Any]:
    del control
    place = API if visit.api else visit.site.folder
    base = {"host": f"{visit.host}{place}", "site": visit.site.path}
    try:
        return {**base, "ok": True, "said": visit.prove()}
    except FailedError as error:
        return {**base, "ok": False, "said": printable(str(error), limit=2000)}
