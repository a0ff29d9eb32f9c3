"""The options of a part: all of them together, read and complained about.

A declaration holds everything there is to say about an option (name, type, default,
sentence, example); the reference page is made from it.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from collective.recipe.productionstack.errors import Problem
from collective.recipe.productionstack.options.applications import ApplicationOptions
from collective.recipe.productionstack.options.balancing import BalancingOptions
from collective.recipe.productionstack.options.caching import CachingOptions
from collective.recipe.productionstack.options.core import CoreOptions
from collective.recipe.productionstack.options.front import FrontOptions
from collective.recipe.productionstack.options.frontends import FrontendOptions
from collective.recipe.productionstack.options.keeping import KeepingOptions
from collective.recipe.productionstack.options.programs import ProgramOptions
from collective.recipe.productionstack.options.tls import TlsOptions
from collective.recipe.productionstack.options.watching import WatchingOptions


@dataclass(frozen=True, kw_only=True)
class StackOptions(
    WatchingOptions,
    KeepingOptions,
    CachingOptions,
    FrontOptions,
    FrontendOptions,
    TlsOptions,
    ApplicationOptions,
    ProgramOptions,
    BalancingOptions,
    CoreOptions,
):
    """Everything a ``collective.recipe.productionstack`` part understands."""


def name_of(field_name: str) -> str:
    """Return an option's name as users write it."""
    return field_name.replace("_", "-")


PORT_OFFSETS = {
    "http_address": 0,
    "https_address": 1,
    "cache_address": 2,
    "purge_address": 3,
    "balancer_address": 4,
    "stats_address": 5,
}
"""What is added to `port-base` where an address is not chosen."""

OPTIONS = {name_of(field.name): field for field in dataclasses.fields(StackOptions)}


def load(part: str, section: Mapping[str, str]) -> tuple[StackOptions, list[Problem]]:
    """Parse a section; faulty options keep their default and become problems."""
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    for name, text in section.items():
        if name in FREE or name.startswith(("x-", "_")):
            continue
        if name not in OPTIONS:
            problems.append(_unknown(part, name, text))
        elif text.strip():
            _parse(part, name, text.strip(), values, problems)
    return StackOptions(**values), problems


def _parse(
    part: str, name: str, text: str, values: dict[str, Any], problems: list[Problem]
) -> None:
    field = OPTIONS[name]
    try:
        values[field.name] = field.metadata["parse"](text)
    except ValueError as error:
        remedy = f"Write for example: {name} = {field.metadata['example']}"
        value = "…" if field.metadata["secret"] else text
        problems.append(
            Problem(
                part=part, option=name, value=value, message=str(error), remedy=remedy
            )
        )


def _unknown(part: str, name: str, text: str) -> Problem:
    return Problem(
        part=part,
        option=name,
        value=text,
        message="no such option",
        remedy=_suggestion(name, OPTIONS),
    )


def _suggestion(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, sorted(known), n=1)
    if near:
        return f"Did you mean {near[0]}?"
    return "Remove it; names of your own start with x-."


FREE = ("recipe", "<", "eggs")
"""Options that are never ours; ``x-…`` is free for the user's own values too."""
