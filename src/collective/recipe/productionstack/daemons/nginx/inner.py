"""What nginx does where it is the cache or the balancer too."""

from __future__ import annotations

import re
from typing import Any

from collective.recipe.productionstack.daemons.nginx import modules
from collective.recipe.productionstack.daemons.nginx import upstreams
from collective.recipe.productionstack.daemons.varnish import tracking
from collective.recipe.productionstack.model.chain import BALANCER
from collective.recipe.productionstack.model.chain import BALANCER_HEALTH
from collective.recipe.productionstack.model.chain import CACHE
from collective.recipe.productionstack.model.stack import Stack

KEPT_SECONDS = 60
"""How long an answer is kept that a purge finds; others for one second or two."""

NUMBERS = re.compile(r"[0-9.]+|\[?[0-9a-f:]+\]?")


def files(stack: Stack) -> tuple[str, ...]:
    """Return the files that are there for inner roles."""
    balances = ("balancer.conf",) if stack.chain.is_of_web_server(BALANCER) else ()
    keeps = ("cache.conf", "cache-answers.conf", "kept.conf")
    return (*balances, *(keeps if stack.chain.is_of_web_server(CACHE) else ()))


def values(stack: Stack) -> dict[str, Any]:
    """Return what the files are told about inner roles."""
    return {**_balanced(stack), **_kept(stack)}


def _balanced(stack: Stack) -> dict[str, Any]:
    """Return what the file about the clients is told."""
    if not stack.chain.is_of_web_server(BALANCER):
        return {"balanced": ""}
    return {
        "health_path": BALANCER_HEALTH,
        "balanced": upstreams.text(stack),
        "left_conf": upstreams.left_file(stack, "conf"),
        "left_map": upstreams.left_file(stack, "map"),
    }


def _kept(stack: Stack) -> dict[str, Any]:
    """Return what the files about kept answers are told."""
    if not stack.chain.is_of_web_server(CACHE):
        return {"caches": False, "module": ""}
    listening = (stack.chain.purge, *(one.address for one in stack.zope.all_clients))
    hosts = {address.to_connect.host for address in listening}
    return {
        "caches": True,
        "module": modules.purge(),
        "origin": stack.upstream_of(CACHE),
        "tracking": tracking.pattern(),
        "edited": _edited(stack),
        "seconds": KEPT_SECONDS if modules.purge() else 1,
        "purgers": sorted({one for one in hosts if NUMBERS.fullmatch(one)}),
    }


def _edited(stack: Stack) -> tuple[tuple[str, str, str], ...]:
    """Return each site's path, the pattern of it, and scheme and host; longest first.

    Of several hosts that show the same site the first is meant.
    """
    found: dict[str, tuple[str, str, str]] = {}
    for site in stack.sites:
        if not site.folder:
            pattern = re.sub(r"([.+*])", r"[\1]", site.path)
            host = f"{site.scheme}/{site.url_host}"
            found.setdefault(site.path, (site.path, pattern, host))
    return tuple(found[path] for path in sorted(found, key=len, reverse=True))
