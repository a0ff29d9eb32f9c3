"""A client as HAProxy is told of it: in its file, and while it runs."""

from __future__ import annotations

import re

from collective.recipe.productionstack.model.clients import Balancing
from collective.recipe.productionstack.model.clients import Pool
from collective.recipe.productionstack.model.site import Site
from collective.recipe.productionstack.model.site import host_folder

BACKEND = "plone"
"""The backend of all clients that are in no pool."""


def backend(pool: Pool | None) -> str:
    """Return the name of a pool's backend."""
    return pool.name if pool else BACKEND


def frontend(site: Site) -> str:
    """Return the name of the backend of the processes that make a site's pages."""
    return f"frontend-{host_folder(site.host)}"


def literal(text: str) -> str:
    """Return a regular expression for the text; without backslashes."""
    return re.sub(r"([.+*\[])", r"[\1]", text)


def parameters(balancing: Balancing, *, alone: bool = False) -> str:
    """Return how a server is watched (HAProxy's configuration manual, 5.2).

    One that refuses connections is out at the third, not at the next check; one that
    is ``alone`` in its backend at the first.
    """
    words = ["check inter 2s fastinter 500ms downinter 1s rise 2 fall 3"]
    if balancing.slow_start:
        words.append(f"slowstart {balancing.slow_start}s")
    limit = 1 if alone else 3
    return " ".join((*words, f"observe layer4 error-limit {limit} on-error mark-down"))
