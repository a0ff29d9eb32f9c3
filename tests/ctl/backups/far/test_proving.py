"""What lies far away is what was sent: summed up there, nothing of it pulled."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from collective.recipe.productionstack.ctl.backups.far import proving
from collective.recipe.productionstack.ctl.backups.far.proving import Share
from collective.recipe.productionstack.ctl.jobs import outcomes
from collective.recipe.productionstack.ctl.jobs.outcomes import Stamp
from tests.support.kept import Kept

DAYS = ("2026-11-22-04-05-06", "2026-11-23-04-05-06", "2026-11-24-04-05-06")


@pytest.fixture
def target(kept: Kept) -> Path:
    """Give the place of three generations, their blobs being links to each other."""
    folder = kept.folder / "far"
    kept.configure(sync_target=(str(folder),))
    kept.copy_days(*DAYS)
    return folder


def flip(path: Path) -> None:
    """Change a byte; size and time stay. Links to it change too."""
    before = path.stat()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x55
    path.chmod(0o600)
    path.write_bytes(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_what_was_sent_is_there_over_ssh(kept: Kept, far: dict[str, str]) -> None:
    kept.configure(sync_target=(far["target"],), sync_key=far["key"])
    kept.make(DAYS[0])
    assert kept.over_ssh(far, "sync-backup").ok
    said = kept.over_ssh(far, "verify-backup", "--from", "far")
    assert said.ok, said.text
    assert f"1 copies at {far['target']}, 5 of 5 files" in said.output
    whole = next(Path(far["folder"], DAYS[0], "backups").glob("*.fsz"))
    flip(whole)
    said = kept.over_ssh(far, "verify-backup", "--from", "far", "--json")
    assert said.status == 1
    assert f"{DAYS[0]}/backups/{whole.name} has changed since it was sent" in said.text
    (one,) = json.loads(said.output)["copies"]
    assert (one["target"], one["ok"]) == (far["target"], False)
    stamp = outcomes.load(kept.stack, "far")
    assert stamp is not None
    assert not stamp.ok
    assert DAYS[0] in stamp.verdict


@pytest.mark.parametrize("pattern", ["*.fsz", "*.dat", "*.blob", "*.json.gz"])
def test_every_kind_of_file_is_looked_at(
    kept: Kept, target: Path, pattern: str
) -> None:
    assert kept.run("verify-backup", "--from", "far").ok
    flip(next((target / DAYS[1]).rglob(pattern)))
    said = kept.run("verify-backup", "--from", "far")
    assert said.status == 1
    assert DAYS[1] in said.errors
    # Blobs are links: all three have that one.
    assert (DAYS[0] in said.errors) == (pattern == "*.blob")


def test_what_is_missing_or_shorter_needs_no_sum(kept: Kept, target: Path) -> None:
    part = proving.Share(0, 10**9)
    gone = next((target / DAYS[1]).rglob("*.blob"))
    gone.unlink()
    short = next((target / DAYS[0]).rglob("*.fsz"))
    short.write_bytes(b"x")
    said = kept.prove(part)
    assert f"{DAYS[1]}/blobstoragebackups" in said
    assert f"{gone.name} is missing" in said
    assert f"{DAYS[0]}/backups/{short.name} has 1 bytes, not" in said
    assert DAYS[2] not in said


def test_a_generation_that_vanished_is_told(kept: Kept, target: Path) -> None:
    (target / DAYS[1]).rename(kept.folder / "moved")
    assert f"{DAYS[1]} is gone" in kept.prove(Share())


def test_four_weeks_read_all_and_a_red_one_reads_all_at_once(kept: Kept) -> None:
    week = 7 * 24 * 3600
    shares = [proving.share_of(None, one * week) for one in range(4)]
    assert shares == [Share(), Share(0, 3), Share(1, 3), Share(2, 3)]
    digests = [f"{number:08x}" for number in range(30)]
    for one in digests:
        assert [share.reads(one) for share in shares].count(True) == 2
    bad = Stamp(name="far", ok=False, ended=1.0)
    assert proving.share_of(bad, week) == Share()


def test_nothing_expires_after_a_red_verification(kept: Kept, target: Path) -> None:
    flip(next((target / DAYS[0]).rglob("*.fsz")))
    assert kept.run("verify-backup", "--from", "far").status == 1
    kept.configure(sync_keep=1)
    kept.make("2026-11-25-04-05-06")
    assert "nothing has expired" in kept.sync().text
    assert all((target / one).is_dir() for one in DAYS)
    outcomes.save(kept.stack, Stamp(name="far", ok=True, ended=time.time()))
    kept.sync()
    assert not any((target / one).is_dir() for one in DAYS)


def test_bad_copies_are_red_in_status_until_they_are_good(
    kept: Kept, target: Path
) -> None:
    """Else nobody who looks at status would ever see it."""
    flip(next((target / DAYS[0]).rglob("*.fsz")))
    assert kept.run("verify-backup", "--from", "far").status == 1
    far = {one.name: one for one in outcomes.ages(kept.stack)}["far"]
    assert not far.ok
    jobs = json.loads(kept.run("status", "--json").output)["jobs"]
    assert [one["name"] for one in jobs if not one["ok"]] == ["far"]
    assert 'job_ok{stack="stack",job="far"} 0' in kept.run("status", "--metrics").output
    # Without a place for copies nobody could ever make it good.
    kept.configure(sync_target=())
    assert "far" not in outcomes.names(kept.stack)
    assert "sync" not in outcomes.names(kept.stack)


def test_a_generation_here_is_restored_and_read(kept: Kept, target: Path) -> None:
    one = target / DAYS[0]
    said = kept.run("verify-backup", "--from", str(one))
    assert said.ok, said.text
    assert f"backup in {one}" in said.output
    said = kept.run("verify-backup", "--from", str(target))
    assert said.ok, said.text
    for day in DAYS:
        assert f"{target}/{day} {day}" in said.output
    flip(next(one.rglob("*.blob")))
    said = kept.run("verify-backup", "--from", str(target))
    assert said.status == 1
    assert f"the backup backup in {one} {DAYS[0]} is NOT good" in said.errors
    # A question leaves no verdict.
    assert outcomes.load(kept.stack, "verify") is None


def test_what_is_no_place_is_refused(kept: Kept, target: Path) -> None:
    said = kept.run("verify-backup", "--from", "/nowhere")
    assert said.status == 1
    assert "/nowhere is no folder here" in said.errors
    assert str(target) in said.errors
    said = kept.run("verify-backup", "--from", str(kept.folder / "bin"))
    assert said.status == 1
    assert "there is no backup in" in said.errors
