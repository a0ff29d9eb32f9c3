"""The processes that make pages in Plone's place, as HAProxy knows them."""

from __future__ import annotations

from collective.recipe.productionstack.daemons.haproxy.control import Haproxy
from collective.recipe.productionstack.daemons.haproxy.servers import frontend
from collective.recipe.productionstack.model.stack import Stack


class Nodes(Haproxy):
    """A running HAProxy, asked about the frontends of sites and not about clients."""

    def __init__(self, stack: Stack, timeout: float) -> None:
        """Know which backend each process is in."""
        super().__init__(stack, timeout)
        self.places = {
            server.name: frontend(site)
            for site in stack.frontends
            for server in (site.frontend.servers if site.frontend else ())
        }
        self.backends = set(self.places.values())

    def _place(self, name: str) -> str:
        return f"{self.places.get(name, '')}/{name}"
