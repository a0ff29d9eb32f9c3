"""Words of the pages."""

from __future__ import annotations

from collections.abc import Iterable


def codes(words: Iterable[str]) -> str:
    """Return words as code, with a blank between them."""
    return " ".join(f"`{word}`" for word in words)
