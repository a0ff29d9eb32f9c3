"""Regular expressions for many words that cost a request as much as those for a few."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from os.path import commonprefix

LONGEST = 3000
"""Bytes; nginx takes no word of 4096 or more in its configuration."""


def patterns(words: Iterable[str]) -> tuple[str, ...]:
    """Return expressions that match these words alone, together all of them.

    What words have in common at their beginning is written once, so that it is looked
    at once: with 500 words one after the other each request would try 500.
    """
    ordered = sorted(set(words))
    whole = _pattern(ordered) if ordered else ""
    if len(whole) <= LONGEST or not ordered[1:]:
        return (whole,) if ordered else ()
    middle = len(ordered) // 2
    return (*patterns(ordered[:middle]), *patterns(ordered[middle:]))


def _pattern(words: list[str]) -> str:
    """Return an expression for sorted words, which may begin with the same letters."""
    choices = []
    for _, group in groupby(words, key=lambda word: word[:1]):
        some = list(group)
        begin = commonprefix(some)  # noqa: RUF071 (of letters, not of folders)
        rest = [word[len(begin) :] for word in some]
        choices.append(begin.replace(".", "[.]") + (_pattern(rest) if some[1:] else ""))
    if len(choices) == 1:
        return choices[0]
    # Nothing more comes last: the longest is tried first.
    return f"(?:{'|'.join(sorted(choices, key=lambda one: not one))})"
