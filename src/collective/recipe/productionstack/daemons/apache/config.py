"""Apache (httpd): another web server that visitors reach."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from collective.recipe.productionstack.daemons.apache import hosts
from collective.recipe.productionstack.daemons.front import told
from collective.recipe.productionstack.daemons.front import words
from collective.recipe.productionstack.daemons.nginx import config as nginx
from collective.recipe.productionstack.machine import run
from collective.recipe.productionstack.model.address import ANY_HOST
from collective.recipe.productionstack.model.address import Address
from collective.recipe.productionstack.model.announced import Check
from collective.recipe.productionstack.model.announced import Health
from collective.recipe.productionstack.model.announced import Log
from collective.recipe.productionstack.model.announced import Program
from collective.recipe.productionstack.model.announced import nothing
from collective.recipe.productionstack.model.chain import WEB_SERVER
from collective.recipe.productionstack.model.stack import Stack

NAME = "apache"
ROLES: tuple[str, ...] = (WEB_SERVER,)
NEEDS: tuple[str, ...] = ("sites",)
COLLECTS = ""

PROGRAMS = ("apache2", "httpd")
"""What Debian and its kin call it, and everybody else."""

PROGRAM = next(filter(run.find, PROGRAMS), PROGRAMS[0])
VERSIONED = (PROGRAM, "-v")
PACKAGES = "apache2-bin (Fedora and its kin: httpd mod_ssl mod_http2)"

SHARED = (
    *("httpd.conf", "modules.conf", "common.conf", "answers.conf", "visitors.conf"),
    *("guard.conf", "ids.conf", "headers.conf", "proxy.conf", "upstream.conf"),
    "strangers.conf",
)
"""Files that are read in every stack."""

WRITER = (sys.executable, "-I", "-S", str(Path(__file__).with_name("writer.py")))
TOLD = ("413", "421", "429", "502", "503", "504", "maintenance503")
"""Pages that Apache has of its own."""

START_TAG = "[[ps-"


def files(stack: Stack) -> tuple[tuple[str, str, dict[str, Any]], ...]:
    """Return path in the tree, template and further values of each file."""
    common = {**_next(stack), **_said(stack)}
    common["ids"] = words.patterns(
        one for site in stack.sites for one in site.path.strip("/").split("/")
    )
    common["largest"] = stack.front.max_upload or min(
        (client.max_body for client in stack.zope.clients), default=1073741824
    )
    common["modules"] = _modules(stack)
    common["everybody_else"] = _everybody_but(stack.chain.trusted_proxies)
    common.update(hosts.VALUES)
    optional = (("tls.conf", _secure(stack)), *hosts.optional(stack))
    names = (*SHARED, *(name for name, wanted in optional if wanted))
    return (
        *((f"{NAME}/{name}", f"{NAME}/{name}.j2", common) for name in names),
        *_pages(stack, common),
        *hosts.files(stack, common),
    )


def programs(stack: Stack) -> tuple[Program, ...]:
    """Return what is to be supervised.

    WINCH lets requests finish. A killed parent leaves children that hold the ports,
    so it runs under the subreaper that ends them.
    """
    folder = f"{stack.folders.applied}/{NAME}"
    httpd = (PROGRAM, "-d", folder, "-f", f"{folder}/httpd.conf", "-D", "FOREGROUND")
    return (
        Program(
            name=NAME,
            kind=NAME,
            command=(sys.executable, "-I", "-S", nginx.SUBREAPER, *httpd),
            health=Health(
                address=stack.chain.http.to_connect,
                path="/",
                status=421,
                proxied=stack.chain.proxy_protocol,
            ),
            listens=tuple(filter(None, (stack.chain.http, _secure(stack)))),
            stop_signal="WINCH",
            reload="USR1",
            tree_files=(f"{NAME}/",),
        ),
    )


def logs(stack: Stack) -> tuple[Log, ...]:
    """Return the files to rotate; who writes them opens them anew."""
    return tuple(Log(path=_log(stack, kind)) for kind in ("access", "error"))


jobs = nothing


def checks(stack: Stack) -> tuple[Check, ...]:
    """Return how Apache is asked; asked so it binds nothing and opens no log."""
    return (
        Check(
            service=NAME,
            daemon=PROGRAM,
            package=PACKAGES,
            minimum=(2, 4, 51),
            version_argument=VERSIONED[1],
            command=(
                *(PROGRAM, "-t", "-d", "{tree}/apache"),
                *("-f", "{tree}/apache/httpd.conf"),
            ),
            replace=(
                (f'"{stack.folders.applied}/{NAME}', '"{tree}/apache'),
                (f'Dir "{stack.folders.var}"', 'Dir "{scratch}/var"'),
                (f'"{stack.maintenance_file[:-1]}', '"{scratch}/var/none'),
            ),
            remedies=(
                ("Cannot load", f"Install the module; it is in {PACKAGES}."),
                ("${modules}", f"No modules were found; they are in {PACKAGES}."),
            ),
            made_later=tuple(
                pair for one in stack.virtual_hosts if one.acme for pair in one.pairs
            ),
        ),
    )


def _log(stack: Stack, kind: str) -> str:
    return f"{stack.folders.log}/{stack.name}-{NAME}-{kind}.log"


def _next(stack: Stack) -> dict[str, Any]:
    """Return what says who comes next, and how it is called in addresses."""
    upstream = stack.upstream_of(WEB_SERVER)
    ours = not stack.alone and stack.writes(stack.chain.load_balancer)
    beside: Address | None = None
    if stack.chain.has_cache and stack.chain.has_balancer and ours:
        beside = stack.chain.balancer.to_connect
    balanced = len(upstream) > 1 or beside is not None
    urls = tuple(_url(address) for address in upstream)
    secure = _secure(stack)
    return {
        "members": urls,
        "spare": _url(beside) if beside else "",
        "balanced": balanced,
        "next": "balancer://next" if balanced else "".join(urls),
        "on_http": _virtual_host(stack.chain.http),
        "https": secure,
        "on_https": _virtual_host(secure) if secure else "",
    }


def _secure(stack: Stack) -> Address | None:
    """Return where TLS is spoken; without any certificate Apache would not start."""
    there = any(host.certificate for host in stack.virtual_hosts)
    return stack.chain.https if there else None


def _url(address: Address) -> str:
    """Return an address as Apache's proxy reads it; a socket's host is only a name."""
    return f"unix:{address.path}|http://next" if address.path else f"http://{address}"


def _virtual_host(address: Address) -> str:
    """Return where a server is found: on all addresses or on this one."""
    return f"*:{address.port}" if address.host in ANY_HOST else str(address)


def _said(stack: Stack) -> dict[str, Any]:
    """Return what answers and logs are made of."""
    own = told.own(stack)
    texts = "".join(text for one in own for part in one.pieces for text in part)
    tag = START_TAG
    while tag in texts:
        tag += "-"
    return {
        "languages": told.languages(own),
        "own_place": told.default_place(stack),
        "start_tag": tag,
        "access_pipe": (*WRITER, _log(stack, "access")),
        "error_pipe": (*WRITER, _log(stack, "error")),
    }


def _modules(stack: Stack) -> tuple[str, ...]:
    """Return what is loaded, in an order in which each finds what it needs."""
    chain = stack.chain
    return (
        *("mpm_event", "authz_core", "alias", "headers", "include", "reqtimeout"),
        *("rewrite", "unique_id", "setenvif", "proxy", "proxy_http"),
        *(("remoteip",) if chain.trusted_proxies else ()),
        *(("socache_shmcb", "ssl", "http2") if _secure(stack) else ()),
        *(
            ("slotmem_shm", "proxy_balancer", "lbmethod_byrequests")
            if _next(stack)["balanced"]
            else ()
        ),
        *(() if chain.has_cache else ("filter", "deflate")),
        *hosts.modules(stack),
    )


def _everybody_but(networks: tuple[str, ...]) -> tuple[str, ...]:
    """Return the networks that are left when some, and this machine, are taken away."""
    left = [ip_network("0.0.0.0/0"), ip_network("::/0")]
    for one in map(ip_network, (*networks, "127.0.0.1/32", "::1/128")):
        kept = []
        for each in left:
            if each.version != one.version or not each.overlaps(one):
                kept.append(each)
            elif one.subnet_of(each):  # type: ignore[arg-type]
                kept += each.address_exclude(one)  # type: ignore[arg-type]
        left = kept
    return tuple(map(str, sorted(left, key=lambda n: (n.version, n))))


def _pages(
    stack: Stack, common: dict[str, Any]
) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield what visitors are told: ours, and for each folder of pages those in it."""
    own = told.own(stack)
    for place in sorted({0, *(one.place for one in own)}):
        folder = f"{NAME}/pages/{place}" if place else f"{NAME}/pages"
        for status in TOLD:
            some = tuple(
                (one.language, tuple("".join(part) for part in one.pieces))
                for one in own
                if (one.status, one.place) == (status, place)
            )
            for kind in ("html", "json"):
                values = {**common, "status": status, "own": some}
                template = f"{NAME}/pages/told.{kind}.j2"
                yield f"{folder}/{status}.{kind}", template, values
