"""Which copies are kept: the newest, those of days, weeks and months, pinned ones."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from collective.recipe.productionstack.ctl.backups.far import expiry
from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.model.storage import Keeping
from tests.support.kept import Kept


def generations(target: Path) -> list[str]:
    return sorted(one.name for one in target.iterdir() if "copies-of" not in one.name)


def names(first: str, days: int, step: int = 24) -> list[str]:
    """Return the names of generations, so many hours after each other."""
    begin = dt.datetime.fromisoformat(first)
    moments = (begin + dt.timedelta(hours=step * one) for one in range(days))
    return [one.strftime("%Y-%m-%d-%H-%M-%S") for one in moments]


def kept_of(every: list[str], last: int, *calendar: int) -> list[str]:
    days, weeks, months = calendar or (0, 0, 0)
    keeping = Keeping(sync_keep=last, sync_calendar=(days, weeks, months))
    return sorted(expiry.kept(every, keeping))


def test_a_number_is_the_newest() -> None:
    every = names("2026-11-01", 20)
    assert kept_of(every, 3) == every[-3:]
    assert kept_of(every[:2], 3) == every[:2]


def test_the_last_of_each_day_that_has_one() -> None:
    every = [
        *("2026-11-20-04-00-00", "2026-11-20-06-00-00"),
        *("2026-11-24-04-00-00", "2026-11-24-06-00-00"),
    ]
    assert kept_of(every, 0, 2, 0, 0) == [every[1], every[3]]
    assert kept_of(every, 0, 1, 0, 0) == [every[3]]


def test_weeks_are_those_of_the_iso_calendar_and_months_those_of_the_year() -> None:
    # A Sunday; the Monday after; the last days of a year are in a week of the next.
    every = ["2026-11-29-04-00-00", "2026-11-30-04-00-00", "2026-12-01-04-00-00"]
    assert kept_of(every, 0, 0, 2, 0) == [every[0], every[2]]
    assert kept_of(every, 0, 0, 0, 2) == [every[1], every[2]]
    turn = ["2024-12-30-04-00-00", "2025-01-01-04-00-00"]
    assert kept_of(turn, 0, 0, 2, 0) == [turn[1]]


def test_a_year_of_days() -> None:
    every = names("2025-12-01", 400)
    found = kept_of(every, 0, 14, 8, 12)
    assert found[-14:] == every[-14:]
    assert len({one[:7] for one in found}) == 12
    # The fourteen days are of three weeks and two months.
    assert len(found) == 14 + 5 + 10


def test_the_newest_is_kept_whatever_the_numbers() -> None:
    assert kept_of(["2026-11-29-04-00-00"], 0, 0, 0, 0) == ["2026-11-29-04-00-00"]


def test_copies_expire_by_the_calendar_and_pinned_ones_do_not(kept: Kept) -> None:
    target = kept.folder / "far"
    kept.configure(sync_target=(str(target),), sync_keep=0, sync_calendar=(2, 0, 2))
    days = names("2026-10-30", 5)
    kept.copy_days(*days[:1])
    (target / days[0] / "pinned").write_text("before the upgrade")
    kept.copy_days(*days[1:])
    # The first is pinned; the second is the last of October.
    assert generations(target) == [*days[:2], *days[3:]]
    (target / days[0] / "pinned").unlink()
    kept.sync()
    assert generations(target) == [days[1], *days[3:]]


def test_a_pin_is_no_difference_and_outlives_a_new_copy(kept: Kept) -> None:
    target = kept.folder / "far"
    kept.configure(sync_target=(str(target),))
    (day,) = names("2026-11-01", 1)
    kept.copy_days(day)
    pin = target / day / "pinned"
    pin.write_text("mine")
    inode = (target / day).stat().st_ino
    kept.sync()
    assert (target / day).stat().st_ino == inode
    next((target / day).rglob("*.fsz")).unlink()
    kept.sync()
    assert list((target / day).rglob("*.fsz"))
    assert pin.read_text() == "mine"


def test_nothing_expires_while_the_newest_is_not_good(kept: Kept) -> None:
    target = kept.folder / "far"
    kept.configure(sync_target=(str(target),), sync_keep=0, sync_calendar=(1, 0, 0))
    days = names("2026-11-01", 2)
    kept.copy_days(*days[:1])
    kept.make(days[1]).write_bytes(b"rot")
    with pytest.raises(ControlError, match="not whole"):
        kept.sync()
    assert generations(target) == days[:1]
