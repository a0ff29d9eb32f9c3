"""The stack as frozen values: sites, tiers, clients, storage and what they announce.

Everything here is pure. ``bin/stack`` reads the same values back from
``stack.json``, so the control script and the generated files cannot disagree.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass

from collective.recipe.productionstack.model.address import Address
from collective.recipe.productionstack.model.announced import Announced
from collective.recipe.productionstack.model.announced import Extras
from collective.recipe.productionstack.model.application import Neighbours
from collective.recipe.productionstack.model.caching import Caching
from collective.recipe.productionstack.model.chain import BALANCER
from collective.recipe.productionstack.model.chain import CACHE
from collective.recipe.productionstack.model.chain import WEB_SERVER
from collective.recipe.productionstack.model.chain import Chain
from collective.recipe.productionstack.model.clients import Zope
from collective.recipe.productionstack.model.folders import Folders
from collective.recipe.productionstack.model.front import Acme
from collective.recipe.productionstack.model.front import Front
from collective.recipe.productionstack.model.saved.codec import revive
from collective.recipe.productionstack.model.saved.format_one import grouped
from collective.recipe.productionstack.model.site import Site
from collective.recipe.productionstack.model.site import VirtualHost
from collective.recipe.productionstack.model.storage import Data

FORMAT = 2
"""Version of ``stack.json``; the one before is read too, any other refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watching:
    """What the watchdog tells, and to whom; memory in bytes, 0 is no limit."""

    memory_limit: int = 0
    mail: tuple[str, ...] = ()
    webhook: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Maintenance:
    """What visitors see meanwhile, and the networks that get through."""

    page: str = ""
    allow: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """The machine: worker processes it is good for, its daemons and their versions."""

    workers: int = 1
    versions: tuple[tuple[str, tuple[int, ...]], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """The whole: who listens where, who talks to whom, what runs.

    ``services`` are those whose files it writes; one that is ``alone`` is a single
    piece.
    """

    name: str
    folders: Folders
    services: tuple[str, ...]
    alone: bool = False
    sites: tuple[Site, ...] = ()
    chain: Chain
    zope: Zope = Zope()
    extras: Extras = Extras()
    data: Data = Data()
    caching: Caching = Caching()
    maintenance: Maintenance = Maintenance()
    front: Front = Front()
    neighbours: Neighbours = Neighbours()
    acme: Acme = Acme()
    watching: Watching = Watching()
    host: Host = Host()
    announced: Announced = Announced()

    @property
    def virtual_hosts(self) -> tuple[VirtualHost, ...]:
        """The sites, and the hosts that have applications alone."""
        return (*self.sites, *self.neighbours.hosts)

    @property
    def maintenance_file(self) -> str:
        """The hosts in maintenance; there while there are any."""
        return f"{self.folders.var}/maintenance.map"

    def socket(self, name: str) -> Address:
        """Return the Unix socket of that name."""
        return Address(path=f"{self.folders.sockets}/{name}.sock")

    @property
    def cache_socket(self) -> Address:
        """Where the web server reaches the cache when both are of this stack."""
        return self.socket(self.chain.proxy_cache)

    def writes(self, service: str) -> bool:
        """Whether this part writes that service's files."""
        return service in self.services

    def upstream_of(self, role: str) -> tuple[Address, ...]:
        """Return where a role sends its requests: to the next one, or the clients."""
        after = self.chain.after(role)
        if after == CACHE:
            near = not self.alone and self.writes(self.chain.proxy_cache)
            near = near and not self.chain.is_of_web_server(CACHE)
            return (self.cache_socket if near else self.chain.cache.to_connect,)
        if after == BALANCER:
            return (self.chain.balancer.to_connect,)
        return tuple(client.address for client in self.zope.clients)

    @property
    def is_micro_cached(self) -> bool:
        """Whether the web server keeps for a second what the cache marks for it.

        That is said at their own socket alone.
        """
        near = self.upstream_of(WEB_SERVER) == (self.cache_socket,)
        return self.front.micro_cache == "on" and self.chain.has_web_server and near

    @property
    def sends_files(self) -> bool:
        """Whether Plone names files that the web server sends."""
        return self.front.xsendfile == "on" and bool(self.blob_dir)

    @property
    def blob_dir(self) -> str:
        """The folder of the sites' blobs, where it is on this machine."""
        return self.data.storage.blob_dir if self.data.storage else ""

    def version(self, daemon: str) -> tuple[int, ...]:
        """Return the installed daemon's version, a current one when it is missing."""
        return dict(self.host.versions).get(daemon, (99,))

    @property
    def frontends(self) -> tuple[Site, ...]:
        """The sites whose pages are not made by Plone."""
        return tuple(one for one in self.sites if one.frontend)

    def origin(self, option: str) -> str:
        """Name the option that made a line, as it stands behind that line."""
        return f"[{self.name}] {option}"

    def to_json(self) -> str:
        """Return the stack as sorted JSON, ending in a newline."""
        values = {"format": FORMAT, **dataclasses.asdict(self)}
        return json.dumps(values, indent=1, sort_keys=True, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Stack:
        """Read back what ``to_json`` wrote, in this version or the one before.

        Raises ValueError for another format or damaged text.
        """
        values = json.loads(text)
        found = values.pop("format", None) if isinstance(values, dict) else None
        if found == FORMAT - 1:
            values = grouped(values)
        elif found != FORMAT:
            message = f"not a stack.json of format {FORMAT}"
            raise ValueError(message)
        stack = revive(cls, values)
        assert isinstance(stack, Stack)  # noqa: S101 (for the type checker)
        return stack
