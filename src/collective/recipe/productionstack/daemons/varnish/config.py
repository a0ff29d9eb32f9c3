"""Varnish: the cache."""

from __future__ import annotations

import re
from typing import Any

from collective.recipe.productionstack.daemons.front import words
from collective.recipe.productionstack.daemons.varnish import tracking
from collective.recipe.productionstack.model.announced import Check
from collective.recipe.productionstack.model.announced import Health
from collective.recipe.productionstack.model.announced import Program
from collective.recipe.productionstack.model.announced import nothing
from collective.recipe.productionstack.model.caching import MEGABYTE
from collective.recipe.productionstack.model.caching import Caching
from collective.recipe.productionstack.model.caching import Rule
from collective.recipe.productionstack.model.chain import BALANCER_HEALTH
from collective.recipe.productionstack.model.chain import CACHE
from collective.recipe.productionstack.model.frontend import MARK
from collective.recipe.productionstack.model.stack import Stack
from collective.recipe.productionstack.model.storage import BLOB
from collective.recipe.productionstack.model.storage import NAMED_FILES

NAME = "varnish"
ROLES: tuple[str, ...] = (CACHE,)
NEEDS: tuple[str, ...] = ()
COLLECTS = ""
VERSIONED = ("varnishd", "-V")

PARAMETERS = {
    "default_ttl": "0",  # Plone's "Expires: Sat, 1 Jan 2000" is no date to Varnish
    "timeout_idle": "75",  # longer than nginx keeps a connection
    "backend_idle_timeout": "10",  # HAProxy's worker before a reload waits for it
    "http_req_hdr_len": "32k",
    "http_req_size": "64k",
    "http_resp_hdr_len": "64k",
    "http_resp_size": "128k",
    "http_max_hdr": "128",
    "workspace_client": "256k",
    "workspace_backend": "256k",
    "thread_pool_min": "50",
    "thread_pool_max": "1000",
    "ban_lurker_age": "10",
    "vsl_space": "20M",
    "nuke_limit": "10000",  # a file of 20 MB takes the place of many small images
    "send_timeout": "86400",  # in all; who takes nothing for a minute is let go
    "vcc_unsafe_path": "off",
}
"""Sized for Plone's headers and small servers (caching C)."""

READ_AHEAD = (7, 3)
"""Since then it can be said how far a slow reader may be behind."""

NO_XKEY = (
    "purge-by = tag needs Varnish's module xkey; on Debian: "
    "apt-get install varnish-modules. Without it: purge-by = url"
)


def files(stack: Stack) -> tuple[tuple[str, str, dict[str, Any]], ...]:
    """Return path in the tree, template and further values of each file."""
    values = {
        "upstream": stack.upstream_of(CACHE),
        "health_path": BALANCER_HEALTH if stack.chain.has_balancer else "/@@ok",
        "near": near(stack),
        "tracking": tracking.pattern(),
        "purgers": purgers(stack),
        "paths": words.patterns(site.path for site in stack.sites),
        "grace": stack.caching.grace,
        "named_files": quoted(NAMED_FILES),
        "blob": BLOB,
        "file_limit": stack.caching.file_limit,
        "rules": tuple(condition(rule) for rule in stack.caching.rules),
        "mark": MARK,
        "mark_pattern": MARK.replace("+", r"\+"),
        "session_cookies": "".join(
            "|" + quoted(name) for name in stack.caching.session_cookies
        ),
    }
    return tuple(
        (f"varnish/{name}", f"varnish/{name}.j2", values)
        for name in ("default.vcl", "names.vcl", *_optional(stack))
    )


def _optional(stack: Stack) -> tuple[str, ...]:
    """Return the files for pages that Node makes, and for files that nginx sends."""
    pages = ("frontends.vcl",) if stack.frontends else ()
    return (*pages, "files.vcl") if stack.sends_files else pages


def near(stack: Stack) -> str:
    """Return the name of the web server's own listener.

    The same for all: one takes another's place without a restart of the cache.
    """
    return "nginx" if stack.chain.has_web_server else stack.chain.web_server


def quoted(text: str) -> str:
    """Return a regular expression for the text; without backslashes, for VCL."""
    return re.sub(r"([.+*])", r"[\1]", text)


def condition(rule: Rule) -> str:
    """Return what an answer has to be for a rule of the user's to count."""
    if rule.path:
        return f'bereq.http.X-PS-Owner ~ "^={quoted(rule.path)}(?:/|$)"'
    kind = quoted(rule.type.removesuffix("*")) + ("" if "*" in rule.type else "(?:;|$)")
    return f'beresp.http.Content-Type ~ "^{kind}"'


def purgers(stack: Stack) -> tuple[str, ...]:
    """Return entries of an ACL: who is allowed, the clients, and where they purge.

    Who connects to an address of the own machine comes from there.
    """
    listening = (stack.chain.purge, *(one.address for one in stack.zope.all_clients))
    found = {address.to_connect.host for address in listening if address.host}
    hosts = sorted(found - {"127.0.0.1", "::1", "localhost"})
    allowed = (one.split("/") for one in stack.caching.purge_allow)
    nets = (f'"{host}"/{length}' for host, length in allowed)
    return (*(f'"{host}"' for host in hosts), *nets)


def programs(stack: Stack) -> tuple[Program, ...]:
    """Return what is to be supervised."""
    folders, chain = stack.folders, stack.chain
    parameters = [("vcl_path", f"{folders.applied}/varnish"), *PARAMETERS.items()]
    socket = f"{near(stack)}={stack.socket(NAME)},mode=0600"
    if NAME in dict(stack.host.versions) and stack.version(NAME) >= READ_AHEAD:
        # Not less: who waits for a slow reader holds a client, which hangs up at last.
        parameters.append(("transit_buffer", "1G"))
    own = ("-a", socket) if chain.has_web_server else ()
    return (
        Program(
            name=NAME,
            kind=NAME,
            command=(
                *("varnishd", "-F", "-n", f"{folders.var}/varnish"),
                *own,
                *("-a", f"cache={chain.cache}", "-a", f"purge={chain.purge}"),
                *("-T", "127.0.0.1:0"),
                *storages(stack.caching),
                *(
                    word
                    for name, value in parameters
                    for word in ("-p", f"{name}={value}")
                ),
                *("-f", "default.vcl"),
            ),
            # The purge listener answers 405 to a GET without asking anybody.
            health=Health(address=chain.purge.to_connect, path="/", status=405),
            listens=(chain.cache, chain.purge, *([stack.socket(NAME)] if own else [])),
            start_seconds=3,
            reload="vcl",
            tree_files=("varnish/",),
        ),
    )


def storages(caching: Caching) -> tuple[str, ...]:
    """Return where things are kept: what grows is on disk, in a file without a name.

    What is on its way to slow readers lies in Transient; where memory bounded it,
    they got a part and a good status. Files never drop a page. A dot is varnishd's
    own folder.
    """
    kept = (
        f"pages=malloc,{caching.pages_size // MEGABYTE}M",
        f"files=file,.,{caching.files_size // MEGABYTE}M",
        f"Transient=file,.,{caching.transit_size // MEGABYTE}M",
    )
    return tuple(word for one in kept for word in ("-s", one))


logs = nothing
jobs = nothing


def checks(stack: Stack) -> tuple[Check, ...]:  # noqa: ARG001
    """Return how Varnish is asked: it compiles the VCL to C and stops."""
    return (
        Check(
            service=NAME,
            daemon=VERSIONED[0],
            package="varnish",
            minimum=(6, 0),
            version_argument=VERSIONED[1],
            command=(
                "varnishd",
                "-C",
                *("-p", "vcl_path={tree}/varnish"),
                # The VCL names them.
                *("-s", "pages=malloc,1M", "-s", "files=malloc,1M"),
                "-n",
                "{scratch}/var",
                "-f",
                "{tree}/varnish/default.vcl",
            ),
            remedies=(("VMOD xkey", NO_XKEY),),
        ),
    )
