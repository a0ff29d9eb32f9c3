"""Regular expressions for many words that cost a request as much as those for a few."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

LONGEST = 3000
"""Bytes; nginx takes no word of 4096 or more in its configuration."""


def patterns(words: Iterable[str]) -> tuple[str, ...]:
    """Return expressions that match these words alone, together all of them.

    What words have in common at their beginning is written once, so that it is looked
    at once: with 500 words one after the other each request would try 500.
    """
    found: list[str] = []
    some: list[str] = []
    for word in sorted(set(words)):
        if sum(map(len, some)) + 5 * len(some) + len(word) > LONGEST:
            found.append(_pattern(some))
            some = []
        some.append(word)
    return (*found, *([_pattern(some)] if some else []))


def _pattern(words: list[str]) -> str:
    """Return an expression for sorted words, which may begin with the same letters."""
    choices = []
    for letter, group in groupby(words, key=lambda word: word[:1]):
        rest = [word[1:] for word in group]
        if letter:
            quoted = "[.]" if letter == "." else letter
            choices.append(quoted + (_pattern(rest) if rest != [""] else ""))
        else:
            choices.append("")
    if len(choices) == 1:
        return choices[0]
    # Nothing more comes last: the longest is tried first.
    return f"(?:{'|'.join(sorted(choices, key=lambda one: not one))})"
