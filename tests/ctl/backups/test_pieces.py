"""The pieces of backup and restore, one by one: files of a copy, turns, renames."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from collective.recipe.productionstack.ctl.backups.exchange import Swap
from collective.recipe.productionstack.ctl.backups.kept import filestorage
from collective.recipe.productionstack.ctl.backups.kept import ledger
from collective.recipe.productionstack.ctl.backups.kept import manifest
from collective.recipe.productionstack.ctl.backups.kept import repozo
from collective.recipe.productionstack.ctl.backups.kept.ledger import Accepted
from collective.recipe.productionstack.ctl.backups.kept.manifest import Manifest
from collective.recipe.productionstack.ctl.backups.kept.repozo import Copy
from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.ctl.jobs import outcomes
from collective.recipe.productionstack.ctl.jobs import task
from collective.recipe.productionstack.ctl.jobs.outcomes import HOUR
from collective.recipe.productionstack.ctl.jobs.outcomes import Stamp
from collective.recipe.productionstack.ctl.screen import Screen
from collective.recipe.productionstack.ctl.watching import metrics
from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.machine import run
from collective.recipe.productionstack.model.announced import Announced
from collective.recipe.productionstack.model.announced import Job
from collective.recipe.productionstack.model.stack import Stack
from collective.recipe.productionstack.model.storage import Backup
from collective.recipe.productionstack.model.storage import Keeping
from tests.support import samples
from tests.support.bench import Bench

FIRST, SECOND = "2026-11-23-04-05-06", "2026-11-24-04-05-06"


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    folders = dataclasses.replace(samples.FOLDERS, var=f"{tmp_path}/var/stack")
    Path(folders.var).mkdir(parents=True)
    return dataclasses.replace(samples.STACK, folders=folders)


@pytest.fixture
def backup(tmp_path: Path) -> Backup:
    """Give a whole file and an increment, and the blobs of both days."""
    one = Backup(
        name="backup",
        script="",
        location=f"{tmp_path}/backups",
        data_file=f"{tmp_path}/Data.fs",
        blob_dir=f"{tmp_path}/blobstorage",
        blob_location=f"{tmp_path}/blobstoragebackups",
    )
    location = Path(one.location)
    location.mkdir()
    lines, start = [], 0
    for name, data in ((f"{FIRST}.fsz", b"a" * 500), (f"{SECOND}.deltafsz", b"b" * 90)):
        (location / name).write_bytes(gzip.compress(data))
        total = hashlib.md5(data, usedforsecurity=False).hexdigest()
        lines.append(f"/old place/{name} {start} {start + len(data)} {total}\n")
        start += len(data)
    (location / f"{FIRST}.dat").write_text("".join(lines))
    for date in (FIRST, SECOND):
        folder = Path(one.blob_location, f"blobstorage.{date}", "blobstorage/0x00/0x01")
        folder.mkdir(parents=True)
        (folder / "0x03aa.blob").write_text("a blob")
    return one


def test_a_copy_is_what_the_dat_lists(backup: Backup) -> None:
    copy = repozo.find(backup)
    assert copy is not None
    assert [one.path.name for one in copy.pieces] == [
        f"{FIRST}.fsz",
        f"{SECOND}.deltafsz",
    ]
    assert (copy.date, copy.size) == (SECOND, 590)
    assert [one.trouble() for one in copy.pieces] == ["", ""]
    assert copy.blobs is not None
    assert SECOND in str(copy.blobs)
    assert [name for name, _ in filestorage.blob_files(copy.blobs)] == [
        "0x00/0x01/0x03aa.blob"
    ]


def test_an_earlier_copy_ends_earlier(backup: Backup) -> None:
    copy = repozo.find(backup, FIRST)
    assert copy is not None
    assert (copy.date, copy.size, len(copy.pieces)) == (FIRST, 500, 1)
    assert FIRST in str(copy.blobs)
    assert repozo.find(backup, "2001-01-01-00-00-00") is None


def test_a_lost_increment_is_still_expected(backup: Backup) -> None:
    Path(backup.location, f"{SECOND}.deltafsz").unlink()
    copy = repozo.find(backup)
    assert copy is not None
    assert copy.pieces[-1].trouble().endswith(f"{SECOND}.deltafsz is missing")


def test_a_lost_whole_file_is_named(backup: Backup) -> None:
    whole = Path(backup.location, f"{FIRST}.fsz")
    whole.unlink()
    copy = repozo.find(backup)
    assert copy is not None
    assert [one.trouble() for one in copy.pieces] == [f"{whole} is missing", ""]
    whole.with_suffix(".dat").unlink()
    copy = repozo.find(backup)
    assert copy is not None
    (piece,) = copy.pieces
    assert piece.trouble() == f"the whole file that {piece.path} follows is missing"


def test_a_lost_whole_file_is_not_hidden_by_an_older_chain(backup: Backup) -> None:
    older = Path(backup.location, "2026-11-20-04-05-06.fsz")
    older.write_bytes(gzip.compress(b"c"))
    older.with_suffix(".dat").write_text(
        f"{older} 0 1 4a8a08f09d37b73795649038408b5f33"
    )
    Path(backup.location, f"{FIRST}.fsz").unlink()
    copy = repozo.find(backup)
    assert copy is not None
    assert copy.date == SECOND
    assert copy.pieces[0].trouble().endswith(f"{FIRST}.fsz is missing")
    old = repozo.find(backup, "2026-11-21-00-00-00")
    assert old is not None
    assert [one.trouble() for one in old.pieces] == [""]


def test_without_its_list_a_copy_is_taken_unproven_by_names(backup: Backup) -> None:
    Path(backup.location, f"{FIRST}.dat").unlink()
    strict = repozo.find(backup)
    assert strict is not None
    assert f"{FIRST}.dat does not list" in strict.pieces[0].trouble()
    copy = repozo.find(backup, unproven=True)
    assert copy is not None
    assert (copy.date, len(copy.pieces), copy.is_unproven) == (SECOND, 2, True)
    data = bytearray()
    assert [one.trouble(data.extend) for one in copy.pieces] == ["", ""]
    assert bytes(data) == b"a" * 500 + b"b" * 90
    first = repozo.find(backup, FIRST, unproven=True)
    assert first is not None
    assert (first.date, len(first.pieces)) == (FIRST, 1)
    # Damage is no less found.
    path = Path(backup.location, f"{SECOND}.deltafsz")
    path.write_bytes(path.read_bytes()[:-9])
    assert "is damaged" in copy.pieces[1].trouble()


# Bytes 4 to 9 of gzip's header are a time and a system: no content.
@pytest.mark.parametrize("place", [0, 1, 2, 3, *range(10, 30, 2)])
def test_no_flipped_byte_is_overlooked(backup: Backup, place: int) -> None:
    path = Path(backup.location, f"{FIRST}.fsz")
    data = bytearray(path.read_bytes())
    data[place % len(data)] ^= 0x55
    path.write_bytes(data)
    copy = repozo.find(backup)
    assert copy is not None
    assert copy.pieces[0].trouble()


def found(copy: Copy, known: Manifest) -> list[str]:
    return manifest.compare(copy, known, None).texts


def test_a_manifest_knows_what_was_there(backup: Backup) -> None:
    copy = repozo.find(backup)
    assert copy is not None
    made, changed = manifest.make(copy, 7, 3, None)
    assert changed == []
    manifest.save(backup, made)
    known = manifest.load(backup, SECOND)
    assert known == made
    assert known is not None
    assert found(copy, known) == []
    assert copy.blobs is not None
    blob = copy.blobs / "0x00/0x01/0x03aa.blob"
    blob.write_text("a blot")
    assert found(copy, known) == [f"{blob} has changed since the backup"]
    blob.write_text("a")
    assert found(copy, known) == [f"{blob} has 1 bytes, not 6"]
    blob.unlink()
    assert found(copy, known) == [f"{blob} is missing"]
    assert manifest.path(backup, SECOND).stat().st_mode & 0o777 == 0o640


def test_a_blob_that_is_known_is_not_read_again(
    backup: Backup, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = repozo.find(backup)
    assert copy is not None
    made, _ = manifest.make(copy, 7, 3, None)
    read: list[str] = []

    def sha256(one: Path) -> str:
        read.append(one.suffix)
        return "x"

    monkeypatch.setattr(manifest, "sha256", sha256)
    assert manifest.make(copy, 7, 3, made)[0].blobs == made.blobs
    assert ".blob" not in read


def transaction(tid: int, status: bytes = b" ", size: int = 50) -> bytes:
    """Return a transaction as FileStorage writes it."""
    length = 23 + size
    head = tid.to_bytes(8, "big") + length.to_bytes(8, "big") + status + bytes(6)
    return head + bytes(size) + length.to_bytes(8, "big")


def test_the_end_of_a_live_file_is_where_the_last_one_is_committed(
    tmp_path: Path,
) -> None:
    path = tmp_path / "Data.fs"
    whole = b"FS30" + transaction(5) + transaction(9)
    path.write_bytes(whole)
    assert filestorage.complete_size(path) == len(whole)
    assert filestorage.last_tid(path) == 9
    path.write_bytes(whole + transaction(12, b"c"))
    assert filestorage.complete_size(path) == len(whole)
    assert filestorage.last_tid(path, len(whole) - 81) == 5
    with pytest.raises(ValueError, match="no transaction ends at 60"):
        filestorage.last_tid(path, 60)


def test_one_at_a_time(stack: Stack, tmp_path: Path) -> None:
    control = Control(tmp_path, "stack", quiet=True)
    order: list[str] = []

    def work(name: str) -> None:
        with task.turn(control, stack, name, 30):
            order.append(f"{name} begins")
            time.sleep(0.3)
            order.append(f"{name} ends")

    workers = [threading.Thread(target=work, args=(name,)) for name in "abc"]
    for one in workers:
        one.start()
    for one in workers:
        one.join()
    for begins, ends in zip(order[::2], order[1::2], strict=True):
        assert begins.split()[0] == ends.split()[0]


def test_a_lock_outlives_us_while_what_we_started_works(
    stack: Stack, tmp_path: Path
) -> None:
    control = Control(tmp_path, "stack", quiet=True)
    with task.turn(control, stack, "pack") as lock:
        child = subprocess.Popen(("sleep", "30"), pass_fds=(lock,))
    try:
        with (
            pytest.raises(ControlError, match="another job still works"),
            task.turn(control, stack, "backup", 0.5),
        ):
            pass
    finally:
        child.kill()
        child.wait()
    with task.turn(control, stack, "backup", 5):
        pass


def test_work_ends_in_time_with_its_children(tmp_path: Path) -> None:
    script = "import subprocess, sys; subprocess.run(['sleep', '77'])"
    done = run.work((sys.executable, "-c", script), timeout=1, cwd=tmp_path)
    assert done.status == run.TOO_SLOW
    assert "no end in 1 s" in done.errors
    found = run.run(("pgrep", "-u", str(os.getuid()), "-f", "^sleep 77$"))
    assert found.output == ""


def test_work_tells_lines_as_they_come(tmp_path: Path) -> None:
    told: list[str] = []
    words = (
        sys.executable,
        "-c",
        "print(input()); print('two'); import os; os._exit(3)",
    )
    done = run.work(words, timeout=20, cwd=tmp_path, text="one\n", line=told.append)
    assert (done.status, done.errors) == (3, "")


@pytest.mark.parametrize("killed_at", range(5))
def test_half_of_an_exchange_is_put_back(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed_at: int
) -> None:
    data, blobs = tmp_path / "Data.fs", tmp_path / "blobs"
    data.write_text("old")
    data.with_name("Data.fs.index").write_text("old index")
    blobs.mkdir()
    (blobs / "one").write_text("old blob")

    def state() -> dict[str, str]:
        return {
            str(one.relative_to(tmp_path)): one.read_text()
            for one in tmp_path.rglob("*")
            if one.is_file()
        }

    before = state()
    swap = Swap(stack)
    fresh, fresh_blobs = swap.fresh(data), swap.fresh(blobs)
    fresh.write_text("new")
    fresh_blobs.mkdir()
    (fresh_blobs / "one").write_text("new blob")
    swap.replace(data, fresh, also=(".index", ".tmp"))
    swap.replace(blobs, fresh_blobs)
    rename, done = Path.rename, 0

    def dies(self: Path, target: Path) -> Path:
        nonlocal done
        if done == killed_at:
            raise SystemExit
        done += 1
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", dies)
    with pytest.raises(SystemExit):
        swap.commit()
    monkeypatch.setattr(Path, "rename", rename)
    Swap(stack).heal(Screen(quiet=True))
    assert state() == before

    swap = Swap(stack)
    swap.fresh(data).write_text("new")
    swap.replace(data, swap.fresh(data), also=(".index",))
    # Nothing was there, so nothing of it is kept.
    swap.fresh(tmp_path / "none/other.fs").parent.mkdir()
    swap.fresh(tmp_path / "none/other.fs").write_text("new")
    swap.replace(tmp_path / "none/other.fs", swap.fresh(tmp_path / "none/other.fs"))
    swap.commit()
    assert "none" not in swap.aside
    assert data.read_text() == "new"
    assert not data.with_name("Data.fs.index").exists()
    assert Path(swap.aside, "Data.fs").read_text() == "old"
    assert Path(swap.aside, "Data.fs.index").read_text() == "old index"


def test_what_a_killed_restore_still_copies_is_waited_for(
    stack: Stack, backup: Backup, tmp_path: Path
) -> None:
    stack = samples.changed(stack, backups=(backup,))
    fresh = Swap(stack).fresh(Path(backup.blob_dir))
    fresh.mkdir()
    control = Control(tmp_path, "stack", quiet=True)
    script = 'read go; sleep 0.5; mkdir -p "$0/0x01"; touch "$0/0x01/0x02.blob"'
    with task.turn(control, stack, "restore") as lock:
        child = subprocess.Popen(
            ("sh", "-c", script, str(fresh)), pass_fds=(lock,), stdin=subprocess.PIPE
        )
    assert child.stdin is not None
    child.stdin.write(b"go\n")
    child.stdin.close()
    Swap(stack).heal(Screen(quiet=True))
    child.wait()
    assert not fresh.exists()


def test_what_was_exchanged_is_not_guessed(stack: Stack, tmp_path: Path) -> None:
    journal = Swap(stack).journal
    journal.parent.mkdir(parents=True, exist_ok=True)
    journal.write_text("{half")
    kept = tmp_path / "Data.fs.restoring"
    kept.write_text("perhaps the only one")
    with pytest.raises(ControlError, match="by hand"):
        Swap(stack).heal(Screen(quiet=True))
    assert journal.exists()
    assert kept.exists()


def test_a_fresh_stack_is_not_red(stack: Stack) -> None:
    keeping = Keeping(age_limit=36)
    stack = samples.changed(stack, keeping=keeping)
    now = time.time()
    assert outcomes.age(stack, "backup", now).ok
    outcomes.note_up(stack)
    assert outcomes.age(stack, "backup", now + 35 * HOUR).ok
    assert not outcomes.age(stack, "backup", now + 37 * HOUR).ok
    assert outcomes.age(stack, "verify", now + 37 * HOUR).ok
    assert not outcomes.age(stack, "verify", now + (36 + 7 * 24 + 1) * HOUR).ok


def test_a_failed_run_is_red_at_once_and_the_last_good_one_known(stack: Stack) -> None:
    now = time.time()
    outcomes.save(stack, Stamp(name="backup", ok=True, ended=now - HOUR))
    assert outcomes.age(stack, "backup", now).ok
    outcomes.save(stack, Stamp(name="backup", ok=False, ended=now, verdict="disk full"))
    judged = outcomes.age(stack, "backup", now)
    assert not judged.ok
    assert judged.age is not None
    assert round(judged.age) == HOUR


def test_a_run_in_the_future_says_nothing(stack: Stack) -> None:
    """A clock that was wrong for a night would keep it green for years."""
    now = time.time()
    outcomes.save(stack, Stamp(name="backup", ok=True, ended=now + 365 * 24 * HOUR))
    assert not outcomes.age(stack, "backup", now).ok
    assert outcomes.age(stack, "backup", now).age is None
    # A clock that is set back a little is no trouble.
    outcomes.save(stack, Stamp(name="backup", ok=True, ended=now + 60))
    assert outcomes.age(stack, "backup", now).ok
    # Nor does one that was wrong when the stack was first started make it red.
    outcomes.save(stack, Stamp(name="up", ok=True, ended=now + 365 * 24 * HOUR))
    assert outcomes.age(stack, "backup", now).ok


def test_copies_are_to_be_proven_where_there_are_any(stack: Stack) -> None:
    planned = tuple(
        Job(name=one, why="", schedule="", command=()) for one in ("backup", "verify")
    )
    stack = dataclasses.replace(stack, announced=Announced(jobs=planned))
    assert outcomes.names(stack) == ["backup", "verify"]
    stack = samples.changed(stack, keeping=Keeping(sync_target=("/far",)))
    assert outcomes.names(stack) == ["backup", "sync", "verify", "far"]


def test_metrics_are_read_by_prometheus(stack: Stack) -> None:
    outcomes.save(stack, Stamp(name="backup", ok=True, ended=time.time(), size=5))
    text = metrics.text('a"b', [], [outcomes.age(stack, "backup", time.time())])
    assert 'productionstack_job_ok{stack="a\\"b",job="backup"} 1\n' in text
    assert text.endswith("\n")
    for line in text.splitlines():
        assert line.startswith(("# HELP ", "# TYPE ", "productionstack_"))


def test_metrics_tell_what_the_newest_backup_holds(
    stack: Stack, backup: Backup
) -> None:
    stack = samples.changed(stack, backups=(backup,))
    assert list(metrics.of_backups(stack)) == []
    for date, objects in ((FIRST, 3), (SECOND, 4)):
        one = Accepted(
            date=date,
            manifest="",
            size=590,
            last=9,
            objects=objects,
            blobs=1,
            blob_bytes=6,
            files={},
        )
        ledger.accept(stack, backup, one, [FIRST, SECOND])
    outcomes.save(stack, Stamp(name="verify", ok=True, ended=7.0))
    outcomes.save(stack, Stamp(name="verify", ok=False, ended=8.0))
    age = outcomes.age(stack, "verify", 9.0)
    text = metrics.text("s", [], [age], metrics.of_backups(stack))
    for metric, label, value in (
        ("backup_timestamp_seconds", 'part="backup"', 1795493106),
        ("backup_objects", 'part="backup"', 4),
        ("backup_blobs", 'part="backup"', 1),
        ("backup_data_bytes", 'part="backup"', 590),
        ("backup_blob_bytes", 'part="backup"', 6),
        ("job_last_success_timestamp_seconds", 'job="verify"', 7),
    ):
        assert f'productionstack_{metric}{{stack="s",{label}}} {value}\n' in text
        assert f"# HELP productionstack_{metric} " in text
        assert f"# TYPE productionstack_{metric} gauge\n" in text


def test_jobs_without_parts_are_refused(bench: Bench) -> None:
    for verb in ("backup", "verify-backup", "restore", "sync-backup"):
        said = bench.run(verb)
        assert said.status == 1
        assert "Traceback" not in said.text
        assert "knows no backup part" in said.errors or "sync-target" in said.errors
