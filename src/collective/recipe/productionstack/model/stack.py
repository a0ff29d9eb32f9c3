"""The stack as frozen values: sites, tiers, clients, storage and what they announce.

Everything here is pure. ``bin/stack`` reads the same values back from
``stack.json``, so the control script and the generated files cannot disagree.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass

from collective.recipe.productionstack.model.address import Address
from collective.recipe.productionstack.model.announced import Check
from collective.recipe.productionstack.model.announced import Job
from collective.recipe.productionstack.model.announced import Log
from collective.recipe.productionstack.model.announced import Program
from collective.recipe.productionstack.model.clients import Balancing
from collective.recipe.productionstack.model.clients import Client
from collective.recipe.productionstack.model.clients import Pool
from collective.recipe.productionstack.model.codec import revive
from collective.recipe.productionstack.model.folders import Folders
from collective.recipe.productionstack.model.site import Site
from collective.recipe.productionstack.model.storage import Backup
from collective.recipe.productionstack.model.storage import Keeping
from collective.recipe.productionstack.model.storage import Storage

FORMAT = 1
"""Version of ``stack.json``; a control script refuses any other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watching:
    """What the watchdog tells, and to whom; memory in bytes, 0 is no limit."""

    memory_limit: int = 0
    mail: tuple[str, ...] = ()
    webhook: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """The whole: who listens where, who talks to whom, what runs."""

    name: str
    folders: Folders
    services: tuple[str, ...]
    alone: bool = False
    sites: tuple[Site, ...] = ()
    web_server: str = "nginx"
    proxy_cache: str = "varnish"
    load_balancer: str = "haproxy"
    http: Address
    https: Address | None = None
    cache: Address
    purge: Address
    balancer: Address
    stats: Address
    clients: tuple[Client, ...] = ()
    balancing: Balancing = Balancing()
    watching: Watching = Watching()
    keeping: Keeping = Keeping()
    debug_client: Client | None = None
    storage: Storage | None = None
    backups: tuple[Backup, ...] = ()
    purge_by: str = "url"
    maintenance_page: str = ""
    maintenance_allow: tuple[str, ...] = ()
    user_templates: str = ""
    workers: int = 1
    versions: tuple[tuple[str, tuple[int, ...]], ...] = ()
    programs: tuple[Program, ...] = ()
    logs: tuple[Log, ...] = ()
    jobs: tuple[Job, ...] = ()
    checks: tuple[Check, ...] = ()

    @property
    def cache_socket(self) -> Address:
        """Where nginx reaches Varnish when both are of this stack."""
        return self.socket("varnish")

    @property
    def all_clients(self) -> tuple[Client, ...]:
        """The balanced clients and the debug client."""
        return self.clients + ((self.debug_client,) if self.debug_client else ())

    def clients_of(self, pool: Pool | None) -> tuple[Client, ...]:
        """Return a pool's clients; without a pool those that are in none."""
        pools = self.balancing.pools
        kept = {name for one in pools for name in one.clients}
        if pool is None:
            return tuple(one for one in self.clients if one.name not in kept)
        return tuple(one for one in self.clients if one.name in pool.clients)

    @property
    def maintenance_file(self) -> str:
        """The hosts in maintenance, as nginx reads them; there while there are any."""
        return f"{self.folders.var}/maintenance.map"

    def socket(self, name: str) -> Address:
        """Return the Unix socket of that name."""
        return Address(path=f"{self.folders.sockets}/{name}.sock")

    def writes(self, service: str) -> bool:
        """Whether this part writes that service's files."""
        return service in self.services

    def upstream_of(self, tier: str) -> tuple[Address, ...]:
        """Return where a tier sends its requests: the next tier, or the clients."""
        if tier == "nginx" and self.proxy_cache == "varnish":
            near = not self.alone and self.writes("varnish")
            return (self.cache_socket if near else self.cache.to_connect,)
        if tier in {"nginx", "varnish"} and self.load_balancer == "haproxy":
            return (self.balancer.to_connect,)
        return tuple(client.address for client in self.clients)

    def version(self, daemon: str) -> tuple[int, ...]:
        """Return the installed daemon's version, a current one when it is missing."""
        return dict(self.versions).get(daemon, (99,))

    def origin(self, option: str) -> str:
        """Name the option that made a line, as it stands behind that line."""
        return f"[{self.name}] {option}"

    def to_json(self) -> str:
        """Return the stack as sorted JSON, ending in a newline."""
        values = {"format": FORMAT, **dataclasses.asdict(self)}
        return json.dumps(values, indent=1, sort_keys=True, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Stack:
        """Read back what ``to_json`` wrote.

        Raises ValueError for another format or damaged text.
        """
        values = json.loads(text)
        if not isinstance(values, dict) or values.pop("format", None) != FORMAT:
            message = f"not a stack.json of format {FORMAT}"
            raise ValueError(message)
        stack = revive(cls, values)
        assert isinstance(stack, Stack)  # noqa: S101 (for the type checker)
        return stack
