"""Expressions for many words."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from collective.recipe.productionstack.daemons.front.words import LONGEST
from collective.recipe.productionstack.daemons.front.words import patterns

WORDS = st.from_regex(r"\A[a-c][a-b.~-]{0,4}\Z")


@given(st.sets(WORDS), st.lists(WORDS))
def test_they_match_these_words_alone(words: set[str], others: list[str]) -> None:
    found = patterns(words)
    for word in (*words, *others):
        matched = any(re.fullmatch(one, word) for one in found)
        assert matched == (word in words)


def test_nginx_can_take_each() -> None:
    words = {f"site-{number * 7919}.{number}" for number in range(5000)}
    found = patterns(words)
    assert max(map(len, found)) <= LONGEST
    assert len(found) < 40
    assert sum(any(re.fullmatch(one, word) for one in found) for word in words) == 5000
    assert patterns(()) == ()
    # What the web server cannot take it says itself.
    assert patterns(["x" * 10_000]) == ("x" * 10_000,)
