"""What the cache is told, as values."""

from __future__ import annotations

from dataclasses import dataclass

MEGABYTE = 1024**2


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A time of the user's own, for a path and what is below or for a type."""

    path: str = ""
    type: str = ""
    seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Caching:
    """Sizes in bytes, times in seconds; ``purge_by`` is ``url`` or ``tag``.

    ``transit_size`` is for what lies on its way to slow readers.
    """

    purge_by: str = "url"
    purge_allow: tuple[str, ...] = ()
    pages_size: int = 256 * MEGABYTE
    files_size: int = 1024 * MEGABYTE
    transit_size: int = 4096 * MEGABYTE
    file_limit: int = 20 * MEGABYTE
    grace: int = 10
    session_cookies: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()
