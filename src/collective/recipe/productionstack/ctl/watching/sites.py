"""Whether each site is there, asked as a visitor would."""

from __future__ import annotations

import http.client

from collective.recipe.productionstack.ctl.traffic import pages
from collective.recipe.productionstack.daemons import health
from collective.recipe.productionstack.machine import asking
from collective.recipe.productionstack.model.site import Site
from collective.recipe.productionstack.model.stack import Stack

VIEW = "@@ok"
"""Every Plone has it, it costs next to nothing and is cached nowhere."""


def look(stack: Stack, timeout: float) -> dict[Site, str]:
    """Return ``ok`` for each site, or in a few words what is wrong."""
    if stack.alone or not stack.zope.clients:
        return {}
    answers = asking.together(
        lambda site: _ask(stack, site, timeout), stack.sites, timeout
    )
    late = f"no answer in {timeout:g} s"
    return {site: answers.get(site, late) for site in stack.sites}


def _ask(stack: Stack, site: Site, timeout: float) -> str:
    api = site.frontend is not None
    one, path = pages.entry(stack, site, site.host, timeout, api=api)
    status = pages.ask(one, f"{path}{VIEW}", site.host).status
    if status == http.client.NOT_FOUND:
        return f"there is no {site.path} in the database"
    if status in pages.ANSWERS:
        return health.OK
    return f"status {status}" if status else "no answer"


def troubles(found: dict[Site, str]) -> dict[str, str]:
    """Return what is wrong, by site and kind of trouble."""
    return {
        f"{site.name} site": f"{no_page(site)}: {answer}"
        for site, answer in found.items()
        if answer != health.OK
    }


def no_page(site: Site) -> str:
    """Return what each trouble of a site begins with."""
    return f"{site.shown} gives no page"
