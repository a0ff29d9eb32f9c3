"""Zope clients, and how requests are spread over them."""

from __future__ import annotations

from dataclasses import dataclass

from collective.recipe.productionstack.model.address import Address
from collective.recipe.productionstack.model.announced import Log


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A Zope client process, from a ``plone.recipe.zope2instance`` part.

    ``blob_dir`` is the folder of blobs that it shares with its ZEO server, empty where
    it has copies of its own. The add-on that names files has to be there
    (``has_xsendfile``) and told how (``file_variables``).
    """

    name: str
    addresses: tuple[Address, ...]
    threads: int
    script: str
    zeo_addresses: tuple[Address, ...]
    max_body: int
    fast_listen: bool
    blob_dir: str = ""
    has_xsendfile: bool = False
    file_variables: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    files: tuple[str, ...] = ()
    logs: tuple[Log, ...] = ()

    @property
    def address(self) -> Address:
        """Where the balancer reaches it."""
        return self.addresses[0].to_connect

    @property
    def maxconn(self) -> int:
        """Requests at a time: one worker stays free for the health check."""
        return max(1, self.threads - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """Clients for a path of every site, or without one for who is logged in."""

    name: str
    clients: tuple[str, ...]
    path: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Balancing:
    """How the balancer spreads requests; times in seconds."""

    algorithm: str = "leastconn"
    sticky: bool = False
    slow_start: int = 5
    queue_timeout: int = 30
    queue_length: int = 500
    pools: tuple[Pool, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Zope:
    """The balanced clients, those that get no visitors, and who gets what."""

    clients: tuple[Client, ...] = ()
    workers: tuple[Client, ...] = ()
    debug_client: Client | None = None
    balancing: Balancing = Balancing()

    @property
    def all_clients(self) -> tuple[Client, ...]:
        """The balanced clients, the workers and the debug client."""
        debug = (self.debug_client,) if self.debug_client else ()
        return (*self.clients, *self.workers, *debug)

    def clients_of(self, pool: Pool | None) -> tuple[Client, ...]:
        """Return a pool's clients; without a pool those that are in none."""
        kept = {name for one in self.balancing.pools for name in one.clients}
        if pool is None:
            return tuple(one for one in self.clients if one.name not in kept)
        return tuple(one for one in self.clients if one.name in pool.clients)
