"""A stack by hand, and stacks of every kind."""

from __future__ import annotations

import dataclasses
from typing import Any

from hypothesis import strategies as st

from collective.recipe.productionstack.model.address import Address
from collective.recipe.productionstack.model.application import Application
from collective.recipe.productionstack.model.application import Neighbours
from collective.recipe.productionstack.model.chain import Chain
from collective.recipe.productionstack.model.clients import Client
from collective.recipe.productionstack.model.clients import Zope
from collective.recipe.productionstack.model.folders import Folders
from collective.recipe.productionstack.model.frontend import Frontend
from collective.recipe.productionstack.model.frontend import NodeServer
from collective.recipe.productionstack.model.site import Site
from collective.recipe.productionstack.model.site import VirtualHost
from collective.recipe.productionstack.model.stack import Host
from collective.recipe.productionstack.model.stack import Stack
from collective.recipe.productionstack.model.storage import Backup
from collective.recipe.productionstack.model.storage import Data
from collective.recipe.productionstack.model.storage import Storage
from collective.recipe.productionstack.options.values.parse import SERVICE_NAMES

FOLDERS = Folders(
    buildout="/b",
    bin="/b/bin",
    etc="/b/etc/stack",
    var="/b/var/stack",
    log="/b/var/log",
    sockets="/s",
)


def client(number: int, threads: int = 3) -> Client:
    """Return a client that listens on 8080 and its number."""
    return Client(
        name=f"instance{number}",
        addresses=(Address("127.0.0.1", 8080 + number),),
        threads=threads,
        script=f"/b/bin/instance{number}",
        zeo_addresses=(Address(path="/s/zeoserver.sock"),),
        max_body=1073741824,
        fast_listen=False,
    )


STORAGE = Storage(
    name="zeoserver",
    address=Address(path="/s/zeoserver.sock"),
    command=("/b/parts/zeoserver/bin/runzeo",),
    data_file="/b/var/filestorage/Data.fs",
    blob_dir="/b/var/blobstorage",
    quiet_log=True,
    pack_script="/b/bin/zeopack",
)
SITE = Site(
    host="www.example.com",
    aliases=("example.com",),
    path="/Plone",
    scheme="http",
    url_host="www.example.com",
    url_port=8000,
)
FRONTEND = Frontend(
    servers=tuple(
        NodeServer(name=f"frontend{at}", address=Address("127.0.0.1", 8019 + at))
        for at in (1, 2)
    ),
    folder="/srv/frontend",
)
CHAIN = Chain(
    web_server="nginx",
    proxy_cache="varnish",
    load_balancer="haproxy",
    http=Address("127.0.0.1", 8000),
    cache=Address("127.0.0.1", 8002),
    purge=Address("127.0.0.1", 8003),
    balancer=Address("127.0.0.1", 8004),
    stats=Address("127.0.0.1", 8005),
)
BACKUP = Backup(name="backup", script="/b/bin/backup", location="/b/var/backups")
PLACES: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("www.example.com/a", "http", {"websocket": True}),
    ("www.example.com/b.c", "http", {"below": "/"}),
    ("www.example.com/d", "http", {"below": "/e.f/"}),
    ("www.example.com/g", "fastcgi", {"root": "/srv/g"}),
    ("www.example.com/h", "static", {"root": "/srv/h"}),
    ("www.example.com/i", "redirect", {"url": "/j"}),
    ("www.example.com/k", "redirect", {"url": "/l", "rest": False}),
    ("b.example.com", "http", {}),
    ("c.example.com", "fastcgi", {"root": "/g", "scripts": ("/x.php", "/y/", "/z/")}),
    ("d.example.com", "static", {"root": "/srv/h"}),
    ("e.example.com", "redirect", {"url": "https://www.example.com", "status": 302}),
)


def _application(number: int, place: str, kind: str, values: Any) -> Application:
    host, slash, path = place.partition("/")
    address = Address("127.0.0.1", 3000)
    given = {"host": host, "path": slash + path, "address": address, **values}
    return Application(number=number, kind=kind, **given)


BESIDE = Neighbours(
    applications=tuple(
        _application(number, *one) for number, one in enumerate(PLACES, 1)
    ),
    hosts=tuple(
        VirtualHost(host=host, scheme="http", url_host=host, url_port=80)
        for host in (f"{one}.example.com" for one in "bcde")
    ),
)
"""One of every kind, on the host of the site and on hosts of their own."""


SERVICES = tuple(name for name in SERVICE_NAMES if name != "apache")
VERSIONS = (("haproxy", (2, 6, 12)), ("nginx", (1, 22, 1)), ("varnish", (7, 1, 1)))
STACK = Stack(
    name="stack",
    folders=FOLDERS,
    services=SERVICES,
    sites=(SITE,),
    chain=CHAIN,
    zope=Zope(clients=(client(1), client(2)), debug_client=client(0)),
    data=Data(storage=STORAGE, backups=(BACKUP,)),
    host=Host(versions=VERSIONS),
)


def changed(stack: Stack = STACK, **values: Any) -> Stack:
    """Return a stack with other values, of its own or of one of its groups."""
    groups: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        groups.setdefault(_group_of(stack, name), {})[name] = value
    own = groups.pop("", {})
    inner = {
        group: dataclasses.replace(getattr(stack, group), **some)
        for group, some in groups.items()
    }
    return dataclasses.replace(stack, **inner, **own)


def _group_of(stack: Stack, name: str) -> str:
    """Return the group that holds a value, empty where the stack itself does."""
    for field in dataclasses.fields(stack):
        value: Any = getattr(stack, field.name)
        if field.name == name:
            return ""
        if dataclasses.is_dataclass(value) and name in {
            one.name for one in dataclasses.fields(value)
        }:
            return field.name
    message = f"a stack has no {name}"
    raise LookupError(message)


def stacks() -> Any:
    """Return a strategy for stacks of every shape."""
    tls = Address("127.0.0.1", 8443)
    return st.builds(
        changed,
        st.just(STACK),
        services=st.sets(st.sampled_from(SERVICES)).map(
            lambda names: tuple(name for name in SERVICES if name in names)
        ),
        sites=st.lists(st.just(SITE), max_size=3).map(tuple),
        https=st.sampled_from([None, tls]),
        clients=st.integers(0, 3).map(lambda n: tuple(map(client, range(1, n + 1)))),
        debug_client=st.sampled_from([None, client(0)]),
        storage=st.sampled_from([None, STORAGE]),
        backups=st.sampled_from([(), (BACKUP,)]),
        load_balancer=st.sampled_from(["haproxy", "none"]),
        proxy_cache=st.sampled_from(["varnish", "none"]),
        versions=st.sampled_from([(), VERSIONS]),
    )
