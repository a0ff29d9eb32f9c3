"""Who fills each role between the visitor and the clients, and who talks to whom."""

from __future__ import annotations

from dataclasses import dataclass

from collective.recipe.productionstack.model.address import Address

WEB_SERVER = "web_server"
CACHE = "proxy_cache"
BALANCER = "load_balancer"
ROLES = (WEB_SERVER, CACHE, BALANCER)
"""From the outermost; named like the fields and options that say who fills them."""

NOBODY = "none"

LISTENERS = {
    WEB_SERVER: ("http", "https"),
    CACHE: ("cache", "purge"),
    BALANCER: ("balancer", "stats"),
}
"""The addresses of a role, named like the fields that hold them."""

BALANCER_HEALTH = "/haproxy-health"
"""What a balancer answers itself, with 200 while at least one client serves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """The daemon in each role (``none`` for nobody), and where the roles listen.

    With ``proxy_protocol`` every connection to http and https begins by saying whose it
    is (see ``machine.net.http.GREETING``).
    """

    web_server: str
    proxy_cache: str
    load_balancer: str
    http: Address
    https: Address | None = None
    cache: Address
    purge: Address
    balancer: Address
    stats: Address
    trusted_proxies: tuple[str, ...] = ()
    proxy_protocol: bool = False

    @property
    def has_web_server(self) -> bool:
        """Whether one stands in front."""
        return self.web_server != NOBODY

    @property
    def has_cache(self) -> bool:
        """Whether there is one."""
        return self.proxy_cache != NOBODY

    @property
    def has_balancer(self) -> bool:
        """Whether there is one."""
        return self.load_balancer != NOBODY

    def is_of_web_server(self, role: str) -> bool:
        """Whether the web server fills an inner role too, in the same processes."""
        return self.has_web_server and self.filled_by(role) == self.web_server

    @property
    def inner(self) -> frozenset[str]:
        """Who fills an inner role in processes of its own."""
        filled = {self.proxy_cache, self.load_balancer}
        return frozenset(filled - {self.web_server, NOBODY})

    def filled_by(self, role: str) -> str:
        """Return the daemon in a role, ``none`` where there is nobody."""
        daemon: str = getattr(self, role)
        return daemon

    def after(self, role: str) -> str:
        """Return the next role that somebody fills, empty where clients come next."""
        inner = ROLES[ROLES.index(role) + 1 :]
        return next((one for one in inner if self.filled_by(one) != NOBODY), "")
