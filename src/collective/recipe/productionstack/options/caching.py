"""The options of the cache: how large, how long, for whom."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from collective.recipe.productionstack.options.declare import option
from collective.recipe.productionstack.options.values.parse import choice
from collective.recipe.productionstack.options.values.parse import in_bytes
from collective.recipe.productionstack.options.values.parse import lines
from collective.recipe.productionstack.options.values.parse import networks
from collective.recipe.productionstack.options.values.parse import seconds
from collective.recipe.productionstack.options.values.parse import words

LEAST_CACHE = 32 * 1024**2

COOKIE = re.compile(r"[A-Za-z0-9_.-]+")
"""Of RFC 6265 what a regular expression does not read as more than itself."""


def size(least: int, most: int) -> Callable[[str], int]:
    """Return a parser for a size such as ``20M``, to bytes; limits in megabytes."""

    def parse(value: str) -> int:
        found = in_bytes(value)
        if not least * 1024**2 <= found <= most * 1024**2:
            raise ValueError(f"not between {least}M and {most}M")
        return found

    parse.__name__ = f"size from {least}M to {most}M"
    return parse


def pages_and_files(value: str) -> tuple[int, int]:
    """Parse ``512M``, shared by halves, or ``pages 512M files 2G`` to bytes.

    Raises ValueError for anything else, or for less than is of use.
    """
    found = re.fullmatch(r"pages\s+(\d+\s*\w+)\s+files\s+(\d+\s*\w+)", value)
    sizes = (
        (in_bytes(found[1]), in_bytes(found[2]))
        if found
        else (in_bytes(value) // 2,) * 2
    )
    if min(sizes) < LEAST_CACHE:
        raise ValueError("pages and files need at least 32M each")
    return sizes


def cookie_names(value: str) -> tuple[str, ...]:
    """Parse names of cookies separated by white space.

    Raises ValueError that names the one which is none (RFC 6265).
    """
    for one in words(value):
        if not COOKIE.fullmatch(one):
            raise ValueError(f"{one} is not the name of a cookie")
    return words(value)


@dataclass(frozen=True, kw_only=True)
class CachingOptions:
    """What Varnish keeps."""

    cache_size: tuple[int, int] | None = option(
        "How much is kept: one size, half of it for pages (in memory) and half for"
        " files (on disk, below `var`); or `pages SIZE files SIZE`.",
        pages_and_files,
        example="pages 512M files 2G",
        shown="pages 256M, or an eighth of the memory; files 1G, or a sixteenth"
        " of the disk",
    )
    cache_file_limit: int | None = option(
        "Files larger than this are not kept, only passed on.",
        size(1, 1024),
        example="50M",
        shown="20M",
    )
    grace: int = option(
        "Seconds for which what has expired is shown once more while it is fetched"
        " anew, when Plone is well.",
        seconds(0, 60),
        example="5",
        default=10,
    )
    session_cookies: tuple[str, ...] = option(
        "Further cookies (of a single sign-on, of an add-on) that make a request"
        " somebody's own: it goes to Plone with them, and is answered by Plone alone.",
        cookie_names,
        example="_shibsession_abc mod_auth_openidc_session",
        default=(),
        shown="none",
    )
    cache_rules: tuple[str, ...] = option(
        "Times of your own, one per line: `/PATH SECONDS` (it and what is below) or"
        " `TYPE/SUBTYPE SECONDS`; 0 is never. The first that fits counts. More than"
        " 120 also means that it stays public so long after its folder was retracted.",
        lines,
        example="/news 30",
        default=(),
        shown="none",
    )
    purge_by: str = option(
        "What an edit drops: `url`, the object's addresses; `tag`, also those it had"
        " before it was moved (needs varnish-modules and collective.purgebyid).",
        choice("url", "tag"),
        example="tag",
        default="url",
    )
    purge_allow: tuple[str, ...] = option(
        "Further machines whose Plone may purge here: addresses and networks. This one"
        " and those of the clients may; `purge-address` must be one that they reach.",
        networks,
        example="10.0.0.2 10.0.0.3",
        default=(),
        shown="none",
    )
