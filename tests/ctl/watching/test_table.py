"""The table of programs on screens of every width."""

from __future__ import annotations

import pytest

from collective.recipe.productionstack.ctl.watching import table

ROW = {
    "program": "instance1",
    "state": "running",
    "pid": "123456",
    "up": "12 min",
    "address": "127.0.0.1:8081",
    "health": "ok",
    "memory": "180 M",
}
LONG = {
    **ROW,
    "program": "a-client-whose-name-is-longer-than-any-that-somebody-would-type",
    "address": "var/stack/a-socket-in-some-deep-folder/zeoserver.sock",
    "health": "no answer in 0.5 s from 127.0.0.1:8081, which accepts connections",
}


def shown(*rows: dict[str, str], width: int) -> list[str]:
    return list(table.lines(rows, width, lambda _column, _row, text: text))


def test_where_nobody_watches_all_is_there() -> None:
    head, *lines = shown(ROW, LONG, width=0)
    assert head.split() == list(table.COLUMNS)
    assert len(lines) == 2
    for value in LONG.values():
        assert value in lines[1]


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
def test_names_and_pids_are_never_cut(width: int) -> None:
    lines = shown(ROW, LONG, ROW, width=width)
    for row in (ROW, LONG):
        line = next(line for line in lines if line.startswith(f"{row['program']} "))
        assert row["state"] in line
        assert row["pid"] in line
    assert any(LONG["health"] in line for line in lines)


def test_eighty_columns_hold_an_ordinary_stack() -> None:
    rows = [{**ROW, "program": name} for name in ("zeoserver", "instance12", "haproxy")]
    lines = shown(*rows, width=80)
    assert all(len(line) <= 80 for line in lines)
    assert lines[0].split() == list(table.COLUMNS)


def test_groups_are_apart() -> None:
    rows = [{**ROW, "group": group} for group in "aab"]
    assert shown(*rows, width=0)[3] == ""
    assert len(shown(*rows, width=80)) == 5


def test_a_long_text_stands_below_its_program() -> None:
    _, first, second, below, third = shown(
        ROW, {**ROW, "program": "bad", "health": LONG["health"] * 2}, ROW, width=80
    )
    assert first.endswith("180 M")
    assert "not ok:" in second
    assert below.strip() == LONG["health"] * 2
    assert third == first
