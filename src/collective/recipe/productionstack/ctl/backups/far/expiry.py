"""Which copies are kept, as ``restic forget`` counts: days without one do not."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from collections.abc import Iterable

from collective.recipe.productionstack.model.storage import Keeping

PINNED = "pinned"
"""A generation that holds a file of this name is never deleted."""


def kept(names: Iterable[str], keeping: Keeping) -> set[str]:
    """Return the generations to keep: the newest, and the last of each span.

    Days, weeks (Monday to Sunday) and months are those of UTC, as names are.
    """
    ordered = sorted(names, reverse=True)
    found = set(ordered[: max(1, keeping.sync_keep)])
    for number, span in zip(keeping.sync_calendar, SPANS, strict=True):
        last: dict[object, str] = {}
        for one in ordered:
            last.setdefault(span(one), one)
        found |= set(list(last.values())[:number])
    return found


def _day(name: str) -> str:
    return name[:10]


def _week(name: str) -> tuple[int, int]:
    year, week, _ = dt.date.fromisoformat(name[:10]).isocalendar()
    return year, week


def _month(name: str) -> str:
    return name[:7]


SPANS: tuple[Callable[[str], object], ...] = (_day, _week, _month)
