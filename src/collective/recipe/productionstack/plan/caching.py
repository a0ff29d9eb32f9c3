"""From the options of the cache to its values: sizes that fit, rules that are read."""

from __future__ import annotations

import re

from collective.recipe.productionstack.errors import Problem
from collective.recipe.productionstack.model.caching import MEGABYTE
from collective.recipe.productionstack.model.caching import Caching
from collective.recipe.productionstack.model.caching import Rule
from collective.recipe.productionstack.options.declare import fill
from collective.recipe.productionstack.options.load import StackOptions
from collective.recipe.productionstack.options.values.parse import number
from collective.recipe.productionstack.options.values.parse import url_path
from collective.recipe.productionstack.plan.facts import Facts

USUAL = Caching()
LONGEST = 365 * 24 * 3600
TYPE = re.compile(r"[a-z]+/(?:\*|[a-z0-9][a-z0-9.+-]*)")
EXAMPLE = "Write for example: /news 30, or image/* 600"


def caching(
    part: str, options: StackOptions, facts: Facts
) -> tuple[Caching, list[Problem]]:
    """Return what the cache is told, and what is wrong with the options of it."""
    pages, files = options.cache_size or _usual(facts)
    rules, problems = _rules(part, options)
    if options.cache_size:
        problems += _too_large(part, pages, files, facts)
    made = fill(
        Caching,
        options,
        pages_size=pages,
        files_size=files,
        transit_size=_fitting(USUAL.transit_size, facts.disk // 8),
        file_limit=options.cache_file_limit or USUAL.file_limit,
        rules=tuple(rules),
    )
    return made, problems


def _usual(facts: Facts) -> tuple[int, int]:
    return (
        _fitting(USUAL.pages_size, facts.memory // 8),
        _fitting(USUAL.files_size, facts.disk // 16),
    )


def _fitting(size: int, room: int) -> int:
    """Halve a size until it fits."""
    while size > max(room, 64 * MEGABYTE):
        size //= 2
    return size


def _too_large(part: str, pages: int, files: int, facts: Facts) -> list[Problem]:
    limits = (
        ("pages", pages, facts.memory * 3 // 4, "memory"),
        ("files", files, facts.disk // 2, "disk space"),
    )
    return [
        _problem(
            part,
            "cache-size",
            f"{what} {size // MEGABYTE}M",
            f"this machine has not enough {room} for that",
            f"Write at most: {what} {most // MEGABYTE}M",
        )
        for what, size, most, room in limits
        if size > most
    ]


def _rules(part: str, options: StackOptions) -> tuple[list[Rule], list[Problem]]:
    rules, problems = [], []
    for line in options.cache_rules:
        try:
            rules.append(_rule(line))
        except ValueError as error:
            problems.append(_problem(part, "cache-rules", line, str(error), EXAMPLE))
    return rules, problems


def _rule(line: str) -> Rule:
    what, _, time = line.partition(" ")
    length = number(0, LONGEST)(time.strip().removesuffix("s"))
    if what.startswith("/"):
        return Rule(path=url_path(what), seconds=length)
    if not TYPE.fullmatch(what):
        raise ValueError("begins with neither a path nor a type")
    return Rule(type=what, seconds=length)


def _problem(part: str, option: str, value: str, message: str, remedy: str) -> Problem:
    return Problem(
        part=part, option=option, value=value, message=message, remedy=remedy
    )
