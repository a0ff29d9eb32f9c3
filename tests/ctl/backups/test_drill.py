"""No backup is green that does not restore as promised, and no good one is red."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from collective.recipe.productionstack.ctl import main
from collective.recipe.productionstack.ctl.backups.kept import holding
from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.ctl.jobs import task
from collective.recipe.productionstack.machine.run import run
from collective.recipe.productionstack.model.stack import Stack
from tests.ctl.backups import damage
from tests.ctl.backups import kept as keeping
from tests.ctl.backups.damage import BAD
from tests.ctl.backups.damage import CASES
from tests.ctl.backups.damage import GOOD
from tests.ctl.backups.damage import LIVE
from tests.ctl.backups.damage import Case
from tests.ctl.backups.kept import Content
from tests.ctl.backups.kept import Kept
from tests.support.buildouts import MINIMAL
from tests.support.buildouts import Buildouts
from tests.support.buildouts import a_site

DATE = re.compile(r"\d{4}(?:-\d\d){5}")
ROTTEN = {
    "a_byte_of_a_blob_flipped-0",
    "a_byte_of_a_blob_flipped_under_all_its_names",
}
"""What only who reads all of it can see: verify-backup does, before it is restored."""

SOME = [
    one
    for one in CASES
    if one.name
    in ROTTEN
    | {
        *("nothing", "other_times", "folders_on_another_disk", "stamps_lost"),
        *("a_byte_of_a_piece_flipped--3", "a_piece_lost--2", "a_line_lost-2"),
        *("the_list_lost", "the_list_garbled", "lines_reordered", "a_foreign_line"),
        *("a_folder_in_place_of_a_piece--1", "garbage_with_a_date_to_come"),
        *("a_blob_lost-0", "a_blob_shorter", "a_link_to_a_blob", "the_layout_lost"),
        *("another_layout", "another_sum_in_the_list", "the_last_line_cut"),
        *("a_list_without_its_last_line_break", "a_list_of_files_elsewhere"),
        *("the_list_in_no_alphabet", "a_byte_of_a_blob_flipped_and_nobody_knows"),
        *("the_folder_of_the_day_lost", "all_copies_of_blobs_gone"),
        *("the_manifest_lost", "a_manifest_with_odd_values", "a_ledger_of_odd_values"),
        *("the_ledger_lost", "the_ledger_and_all_manifests_lost", "everything_gone"),
        *("the_newest_chain_gone", "the_backup_of_another_site"),
        *("the_newest_increments_gone_with_all_about_them-1", "a_live_blob_lost"),
        *("the_live_database_lost"),
    }
]
HALF = pytest.mark.parametrize(
    "case",
    [
        pytest.param(one, id=one.name, marks=[pytest.mark.slow] if turn % 2 else [])
        for turn, one in enumerate(SOME)
    ],
)
"""Those of ``SOME``; every other one is slow."""

AT_ONCE = [
    one
    for one in CASES
    if one.name
    in {
        *("everything_gone", "a_line_lost-2", "a_byte_of_the_manifest_flipped"),
        *("an_older_manifest", "a_manifest_that_knows_nothing", "a_link_to_a_piece--1"),
        *("the_folder_of_the_day_lost", "a_link_to_the_folder_of_blobs"),
        *("the_newest_increments_gone_with_all_about_them-1", "nothing"),
    }
]
"""What ``status`` sees without reading anything."""

OLDER = [
    one
    for one in CASES
    if one.name == "nothing" or "_older_chain_" in one.name or "_older_day_" in one.name
]


@dataclass(frozen=True)
class Said:
    """What a verb said."""

    status: int
    text: str


@dataclass(frozen=True)
class Drill:
    """A good backup to damage, a copy of it, and what it promises."""

    kept: Kept
    promised: Mapping[str, Content]
    before: frozenset[str]

    def reset(self) -> None:
        """Put everything back."""
        folder = self.kept.folder
        gone = [one for one in folder.iterdir() if one.name not in self.before]
        words = ("rm", "-rf", "--", str(self.kept.var), *map(str, gone))
        if not run(words).ok:
            run(("chmod", "-R", "u+rwX", str(folder)))
            assert run(words).ok
        run(("cp", "-a", str(folder / "saved"), str(self.kept.var)))

    def run(self, *words: str) -> Said:
        """Run a verb of bin/stack in this process: it would take twice as long."""
        shown = io.StringIO()
        mask = os.umask(0o022)
        try:
            with contextlib.redirect_stdout(shown), contextlib.redirect_stderr(shown):
                main.main(str(self.kept.folder), "stack", words)
        except SystemExit as end:
            return Said(int(end.code or 0), shown.getvalue())
        finally:
            os.umask(mask)

    def restore(self, *words: str) -> tuple[Said, Content]:
        """Restore into a new folder; return what was said, and what is there now."""
        target = self.kept.folder / "restored"
        said = self.run("restore", "--to", str(target), "--yes", *words)
        if said.status:
            assert not target.exists()
            return said, {}
        data, blobs = target / "filestorage/Data.fs", target / "blobstorage"
        return said, keeping.content(data, blobs)


@pytest.fixture(scope="module")
def drilled(buildouts: Buildouts) -> Iterator[Drill]:
    """Give a whole backup with increments, of a database that goes on."""
    with a_site(buildouts) as site:
        site.built(f"{MINIMAL}sync-target = {site.folder}/far\n")
        kept = keeping.of(site)
        keeping.begin(kept, "Elsewhere")
        keeping.work(kept, "elsewhere")
        keeping.back_up(kept)
        foreign = kept.folder / "foreign"
        foreign.mkdir()
        for name in ("backups", "blobstoragebackups", "manifests"):
            (kept.var / name).rename(foreign / name)
        kept.ledger.rename(foreign / "backups.json")
        kept.data_file.rename(foreign / "Data.fs")
        keeping.begin(kept)
        promised = keeping.history(kept)
        before = frozenset(one.name for one in kept.folder.iterdir()) | {"saved"}
        run(("cp", "-a", str(kept.var), str(kept.folder / "saved")))
        yield Drill(kept, promised, before)


@pytest.fixture
def drill(drilled: Drill, monkeypatch: pytest.MonkeyPatch) -> Drill:
    """Give a good backup."""
    monkeypatch.setattr(os, "nice", lambda _: 0)
    for name, value in drilled.kept.environment.items():
        monkeypatch.setenv(name, value)
    drilled.reset()
    return drilled


def holds(found: Content, promised: Content) -> bool:
    """Whether what was promised is there; blobs of no object may be there too."""
    return found.items() >= promised.items()


def is_clear(said: Said) -> bool:
    """Whether it was said in words for people."""
    ours = r"Traceback|(Type|Key|Index|Attribute|Value|Assertion|Decode)Error"
    return not re.search(ours, said.text)


@pytest.mark.parametrize("case", CASES, ids=lambda one: one.name)
def test_what_is_green_restores_and_what_is_red_does_not(
    drill: Drill, case: Case
) -> None:
    case.do(drill.kept)
    verified = drill.run("verify-backup")
    assert verified.status in {0, 1}
    assert is_clear(verified), verified.text
    if verified.status and case.expected == BAD and case not in SOME:
        return  # a restore verifies in the same way
    restored, found = drill.restore()
    assert is_clear(restored), restored.text
    if restored.status == 0:
        date = DATE.findall(restored.text)[0]
        assert case.forgotten or date == max(drill.promised)
        assert holds(found, drill.promised[date])
    if case.expected == LIVE:
        assert restored.status == 0, restored.text
        return
    assert verified.status == restored.status, verified.text + restored.text
    if case.expected == GOOD:
        assert verified.status == 0, verified.text
        jobs = json.loads(drill.run("status", "--json").text)["jobs"]
        assert [one["name"] for one in jobs if not one["ok"]] == []
    if case.expected == BAD:
        assert verified.status == 1, verified.text


def test_all_of_these_are_cases() -> None:
    assert (len(AT_ONCE), len(SOME), len(OLDER)) == (10, 38, 5)


@pytest.mark.parametrize("case", AT_ONCE, ids=lambda one: one.name)
def test_what_is_no_longer_there_is_red_at_once(drill: Drill, case: Case) -> None:
    case.do(drill.kept)
    shown = json.loads(drill.run("status", "--json").text)
    assert bool(shown.get("backups")) == (case.name != "nothing")


@HALF
def test_the_next_backup_is_good_or_red(drill: Drill, case: Case) -> None:
    case.do(drill.kept)
    keeping.wait_for_a_second()
    said = drill.run("backup")
    assert is_clear(said), said.text
    restored, found = drill.restore()
    if said.status == 0 and case.name not in ROTTEN:
        assert restored.status == 0, said.text + restored.text
    if said.status == 0 == restored.status:
        assert holds(found, keeping.live(drill.kept))


@HALF
def test_a_copy_of_it_is_good_or_refused(drill: Drill, case: Case) -> None:
    case.do(drill.kept)
    said = drill.run("sync-backup")
    assert is_clear(said), said.text
    sent = sorted(one for one in drill.kept.far.glob("[0-9]*") if one.is_dir())
    if said.status:
        assert sent == []
        return
    (generation,) = sent
    restored, found = drill.restore("--from", str(generation))
    assert is_clear(restored), restored.text
    if restored.status == 0:
        assert holds(found, drill.promised[generation.name])
    else:
        assert case.name in ROTTEN


@pytest.mark.parametrize("case", OLDER, ids=lambda one: one.name)
def test_every_day_restores_as_promised_or_not_at_all(drill: Drill, case: Case) -> None:
    case.do(drill.kept)
    restored = []
    for date in drill.promised:
        said, found = drill.restore("--date", date)
        assert is_clear(said), said.text
        if said.status == 0:
            assert holds(found, drill.promised[date])
            restored.append(date)
            shutil.rmtree(drill.kept.folder / "restored")
    # A whole file takes its increments along; blobs lie in the folder of the next day.
    lost = {
        "a_piece_of_an_older_chain_lost-0": 2,
        "a_piece_of_an_older_chain_lost-1": 1,
        "an_older_chain_flipped": 2,
    }
    assert len(restored) == len(drill.promised) - lost.get(case.name, 0)


def test_a_link_among_the_live_blobs_is_refused(drill: Drill) -> None:
    """The copy would be a link too, and green while what it leads to is there."""
    inner = drill.kept.live_blobs / "0x00"
    inner.symlink_to(damage.out(drill.kept, inner))
    said = drill.run("backup")
    assert said.status == 1
    assert f"{inner} is a symbolic link" in said.text
    assert sorted(drill.promised) == drill.kept.dates


def test_a_pack_does_not_explain_a_lost_blob(drill: Drill) -> None:
    kept = drill.kept
    keeping.pack(kept)
    keeping.wait_for_a_second()
    assert drill.run("backup").status == 0
    keeping.work(kept, "more")
    keeping.pack(kept)
    before = sorted(kept.data.iterdir())
    listed = {path.name for path in kept.blob_files}
    lost = next(one for one in kept.live_blobs.rglob("*.blob") if one.name in listed)
    lost.unlink()
    keeping.wait_for_a_second()
    said = drill.run("backup")
    assert said.status == 1
    assert f"{lost.name} is gone" in said.text
    assert sorted(kept.data.iterdir()) == before


def test_nothing_older_expires_while_the_newest_is_not_good(drill: Drill) -> None:
    """The script keeps two whole ones; two bad ones must not push out the good."""
    kept = drill.kept
    before = {one.name for one in (*kept.data.iterdir(), *kept.blobs.iterdir())}
    task.failed(_control(kept), _stack(kept), "verify", time.time(), "red", told=False)
    for _ in range(3):
        keeping.work(kept, f"more-{time.time()}")
        keeping.wait_for_a_second()
        said = drill.run("backup", "--full")
        assert said.status == 0, said.text
    after = {one.name for one in (*kept.data.iterdir(), *kept.blobs.iterdir())}
    assert before <= after
    assert not list(kept.var.rglob(holding.HELD))
    for date in drill.promised:
        restored, found = drill.restore("--date", date)
        assert restored.status == 0, restored.text
        assert holds(found, drill.promised[date])
        shutil.rmtree(kept.folder / "restored")
    # When the newest is known to be good they go, as they did before.
    assert drill.run("verify-backup").status == 0
    keeping.wait_for_a_second()
    assert drill.run("backup", "--full").status == 0
    assert min(drill.promised) not in kept.dates


def test_what_a_killed_run_had_put_aside_is_back_after_the_next(drill: Drill) -> None:
    kept = drill.kept
    before = {one.name for one in (*kept.data.iterdir(), *kept.blobs.iterdir())}
    held = holding.older(_stack(kept).data.backups[0])
    held.__enter__()  # and nobody leaves it
    assert len(kept.dates) < len(drill.promised)
    keeping.wait_for_a_second()
    assert drill.run("backup").status == 0
    assert before <= {one.name for one in (*kept.data.iterdir(), *kept.blobs.iterdir())}


def test_a_backup_that_is_dated_ahead_is_named_and_kept(drill: Drill) -> None:
    """The blobs of the next would not be copied, and nobody would know why."""
    kept = drill.kept
    ahead = kept.blobs / f"blobstorage.{damage.FUTURE}"
    shutil.copytree(kept.newest_blobs.parent, ahead, symlinks=True)
    said = drill.run("backup")
    assert said.status == 1
    assert f"{ahead} is dated {damage.FUTURE}, and now it is" in said.text
    assert ahead.is_dir()
    damage.out(kept, ahead)
    keeping.wait_for_a_second()
    assert drill.run("backup").status == 0
    assert drill.run("verify-backup").status == 0


def test_a_rotten_chain_on_another_disk_is_replaced(drill: Drill) -> None:
    kept = drill.kept
    with tempfile.TemporaryDirectory(dir="/dev/shm") as other:
        for one in (kept.data, kept.blobs):
            run(("cp", "-a", str(one), other))
            shutil.rmtree(one)
            one.symlink_to(f"{other}/{one.name}")
        damage.rewrite(kept.pieces[-3], damage.flipped)
        keeping.wait_for_a_second()
        said = drill.run("backup")
        assert said.status == 0, said.text
        assert f"the old files are in {other}/backups-rotten" in said.text
        assert drill.run("verify-backup").status == 0


def _stack(kept: Kept) -> Stack:
    return _control(kept).newest()


def _control(kept: Kept) -> Control:
    return Control(kept.folder, "stack", quiet=True)
