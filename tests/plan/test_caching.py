"""Sizes of the cache that fit the machine, and rules that are read."""

from __future__ import annotations

import pytest

from collective.recipe.productionstack.model.caching import MEGABYTE
from collective.recipe.productionstack.model.caching import Caching
from collective.recipe.productionstack.model.caching import Rule
from collective.recipe.productionstack.options.load import load
from collective.recipe.productionstack.plan.caching import caching
from collective.recipe.productionstack.plan.facts import Facts

GIGABYTE = 1024 * MEGABYTE


def made(
    memory: int = 4 * GIGABYTE, disk: int = 64 * GIGABYTE, **section: str
) -> tuple[Caching, list[str]]:
    """Return what the cache is told on such a machine, and the problems' texts."""
    written = {name.replace("_", "-"): text for name, text in section.items()}
    options, problems = load("stack", written)
    assert not problems
    facts = Facts(directory="/b", bin="/b/bin", memory=memory, disk=disk)
    found, problems = caching("stack", options, facts)
    return found, [str(problem) for problem in problems]


@pytest.mark.parametrize(
    ("memory", "disk", "sizes"),
    [
        (4 * GIGABYTE, 64 * GIGABYTE, (256, 1024, 4096)),
        (64 * GIGABYTE, 999 * GIGABYTE, (256, 1024, 4096)),
        (1 * GIGABYTE, 12 * GIGABYTE, (128, 512, 1024)),
        (256 * MEGABYTE, 100 * MEGABYTE, (64, 64, 64)),
    ],
)
def test_the_defaults_fit_the_machine(
    memory: int, disk: int, sizes: tuple[int, int, int]
) -> None:
    found, problems = made(memory, disk)
    bytes_ = (found.pages_size, found.files_size, found.transit_size)
    assert tuple(size // MEGABYTE for size in bytes_) == sizes
    assert problems == []


@pytest.mark.parametrize(
    ("text", "sizes"),
    [("1G", (512, 512)), ("pages 512M files 2G", (512, 2048)), ("64m", (32, 32))],
)
def test_the_sizes_that_are_written(text: str, sizes: tuple[int, int]) -> None:
    found, problems = made(cache_size=text)
    assert (found.pages_size // MEGABYTE, found.files_size // MEGABYTE) == sizes
    assert problems == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("pages 4G files 1G", "not enough memory for that. Write at most: pages 3072M"),
        ("pages 1G files 40G", "not enough disk space for that. Write at most"),
    ],
)
def test_what_the_machine_cannot_hold_is_refused(text: str, said: str) -> None:
    _, problems = made(cache_size=text)
    assert len(problems) == 1
    assert said in problems[0]


def test_rules_keep_their_order() -> None:
    found, problems = made(cache_rules="/news 30\nimage/* 60\n# none\n/x/ 0s")
    assert found.rules == (
        Rule(path="/news", seconds=30),
        Rule(type="image/*", seconds=60),
        Rule(path="/x", seconds=0),
    )
    assert problems == []
