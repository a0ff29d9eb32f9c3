"""Ask a client that has just started for pages before visitors do."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus

from collective.recipe.productionstack.ctl.screen import Steps
from collective.recipe.productionstack.ctl.traffic import pages
from collective.recipe.productionstack.ctl.traffic.pages import Page
from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.machine.net import http
from collective.recipe.productionstack.model.clients import Client
from collective.recipe.productionstack.model.site import Site
from collective.recipe.productionstack.model.stack import Stack

TIMEOUT = 120.0
"""Zope's very first page reads much from the database."""

ALSO = ("/login", "/@@search")
"""Fetched too, whatever comes back: most of Plone's pages share their templates. Two
threads that need a template for the first time at once may get an error 500, since
zope.pagetemplate takes no lock while it reads one."""


def warm(stack: Stack, name: str, paths: Sequence[str], steps: Steps) -> None:
    """Fetch the paths of every site.

    Raises ControlError for a page that the other clients have and this one has not.
    """
    client = next(one for one in stack.zope.clients if one.name == name)
    for site in stack.sites:
        for path in paths:
            steps.begin(name, f"warming up: {site.name}{path}")
            page = _ask(client, site, path)
            if page.status in pages.ANSWERS - {pages.MISSING}:
                continue
            # A site that nobody has yet is no fault of this client.
            missing = page.status == pages.MISSING
            if missing and _is_missing_elsewhere(stack, site, path):
                continue
            message = (
                f"{name} answers {site.url}{path} with {page.trouble}, "
                f"so it gets no visitors. Its log is in {stack.folders.log}."
            )
            raise ControlError(message)
    for site in stack.sites[:1]:
        for path in ALSO:
            steps.begin(name, f"warming up: {site.name}{path}")
            _ask(client, site, path)
    steps.done(name, "warm")


def _ask(client: Client, site: Site, path: str) -> Page:
    one = http.connection(client.address, TIMEOUT)
    return pages.ask(one, f"{site.virtual_host}{path}", site.url_host)


def _is_missing_elsewhere(stack: Stack, site: Site, path: str) -> bool:
    """Whether the clients that serve do not have it either."""
    one = http.connection(stack.chain.balancer.to_connect, TIMEOUT)
    page = pages.ask(one, f"{site.virtual_host}{path}", site.url_host)
    # With no other client HAProxy answers 503: nobody knows better.
    return page.status in {pages.MISSING, HTTPStatus.SERVICE_UNAVAILABLE}
