"""Varnish: the cache."""

from __future__ import annotations

from typing import Any

from collective.recipe.productionstack.model.announced import Check
from collective.recipe.productionstack.model.announced import Health
from collective.recipe.productionstack.model.announced import Program
from collective.recipe.productionstack.model.announced import nothing
from collective.recipe.productionstack.model.chain import BALANCER_HEALTH
from collective.recipe.productionstack.model.chain import CACHE
from collective.recipe.productionstack.model.stack import Stack

NAME = "varnish"
ROLES: tuple[str, ...] = (CACHE,)
NEEDS: tuple[str, ...] = ()
COLLECTS = ""
VERSIONED = ("varnishd", "-V")

PARAMETERS = {
    "default_ttl": "0",  # Plone's "Expires: Sat, 1 Jan 2000" is no date to Varnish
    "timeout_idle": "75",  # longer than nginx keeps a connection
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
    "vcc_unsafe_path": "off",
}
"""Sized for Plone's headers and small servers (caching C)."""

BOUNDED_STREAMS = (7, 3)
"""Since then a slow visitor need not hold a whole uncacheable file in memory."""

NO_XKEY = (
    "purge-by = tag needs Varnish's module xkey; on Debian: "
    "apt-get install varnish-modules. Without it: purge-by = url"
)


def files(stack: Stack) -> tuple[tuple[str, str, dict[str, Any]], ...]:
    """Return path in the tree, template and further values of each file."""
    values = {
        "upstream": stack.upstream_of(CACHE),
        "health_path": BALANCER_HEALTH if stack.chain.has_balancer else "/@@ok",
        "near": stack.chain.web_server,
    }
    return (("varnish/default.vcl", "varnish/default.vcl.j2", values),)


def programs(stack: Stack) -> tuple[Program, ...]:
    """Return what is to be supervised."""
    folders, chain = stack.folders, stack.chain
    parameters = [("vcl_path", f"{folders.applied}/varnish"), *PARAMETERS.items()]
    socket = f"{chain.web_server}={stack.socket(NAME)},mode=0600"
    if NAME in dict(stack.host.versions) and stack.version(NAME) >= BOUNDED_STREAMS:
        parameters.append(("transit_buffer", "1M"))
    near = ("-a", socket) if chain.has_web_server else ()
    return (
        Program(
            name=NAME,
            kind=NAME,
            command=(
                *("varnishd", "-F", "-n", f"{folders.var}/varnish"),
                *near,
                *("-a", f"cache={chain.cache}", "-a", f"purge={chain.purge}"),
                *("-T", "127.0.0.1:0"),
                *("-s", "main=malloc,256m", "-s", "Transient=malloc,128m"),
                *(
                    word
                    for name, value in parameters
                    for word in ("-p", f"{name}={value}")
                ),
                *("-f", "default.vcl"),
            ),
            # The purge listener answers 405 to a GET without asking anybody.
            health=Health(address=chain.purge.to_connect, path="/", status=405),
            listens=(chain.cache, chain.purge, *([stack.socket(NAME)] if near else [])),
            start_seconds=3,
            reload="vcl",
            tree_files=("varnish/",),
        ),
    )


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
                "-n",
                "{scratch}/var",
                "-f",
                "{tree}/varnish/default.vcl",
            ),
            remedies=(("VMOD xkey", NO_XKEY),),
        ),
    )
