"""nginx: the web server that visitors reach."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from collective.recipe.productionstack.daemons.front import neighbours
from collective.recipe.productionstack.daemons.front import told
from collective.recipe.productionstack.daemons.front import words
from collective.recipe.productionstack.daemons.nginx import inner
from collective.recipe.productionstack.model.address import Address
from collective.recipe.productionstack.model.announced import Check
from collective.recipe.productionstack.model.announced import Health
from collective.recipe.productionstack.model.announced import Log
from collective.recipe.productionstack.model.announced import Program
from collective.recipe.productionstack.model.announced import nothing
from collective.recipe.productionstack.model.chain import BALANCER
from collective.recipe.productionstack.model.chain import CACHE
from collective.recipe.productionstack.model.chain import WEB_SERVER
from collective.recipe.productionstack.model.site import API
from collective.recipe.productionstack.model.site import Site
from collective.recipe.productionstack.model.site import VirtualHost
from collective.recipe.productionstack.model.site import host_folder
from collective.recipe.productionstack.model.stack import Stack
from collective.recipe.productionstack.model.storage import NAMED_FILES

NAME = "nginx"
ROLES: tuple[str, ...] = (WEB_SERVER, CACHE, BALANCER)
NEEDS: tuple[str, ...] = ("sites",)
COLLECTS = ""
VERSIONED = ("nginx", "-v")

SHARED = (
    *("nginx.conf", "guard.conf", "maps.conf", "ids.conf", "limits.conf"),
    *("answers.conf", "headers.conf", "proxy.conf", "tls.conf"),
    *("pages.conf", "told.conf"),
)
"""Files that every site includes."""

MICRO = ("micro.conf", "micro-maps.conf")
"""Files that are there only where something is kept for a second."""

BESIDE = (
    *("neighbours.conf", "neighbour.conf", "neighbour-proxy.conf"),
    *("neighbour-fastcgi.conf", "neighbour-files.conf"),
)
"""Files that are there only where applications are."""

BLOBS = ("blobs.conf", "blobs-maps.conf")
"""Files that are there only where files of Plone's are sent."""

SUBREAPER = str(Path(__file__).with_name("subreaper.py"))


def files(stack: Stack) -> tuple[tuple[str, str, dict[str, Any]], ...]:
    """Return path in the tree, template and further values of each file."""
    common = _values(stack)
    own = told.own(stack)
    pages = {**common, "own_pages": own, "languages": told.languages(own)}
    shared = (
        (f"nginx/{name}", f"nginx/{name}.j2", pages if name == "pages.conf" else common)
        for name in (*SHARED, *_optional(stack))
    )
    sites = (
        (
            f"nginx/sites/{host_folder(host.host)}.conf",
            "nginx/sites/site.conf.j2",
            {
                **common,
                "site": host,
                "sites": [one for one in stack.sites if one.host == host.host],
                "applications": stack.neighbours.of(host.host),
                "own_place": told.place(stack, host),
            },
        )
        for host in _hosts(stack)
    )
    return (*shared, *sites)


def _values(stack: Stack) -> dict[str, Any]:
    """Return what every file is told."""
    version = stack.version(NAME)
    return {
        "ids": words.patterns(_ids(stack.sites)),
        "has_stars": any("*" in host for one in stack.sites for host in one.hosts),
        "upstream": stack.upstream_of(WEB_SERVER),
        "beside": _beside(stack),
        "has_cookie_flags": version >= (1, 19, 3),
        "can_reject": version >= (1, 19, 4),
        "proxied": " proxy_protocol" if stack.chain.proxy_protocol else "",
        "http2_listen": " http2" if version < (1, 25, 1) else "",
        "session_cookies": "".join(
            "|" + name.replace(".", "[.]") for name in stack.caching.session_cookies
        ),
        "named_files": NAMED_FILES,
        "http3": stack.front.http3 == "on",
        "own_place": told.default_place(stack),
        **neighbours.VALUES,
        "api": (API, API.replace("+", r"\+")),
        "places": _places,
        **inner.values(stack),
    }


def programs(stack: Stack) -> tuple[Program, ...]:
    """Return what is to be supervised.

    QUIT lets requests finish. A killed master leaves workers that hold the ports,
    so nginx runs under a subreaper that ends them.
    """
    early = ("-e", error_log(stack)) if stack.version(NAME) >= (1, 19, 5) else ()
    conf = f"{stack.folders.applied}/nginx/nginx.conf"
    nginx = ("nginx", "-p", f"{stack.folders.var}/", *early, "-c", conf)
    return (
        Program(
            name=NAME,
            kind=NAME,
            command=(sys.executable, "-I", "-S", SUBREAPER, *nginx),
            health=Health(
                address=stack.chain.http.to_connect,
                path="/",
                status=444,
                proxied=stack.chain.proxy_protocol,
            ),
            listens=tuple(address for address, _ in _listens(stack)),
            stop_signal="QUIT",
            reload="HUP",
            tree_files=("nginx/",),
        ),
    )


def logs(stack: Stack) -> tuple[Log, ...]:
    """Return the files to rotate."""
    pid_file = f"{stack.folders.var}/nginx.pid"
    return tuple(
        Log(path=path, signal="USR1", pid_file=pid_file)
        for path in (access_log(stack), error_log(stack))
    )


jobs = nothing


def checks(stack: Stack) -> tuple[Check, ...]:
    """Return how nginx is asked; it would bind, write logs and make folders."""
    early = ("-e", "stderr") if stack.version(NAME) >= (1, 19, 5) else ()
    return (
        Check(
            service=NAME,
            daemon=VERSIONED[0],
            minimum=(1, 18),
            version_argument=VERSIONED[1],
            command=(
                *("nginx", "-t", "-q", *early, "-p", "{scratch}/"),
                *("-c", "{tree}/nginx/nginx.conf"),
            ),
            replace=(
                *_quic_sockets(stack),
                *_scratch_sockets(stack),
                (f'_log "{stack.folders.log}/', '_log "{scratch}/log/'),
                (f'_path "{stack.folders.var}/', '_path "{scratch}/var/'),
                (f'include "{stack.folders.var}/', 'include "{scratch}/var/'),
                (f'root "{stack.folders.var}/', 'root "{scratch}/var/'),
                (f'pid "{stack.folders.var}/', 'pid "{scratch}/var/'),
            ),
            complains=r"\[warn\].*conflicting server name",
            harmless=(
                '"user" directive',
                "could not open error log file",
                "worker_connections",
            ),
            made_later=tuple(
                pair for one in stack.virtual_hosts if one.acme for pair in one.pairs
            ),
        ),
    )


def _listens(stack: Stack) -> Iterable[tuple[Address, str]]:
    """Yield each address and a name for it."""
    yield stack.chain.http, "http"
    if stack.chain.https:
        yield stack.chain.https, "https"
    if stack.chain.is_of_web_server(CACHE):
        yield stack.chain.cache, "cache"
        yield stack.chain.purge, "purge"
    if stack.chain.is_of_web_server(BALANCER):
        yield stack.chain.balancer, "balancer"


def _scratch_sockets(stack: Stack) -> Iterable[tuple[str, str]]:
    """Yield what stands for addresses in a check; a file is shared by no workers."""
    for address, name in _listens(stack):
        instead = f"listen unix:{{scratch}}/{name}.sock"
        if name == "balancer":
            yield f"listen {address} reuseport", instead
        yield f"listen {address}", instead


def _quic_sockets(stack: Stack) -> tuple[tuple[str, str], ...]:
    """Return what stands for UDP ports in a check; a file is shared by no workers."""
    if stack.front.http3 == "off":
        return ()
    listen, instead = (
        f"listen {stack.chain.https} quic",
        "listen unix:{scratch}/http3.sock quic",
    )
    return (f"{listen} reuseport", instead), (listen, instead)


def access_log(stack: Stack) -> str:
    """Return the path of the access log."""
    return f"{stack.folders.log}/{stack.name}-nginx-access.log"


def error_log(stack: Stack) -> str:
    """Return the path of the error log."""
    return f"{stack.folders.log}/{stack.name}-nginx-error.log"


def _beside(stack: Stack) -> Address | None:
    """Return the balancer, where one of ours can serve while the cache is away."""
    ours = not stack.alone and stack.writes(stack.chain.load_balancer)
    away = stack.chain.has_cache and not stack.chain.is_of_web_server(CACHE)
    if away and stack.chain.has_balancer and ours:
        return stack.chain.balancer.to_connect
    return None


def _optional(stack: Stack) -> tuple[str, ...]:
    """Return the shared files that some option is for."""
    micro = MICRO if stack.is_micro_cached else ()
    blobs = BLOBS if stack.sends_files else ()
    nodes = ("frontends.conf",) if stack.frontends else ()
    return (
        *micro,
        *blobs,
        *nodes,
        *inner.files(stack),
        *(BESIDE if stack.neighbours.applications else ()),
    )


def _hosts(stack: Stack) -> Iterable[VirtualHost]:
    """Return each host once: several sites may lie in folders of it."""
    return {one.host: one for one in reversed(stack.virtual_hosts)}.values()


def _places(site: Site) -> tuple[tuple[str, str, str], ...]:
    """Return each place of a site: what nginx calls it, the prefix, and the Host.

    Node makes its links with the port that stands in Host, Plone with the prefix's.
    """
    folder = site.folder
    if not site.frontend:
        names = (f"= {folder}", f"^~ {folder}/") if folder else ("/",)
        return tuple((one, site.virtual_host, site.url_host) for one in names)
    host = site.origin.partition("://")[2]
    plone = (site.api, site.url_host)
    return ((f"= {API}", *plone), (f"^~ {API}/", *plone), ("/", site.pages, host))


def _ids(sites: tuple[Site, ...]) -> set[str]:
    """Return every id on the way to a site: acquisition would find them all."""
    return {one for site in sites for one in site.path.strip("/").split("/")}
