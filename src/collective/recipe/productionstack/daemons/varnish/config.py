"""Varnish: the cache."""

from __future__ import annotations

from typing import Any

from collective.recipe.productionstack.model.announced import Check
from collective.recipe.productionstack.model.announced import Health
from collective.recipe.productionstack.model.announced import Job
from collective.recipe.productionstack.model.announced import Log
from collective.recipe.productionstack.model.announced import Program
from collective.recipe.productionstack.model.stack import Stack

NAME = "varnish"

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
    behind = stack.load_balancer == "haproxy"
    values = {
        "upstream": stack.upstream_of(NAME),
        "health_path": "/haproxy-health" if behind else "/@@ok",
    }
    return (("varnish/default.vcl", "varnish/default.vcl.j2", values),)


def programs(stack: Stack) -> tuple[Program, ...]:
    """Return what is to be supervised."""
    folders = stack.folders
    parameters = [("vcl_path", f"{folders.applied}/varnish"), *PARAMETERS.items()]
    nginx = f"nginx={stack.cache_socket},mode=0600"
    if NAME in dict(stack.versions) and stack.version(NAME) >= BOUNDED_STREAMS:
        parameters.append(("transit_buffer", "1M"))
    near = () if stack.web_server == "none" else ("-a", nginx)
    return (
        Program(
            name=NAME,
            kind=NAME,
            command=(
                *("varnishd", "-F", "-n", f"{folders.var}/varnish"),
                *near,
                *("-a", f"cache={stack.cache}", "-a", f"purge={stack.purge}"),
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
            health=Health(address=stack.purge.to_connect, path="/", status=405),
            listens=(stack.cache, stack.purge, *([stack.cache_socket] if near else [])),
            start_seconds=3,
            reload="vcl",
            tree_files=("varnish/",),
        ),
    )


def logs(stack: Stack) -> tuple[Log, ...]:  # noqa: ARG001 (a service's member)
    """Return the files to rotate."""
    return ()


def jobs(stack: Stack) -> tuple[Job, ...]:  # noqa: ARG001
    """Return the lines for the crontab."""
    return ()


def checks(stack: Stack) -> tuple[Check, ...]:  # noqa: ARG001
    """Return how Varnish is asked: it compiles the VCL to C and stops."""
    return (
        Check(
            service=NAME,
            daemon="varnishd",
            minimum=(6, 0),
            version_argument="-V",
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
