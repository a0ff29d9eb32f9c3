"""The programs as a table: names and pids are never cut, however narrow the screen."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence

Row = Mapping[str, str]

COLUMNS = ("program", "state", "pid", "up", "address", "health", "memory")
TO_THE_RIGHT = frozenset(["pid", "up", "memory"])
SPARE = ("address", "memory", "up")
"""Left out in this order where all of them have no room."""

GAP = "  "
LONG = 18
"""A health text of more characters stands below its program."""

ADDRESS = 20


def lines(
    rows: Sequence[Row], width: int, paint: Callable[[str, Row, str], str]
) -> Iterator[str]:
    """Yield the lines of a screen of that many characters, 0 for any.

    A blank line stands where the ``group`` of a row is not that of the one before.
    ``paint(column, row, text)`` gives a text its colour.
    """
    full = dict.fromkeys(COLUMNS, "")
    shown = [{**full, **row} for row in rows]
    below = _fitted(shown, width)
    columns = list(COLUMNS)
    for name in SPARE:
        if width and _total(columns, shown) > width:
            columns.remove(name)
    widths = _widths(columns, shown)
    yield GAP.join(_padded(one, one, widths) for one in columns).rstrip()
    group = shown[0].get("group") if shown else None
    for row, original, more in zip(shown, rows, below, strict=True):
        if row.get("group") != group:
            group = row.get("group")
            yield ""
        cells = (
            paint(one, original, _padded(one, row[one], widths)) for one in columns
        )
        yield GAP.join(cells).rstrip()
        if more:
            yield paint("health", original, f"{GAP}{more}")


def _fitted(rows: list[dict[str, str]], width: int) -> list[str]:
    """Shorten what may be on a narrow screen; return what stands below each row."""
    below = [""] * len(rows)
    if not width or _total(COLUMNS, rows) <= width:
        return below
    for number, row in enumerate(rows):
        if len(row["health"]) > LONG:
            below[number], row["health"] = row["health"], "not ok:"
        row["address"] = shortened(row["address"], ADDRESS)
    return below


def shortened(text: str, width: int) -> str:
    """Shorten a text in its front part: the end tells more."""
    return text if len(text) <= width else f"…{text[1 - width :]}"


def _padded(column: str, text: str, widths: Mapping[str, int]) -> str:
    width = widths[column]
    return text.rjust(width) if column in TO_THE_RIGHT else text.ljust(width)


def _widths(columns: Sequence[str], rows: Sequence[Row]) -> dict[str, int]:
    return {one: max(len(one), *(len(row[one]) for row in rows)) for one in columns}


def _total(columns: Sequence[str], rows: Sequence[Row]) -> int:
    widths = _widths(columns, rows).values()
    return sum(widths) + len(GAP) * (len(columns) - 1)
