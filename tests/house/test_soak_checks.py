"""The checks of the soak can fail: each is fed what may never happen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.support import soak_checks as checks
from tests.support.soak import marks_in
from tests.support.soak_checks import Disturbances
from tests.support.soak_checks import Freshness
from tests.support.soak_checks import People
from tests.support.soak_checks import Promises


def test_a_lost_commit_is_named() -> None:
    promises = Promises()
    promises.save("one", "a")
    promises.save("two", "b")
    there = {("one", "a")}
    lost = promises.lost(lambda *one: one in there, "there")
    assert lost == ["lost: two b is not there"]


def holding(there: str) -> Callable[[str, str], bool]:
    return lambda _, wanted: wanted == there


def test_an_edit_without_an_answer_may_be_saved_or_not() -> None:
    promises = Promises()
    promises.save("one", "a")
    promises.doubt("one", "b")
    for value, lost in (("a", 0), ("b", 0), ("c", 1)):
        assert len(promises.lost(holding(value), "there")) == lost
    promises.save("one", "c")
    assert len(promises.lost(holding("b"), "there")) == 1
    promises.doubt("never saved", "d")
    assert len(promises.lost(lambda *_: False, "there")) == 1


def test_a_page_of_somebody_else_is_named() -> None:
    people = People(("ada-1", "bea-2"))
    assert people.wrong("/", "Hello ada-1", "ada-1") == []
    assert people.wrong("/", "Hello") == []
    assert people.wrong("/x", "Hello ada-1") == [
        "foreign: /x showed a visitor a page of ada-1"
    ]
    assert len(people.wrong("/", "Hello bea-2 and ada-1", "ada-1")) == 1
    assert people.wrong("/", "Hello", "ada-1") == [
        "foreign: / showed ada-1 a page of nobody"
    ]


def test_a_cut_answer_is_named() -> None:
    assert checks.cut("/", b"<html></html>\n") == []
    assert len(checks.cut("/", b"<html><p>half")) == 1
    assert len(checks.cut("/", b"")) == 1
    whole = checks.content_of("one")
    assert checks.cut("/one", whole, "one") == []
    assert len(checks.cut("/one", whole[:-1], "one")) == 1
    assert len(checks.cut("/one", checks.content_of("two"), "one")) == 1
    assert len(whole) > 10_000


def test_a_stale_page_is_named() -> None:
    fresh = Freshness(bound=100)
    for number, when in ((1, 0), (2, 10), (3, 500)):
        fresh.edited("page", number, when)
    fresh.seen("Edition 1 of page", 109)
    fresh.seen("Edition 2 of page", 599)
    fresh.seen("Edition 7 of another", 599)
    assert fresh.wrong(lambda _: False) == []
    assert (fresh.looked, fresh.behind) == (3, 2)
    fresh.seen("Edition 1 of page", 111)
    fresh.seen("<h1>Edition 2 of page</h1>", 601)
    assert len(fresh.wrong(lambda _: False)) == 2
    # While nobody can be asked the last good page is shown.
    disturbances = Disturbances(failed=[120])
    assert len(fresh.wrong(disturbances.is_sick)) == 1


def test_an_error_is_excused_by_what_was_killed_shortly_before() -> None:
    disturbances = Disturbances(killed=[(100, "varnish")])
    assert disturbances.near(130, 60)
    assert not disturbances.near(170, 60)
    assert not disturbances.near(80, 60)


def test_how_long_nobody_was_served_is_told() -> None:
    disturbances = Disturbances(killed=[(10, "zeo")], served=[1, 9, 41, 42])
    (told,) = disturbances.outages()
    assert told == "Plone answered nobody for 32 s; killed before that: zeo"


def test_what_a_restored_backup_holds_is_found(tmp_path: Path) -> None:
    (tmp_path / "filestorage").mkdir()
    one, two = checks.mark("one"), checks.mark("two")
    text = f"\0\0{one}\0 Edition 12 of page-eddaq\0".encode()
    (tmp_path / "filestorage/Data.fs").write_bytes(text)
    (tmp_path / "0x01.blob").write_bytes(two.encode())
    assert marks_in(tmp_path) == {one, two, "Edition 12 of page-edda"}
