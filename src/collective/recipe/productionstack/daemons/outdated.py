"""What the installed daemons are too old for, where the stack works all the same."""

from __future__ import annotations

from collections.abc import Iterator

from collective.recipe.productionstack.model.stack import Stack

COOKIE_FLAGS = (1, 19, 3)
"""The first nginx with proxy_cookie_flags (its CHANGES)."""


def shortcomings(stack: Stack) -> Iterator[tuple[str, str]]:
    """Yield an option and what does not work behind it, with the remedy."""
    version = stack.version("nginx")
    if stack.writes("nginx") and version < COOKIE_FLAGS:
        shown = ".".join(map(str, version))
        what = (
            f"nginx {shown} cannot make Plone's cookies Secure, HttpOnly and SameSite."
            " Install 1.19.3 or newer"
        )
        yield "web-server", what
