"""What can happen to a backup, one small function each, and what is to be said of it.

good    it still restores to what was promised, and may not be red
bad     it may not be green
either  it has changed, but may restore; green only if it does
live    the live database has suffered; whatever is said of that, a restore succeeds

``forgotten``: what knew of the newest is gone too, so an older one may be green, if it
restores as promised.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tests.ctl.backups.kept import Kept

GOOD, BAD, EITHER, LIVE = "good", "bad", "either", "live"
FUTURE = "2099-01-01-00-00-00"
SECRET = 0o000


@dataclass(frozen=True)
class Case:
    """One kind of damage."""

    name: str
    do: Callable[[Kept], object]
    expected: str
    forgotten: bool = False


CASES: list[Case] = []
Damage = Callable[..., object]


def case(
    expected: str, *numbers: int, forgotten: bool = False
) -> Callable[[Damage], Damage]:
    """Put a function into the table, once for each number that it takes."""

    def note(damage: Damage) -> Damage:
        name = damage.__name__.strip("_")
        CASES.extend(
            [
                Case(f"{name}-{one}", partial(damage, number=one), expected, forgotten)
                for one in numbers
            ]
            or [Case(name, damage, expected, forgotten)]
        )
        return damage

    return note


NEW = (-3, -2, -1)
"""The whole file of the newest chain and its two increments."""
ENDS = (-3, -1)


# -- helpers


def own(path: Path) -> Path:
    """Make a file of its own of one that has several names."""
    data, times = path.read_bytes(), path.stat()
    path.unlink()
    path.write_bytes(data)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    return path


def rewrite(path: Path, change: Callable[[bytes], bytes]) -> None:
    """Change a file's bytes; its time stays, as when a disk does it."""
    times = path.stat()
    path.chmod(0o600)
    path.write_bytes(change(path.read_bytes()))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def flipped(data: bytes, place: int = -1) -> bytes:
    place = len(data) // 2 if place < 0 else place
    return data[:place] + bytes([data[place] ^ 0x10]) + data[place + 1 :]


def lines(kept: Kept, change: Callable[[list[str]], list[str]]) -> None:
    """Change the lines of the newest .dat."""
    found = kept.dat.read_text().splitlines(keepends=True)
    kept.dat.write_text("".join(change(found)))


def aside(path: Path) -> Path:
    """Move something out of the way."""
    return path.rename(path.with_name(f"elsewhere-{path.name}"))


def out(kept: Kept, path: Path) -> Path:
    """Move something out of the backups' folders."""
    return path.rename(kept.folder / f"elsewhere-{path.name}")


def swap(one: Path, other: Path) -> None:
    first, second = one.read_bytes(), other.read_bytes()
    one.unlink()
    other.unlink()
    one.write_bytes(second)
    other.write_bytes(first)


def edited(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the values of a manifest."""
    values = json.loads(gzip.decompress(path.read_bytes()))
    change(values)
    path.write_bytes(gzip.compress(json.dumps(values).encode()))


def forget(kept: Kept) -> None:
    """Lose everything that knows what was accepted."""
    kept.ledger.unlink()
    shutil.rmtree(kept.manifests)


def forge(kept: Kept, data: bytes) -> None:
    """Put another database in the place of the newest, as repozo would write it."""
    for one in kept.pieces[-3:]:
        one.unlink()
    date = kept.dat.name.partition(".")[0]
    whole = kept.data / f"{date}.fsz"
    whole.write_bytes(gzip.compress(data))
    total = hashlib.md5(data, usedforsecurity=False).hexdigest()
    kept.dat.write_text(f"{whole} 0 {len(data)} {total}\n")
    newest = kept.blobs / f"blobstorage.{date}"
    for one in kept.blobs.glob("blobstorage.*"):
        if one > newest:
            shutil.rmtree(one)


def blob(kept: Kept, number: int = 0) -> Path:
    return kept.blob_files[number]


# -- the pieces of the database


@case(BAD, *NEW)
def a_byte_of_a_piece_flipped(kept: Kept, number: int) -> None:
    rewrite(kept.pieces[number], flipped)


@case(BAD, *NEW)
def a_piece_cut_in_half(kept: Kept, number: int) -> None:
    rewrite(kept.pieces[number], lambda data: data[: len(data) // 2])


@case(BAD, *ENDS)
def the_last_byte_of_a_piece_lost(kept: Kept, number: int) -> None:
    rewrite(kept.pieces[number], lambda data: data[:-1])


@case(BAD, -3)
def a_piece_zeroed(kept: Kept, number: int) -> None:
    rewrite(kept.pieces[number], lambda data: bytes(len(data)))


@case(BAD, -1)
def the_end_of_a_piece_zeroed(kept: Kept, number: int) -> None:
    rewrite(kept.pieces[number], lambda data: data[:-100] + bytes(100))


@case(BAD, -1)
def something_appended_to_a_piece(kept: Kept, number: int) -> None:
    rewrite(kept.pieces[number], lambda data: data + b"something")


@case(BAD, -1)
def more_data_appended_to_a_piece(kept: Kept, number: int) -> None:
    rewrite(kept.pieces[number], lambda data: data + gzip.compress(b"more"))


@case(BAD, *NEW)
def a_piece_emptied(kept: Kept, number: int) -> None:
    rewrite(kept.pieces[number], lambda _: b"")


@case(BAD, *NEW)
def a_piece_lost(kept: Kept, number: int) -> None:
    kept.pieces[number].unlink()


@case(EITHER, -1)
def a_piece_compressed_otherwise(kept: Kept, number: int) -> None:
    rewrite(kept.pieces[number], lambda data: gzip.compress(gzip.decompress(data), 1))


@case(BAD, -1)
def a_piece_renamed(kept: Kept, number: int) -> None:
    aside(kept.pieces[number])


@case(BAD)
def an_increment_with_another_date(kept: Kept) -> None:
    kept.pieces[-1].rename(kept.data / f"{FUTURE}.deltafsz")


@case(BAD)
def two_increments_swapped(kept: Kept) -> None:
    swap(kept.pieces[-1], kept.pieces[-2])


@case(BAD)
def an_increment_and_the_whole_file_swapped(kept: Kept) -> None:
    swap(kept.pieces[-1], kept.pieces[-3])


@case(BAD)
def an_increment_copied_over_the_next(kept: Kept) -> None:
    shutil.copy2(kept.pieces[-2], kept.pieces[-1])


@case(BAD)
def the_whole_file_of_an_older_chain(kept: Kept) -> None:
    shutil.copy2(kept.pieces[0], kept.pieces[-3])


@case(EITHER, *ENDS)
def a_link_to_a_piece(kept: Kept, number: int) -> None:
    path = kept.pieces[number]
    path.symlink_to(out(kept, path))


@case(BAD, -1)
def a_link_that_leads_nowhere(kept: Kept, number: int) -> None:
    path = kept.pieces[number]
    path.unlink()
    path.symlink_to(kept.folder / "nowhere")


@case(BAD, -1)
def a_folder_in_place_of_a_piece(kept: Kept, number: int) -> None:
    path = kept.pieces[number]
    path.unlink()
    path.mkdir()


@case(BAD, -1)
def a_pipe_in_place_of_a_piece(kept: Kept, number: int) -> None:
    path = kept.pieces[number]
    path.unlink()
    os.mkfifo(path)


@case(BAD, -3)
def a_piece_that_may_not_be_read(kept: Kept, number: int) -> None:
    kept.pieces[number].chmod(SECRET)


@case(BAD)
def garbage_with_a_date_to_come(kept: Kept) -> None:
    (kept.data / f"{FUTURE}.fsz").write_bytes(b"garbage")


@case(BAD)
def an_increment_that_no_list_knows(kept: Kept) -> None:
    shutil.copy2(kept.pieces[-1], kept.data / f"{FUTURE}.deltafsz")


@case(GOOD, 0, 1)
def a_piece_of_an_older_chain_lost(kept: Kept, number: int) -> None:
    kept.pieces[number].unlink()


@case(GOOD)
def an_older_chain_flipped(kept: Kept) -> None:
    rewrite(kept.pieces[0], flipped)


# -- the list of them


@case(BAD)
def the_list_lost(kept: Kept) -> None:
    kept.dat.unlink()


@case(BAD)
def the_list_emptied(kept: Kept) -> None:
    kept.dat.write_text("")


@case(BAD)
def the_list_garbled(kept: Kept) -> None:
    kept.dat.write_bytes(os.urandom(300))


@case(EITHER)
def the_list_in_no_alphabet(kept: Kept) -> None:
    rewrite(kept.dat, lambda data: b"\xff\xfe" + data)


@case(BAD, 0, 1, 2)
def a_line_lost(kept: Kept, number: int) -> None:
    lines(kept, lambda found: found[:number] + found[number + 1 :])


@case(BAD)
def the_last_line_cut(kept: Kept) -> None:
    rewrite(kept.dat, lambda data: data[:-20])


@case(BAD, 0, 2)
def a_line_twice(kept: Kept, number: int) -> None:
    lines(kept, lambda found: [*found, found[number]])


@case(BAD)
def lines_reordered(kept: Kept) -> None:
    lines(kept, lambda found: [found[0], found[2], found[1]])


@case(BAD)
def a_foreign_line(kept: Kept) -> None:
    total = hashlib.md5(b"x", usedforsecurity=False).hexdigest()
    line = f"/elsewhere/{FUTURE}.deltafsz 0 1 {total}\n"
    lines(kept, lambda found: [*found, line])


@case(BAD)
def the_list_of_an_older_chain(kept: Kept) -> None:
    shutil.copy(min(kept.data.glob("*.dat")), kept.dat)


@case(BAD)
def another_sum_in_the_list(kept: Kept) -> None:
    lines(kept, lambda found: [*found[:-1], found[-1][:-4] + "000\n"])


@case(BAD)
def other_offsets_in_the_list(kept: Kept) -> None:
    def later(line: str) -> str:
        path, start, end, total = line.rsplit(None, 3)
        return f"{path} {int(start) + 7} {int(end) + 7} {total}\n"

    lines(kept, lambda found: [*found[:-1], later(found[-1])])


@case(BAD)
def a_folder_in_place_of_the_list(kept: Kept) -> None:
    path = kept.dat
    path.unlink()
    path.mkdir()


@case(BAD)
def a_pipe_in_place_of_the_list(kept: Kept) -> None:
    path = kept.dat
    path.unlink()
    os.mkfifo(path)


@case(BAD)
def a_list_that_may_not_be_read(kept: Kept) -> None:
    kept.dat.chmod(SECRET)


@case(GOOD)
def the_index_lost(kept: Kept) -> None:
    max(kept.data.glob("*.index")).unlink()


@case(GOOD)
def the_index_flipped(kept: Kept) -> None:
    rewrite(max(kept.data.glob("*.index")), flipped)


@case(GOOD)
def a_list_of_files_elsewhere(kept: Kept) -> None:
    text = kept.dat.read_text()
    kept.dat.write_text(text.replace(str(kept.data), "/where/it/was/before"))


@case(GOOD)
def a_list_without_its_last_line_break(kept: Kept) -> None:
    kept.dat.write_text(kept.dat.read_text().rstrip("\n"))


@case(GOOD)
def a_list_with_empty_lines(kept: Kept) -> None:
    kept.dat.write_text(kept.dat.read_text().replace("\n", "\n\n"))


@case(GOOD)
def a_list_of_nothing_besides(kept: Kept) -> None:
    (kept.data / f"{FUTURE}.dat").write_text("")


# -- the blobs


@case(BAD, 0, 1, -1)
def a_blob_lost(kept: Kept, number: int) -> None:
    blob(kept, number).unlink()


@case(BAD)
def a_blob_shorter(kept: Kept) -> None:
    rewrite(own(blob(kept)), lambda data: data[:-1])


@case(BAD)
def a_blob_longer(kept: Kept) -> None:
    rewrite(own(blob(kept)), lambda data: data + b"x")


@case(BAD)
def a_blob_emptied(kept: Kept) -> None:
    rewrite(own(blob(kept)), lambda _: b"")


@case(BAD, 0, -1)
def a_byte_of_a_blob_flipped(kept: Kept, number: int) -> None:
    rewrite(own(blob(kept, number)), flipped)


@case(BAD)
def a_blob_zeroed(kept: Kept) -> None:
    rewrite(own(blob(kept)), lambda data: bytes(len(data)))


@case(BAD)
def a_byte_of_a_blob_flipped_under_all_its_names(kept: Kept) -> None:
    rewrite(blob(kept), flipped)


@case(BAD)
def a_blob_cut_under_all_its_names(kept: Kept) -> None:
    rewrite(blob(kept), lambda data: data[:5])


@case(BAD)
def two_blobs_swapped(kept: Kept) -> None:
    swap(blob(kept, 0), blob(kept, -1))


@case(BAD)
def a_blob_with_the_bytes_of_another(kept: Kept) -> None:
    rewrite(own(blob(kept)), lambda _: blob(kept, -1).read_bytes())


@case(BAD)
def a_blob_renamed(kept: Kept) -> None:
    aside(blob(kept))


@case(BAD)
def a_blob_of_another_transaction(kept: Kept) -> None:
    one = blob(kept)
    one.rename(one.with_name("0x0400000000000000.blob"))


@case(BAD)
def a_blob_in_the_folder_of_another(kept: Kept) -> None:
    one = blob(kept)
    one.rename(blob(kept, -1).parent / one.name)


@case(EITHER)
def a_link_to_a_blob(kept: Kept) -> None:
    one = blob(kept)
    one.symlink_to(out(kept, one))


@case(BAD)
def a_folder_in_place_of_a_blob(kept: Kept) -> None:
    one = blob(kept)
    one.unlink()
    one.mkdir()


@case(BAD)
def a_pipe_in_place_of_a_blob(kept: Kept) -> None:
    one = blob(kept)
    one.unlink()
    os.mkfifo(one)


@case(BAD)
def a_blob_that_may_not_be_read(kept: Kept) -> None:
    own(blob(kept)).chmod(SECRET)


@case(BAD)
def a_folder_of_blobs_that_may_not_be_read(kept: Kept) -> None:
    blob(kept).parent.chmod(SECRET)


@case(GOOD)
def a_blob_under_one_more_name(kept: Kept) -> None:
    one = blob(kept)
    os.link(one, one.with_name("0x0400000000000000.blob"))


@case(GOOD)
def a_blob_of_no_object(kept: Kept) -> None:
    place = blob(kept).parent.with_name("0x7f")
    place.mkdir()
    (place / blob(kept).name).write_bytes(b"of nobody")


@case(BAD)
def all_blobs_lost(kept: Kept) -> None:
    for one in kept.blob_files:
        one.unlink()


@case(BAD)
def the_folder_of_blobs_lost(kept: Kept) -> None:
    shutil.rmtree(kept.newest_blobs)


@case(BAD)
def the_folder_of_blobs_emptied(kept: Kept) -> None:
    shutil.rmtree(kept.newest_blobs)
    kept.newest_blobs.mkdir()


@case(BAD)
def the_folder_of_the_day_lost(kept: Kept) -> None:
    shutil.rmtree(kept.newest_blobs.parent)


@case(EITHER)
def the_folder_of_the_day_renamed(kept: Kept) -> None:
    aside(kept.newest_blobs.parent)


@case(EITHER)
def the_folder_of_the_day_with_a_later_date(kept: Kept) -> None:
    folder = kept.newest_blobs.parent
    folder.rename(folder.with_name(f"blobstorage.{FUTURE}"))


@case(EITHER)
def a_link_to_the_folder_of_blobs(kept: Kept) -> None:
    folder = kept.newest_blobs
    folder.symlink_to(out(kept, folder))


@case(BAD)
def a_link_to_a_folder_within_the_blobs(kept: Kept) -> None:
    inner = kept.newest_blobs / "0x00"
    inner.symlink_to(out(kept, inner))


@case(BAD)
def a_link_to_a_folder_within_the_blobs_and_nobody_knows(kept: Kept) -> None:
    a_link_to_a_folder_within_the_blobs(kept)
    forget(kept)


@case(BAD)
def a_link_to_the_folder_of_one_blob(kept: Kept) -> None:
    inner = blob(kept).parent
    inner.symlink_to(out(kept, inner))


@case(BAD)
def a_link_to_the_layout(kept: Kept) -> None:
    layout = kept.newest_blobs / ".layout"
    layout.symlink_to(out(kept, layout))


@case(BAD)
def the_blobs_of_the_day_before(kept: Kept) -> None:
    older = kept.blobs / f"blobstorage.{kept.dates[-2]}" / "blobstorage"
    shutil.rmtree(kept.newest_blobs)
    shutil.copytree(older, kept.newest_blobs, symlinks=True)


@case(BAD)
def the_layout_lost(kept: Kept) -> None:
    (kept.newest_blobs / ".layout").unlink()


@case(BAD)
def another_layout(kept: Kept) -> None:
    own(kept.newest_blobs / ".layout").write_text("lawn")


@case(BAD)
def a_layout_that_does_not_exist(kept: Kept) -> None:
    own(kept.newest_blobs / ".layout").write_text("garden")


@case(BAD)
def an_empty_layout(kept: Kept) -> None:
    own(kept.newest_blobs / ".layout").write_text("")


@case(GOOD)
def the_blobs_of_an_older_day_lost(kept: Kept) -> None:
    shutil.rmtree(kept.blobs / f"blobstorage.{kept.dates[-2]}")


@case(GOOD)
def an_empty_folder_of_blobs_to_come(kept: Kept) -> None:
    (kept.blobs / f"blobstorage.{FUTURE}" / "blobstorage").mkdir(parents=True)


@case(GOOD)
def the_link_to_the_latest_lost(kept: Kept) -> None:
    (kept.blobs / "latest").unlink(missing_ok=True)


@case(GOOD)
def the_folder_for_what_is_on_its_way_lost(kept: Kept) -> None:
    shutil.rmtree(kept.newest_blobs / "tmp")


# -- the manifest


@case(BAD)
def the_manifest_lost(kept: Kept) -> None:
    kept.manifest.unlink()


@case(BAD)
def the_manifest_emptied(kept: Kept) -> None:
    kept.manifest.write_bytes(b"")


@case(BAD)
def a_byte_of_the_manifest_flipped(kept: Kept) -> None:
    rewrite(kept.manifest, flipped)


@case(BAD)
def the_manifest_cut(kept: Kept) -> None:
    rewrite(kept.manifest, lambda data: data[:-9])


@case(BAD)
def an_older_manifest(kept: Kept) -> None:
    shutil.copy2(min(kept.manifests.iterdir()), kept.manifest)


@case(BAD)
def a_manifest_that_is_not_compressed(kept: Kept) -> None:
    rewrite(kept.manifest, gzip.decompress)


@case(BAD)
def a_manifest_of_garbage(kept: Kept) -> None:
    kept.manifest.write_bytes(gzip.compress(b"{garbage"))


@case(BAD)
def a_manifest_in_no_alphabet(kept: Kept) -> None:
    kept.manifest.write_bytes(gzip.compress(b'{"\xff": 1}'))


@case(BAD)
def a_manifest_that_is_a_list(kept: Kept) -> None:
    kept.manifest.write_bytes(gzip.compress(b"[1]"))


@case(BAD)
def a_manifest_of_another_version(kept: Kept) -> None:
    edited(kept.manifest, lambda values: values.update(format=99))


@case(BAD)
def a_manifest_of_another_date(kept: Kept) -> None:
    edited(kept.manifest, lambda values: values.update(date=kept.dates[0]))


@case(BAD)
def a_manifest_that_knows_nothing(kept: Kept) -> None:
    edited(kept.manifest, lambda values: values.update(files={}, blobs={}, inodes={}))


@case(BAD)
def a_manifest_with_odd_values(kept: Kept) -> None:
    edited(kept.manifest, lambda values: values.update(files=7, blobs=None, last="x"))


@case(BAD)
def odd_values_in_a_manifest_that_nobody_knows(kept: Kept) -> None:
    edited(kept.manifest, lambda values: values.update(files=7, blobs=None, last="x"))
    kept.ledger.unlink()


@case(BAD)
def a_blob_lost_and_its_line_in_the_manifest(kept: Kept) -> None:
    name = blob(kept).relative_to(kept.newest_blobs).as_posix()
    edited(kept.manifest, lambda values: values["blobs"].pop(name))
    blob(kept).unlink()


@case(BAD)
def a_folder_in_place_of_the_manifest(kept: Kept) -> None:
    path = kept.manifest
    path.unlink()
    path.mkdir()


@case(BAD)
def a_manifest_that_may_not_be_read(kept: Kept) -> None:
    kept.manifest.chmod(SECRET)


@case(BAD)
def all_manifests_lost(kept: Kept) -> None:
    shutil.rmtree(kept.manifests)


@case(GOOD)
def older_manifests_lost(kept: Kept) -> None:
    for one in sorted(kept.manifests.iterdir())[:-1]:
        one.unlink()


@case(GOOD)
def what_a_killed_run_left_of_a_manifest(kept: Kept) -> None:
    (kept.manifests / ".new-abc").write_bytes(b"half")


# -- what was accepted


@case(GOOD)
def the_ledger_lost(kept: Kept) -> None:
    kept.ledger.unlink()


@case(GOOD)
def the_ledger_emptied(kept: Kept) -> None:
    kept.ledger.write_text("{}")


@case(GOOD)
def a_ledger_of_garbage(kept: Kept) -> None:
    kept.ledger.write_bytes(os.urandom(50))


@case(GOOD)
def a_ledger_of_another_version(kept: Kept) -> None:
    kept.ledger.write_text(json.dumps({"backup": {kept.dates[-1]: {"new": 1}}}))


@case(GOOD)
def a_ledger_of_odd_entries(kept: Kept) -> None:
    kept.ledger.write_text(json.dumps({"backup": {kept.dates[-1]: 7}}))


@case(GOOD)
def a_ledger_of_odd_values(kept: Kept) -> None:
    values = json.loads(kept.ledger.read_text())
    values["backup"][kept.dates[-1]].update(files=None, last="x", blobs=None)
    kept.ledger.write_text(json.dumps(values))


@case(GOOD)
def the_ledger_and_all_manifests_lost(kept: Kept) -> None:
    forget(kept)


# -- several at once


@case(BAD, 1, 2)
def the_newest_increments_gone_with_all_about_them(kept: Kept, number: int) -> None:
    for date, piece in list(zip(kept.dates, kept.pieces, strict=True))[-number:]:
        piece.unlink()
        (kept.manifests / f"{date}.json.gz").unlink()
        shutil.rmtree(kept.blobs / f"blobstorage.{date}")
    lines(kept, lambda found: found[:-number])


@case(EITHER, forgotten=True)
def the_newest_increment_gone_and_nobody_knows(kept: Kept) -> None:
    the_newest_increments_gone_with_all_about_them(kept, number=1)
    kept.ledger.unlink()


@case(BAD)
def the_newest_chain_gone(kept: Kept) -> None:
    date = kept.dat.name.partition(".")[0]
    for one in [*kept.data.iterdir(), *kept.manifests.iterdir()]:
        if one.name >= date:
            one.unlink()


@case(EITHER, forgotten=True)
def the_newest_chain_gone_and_nobody_knows(kept: Kept) -> None:
    the_newest_chain_gone(kept)
    kept.ledger.unlink()


@case(BAD)
def all_data_gone(kept: Kept) -> None:
    shutil.rmtree(kept.data)


@case(BAD)
def the_folder_of_data_emptied(kept: Kept) -> None:
    all_data_gone(kept)
    kept.data.mkdir()


@case(BAD)
def the_folder_of_data_renamed(kept: Kept) -> None:
    aside(kept.data)


@case(BAD)
def the_folder_of_data_that_may_not_be_read(kept: Kept) -> None:
    kept.data.chmod(SECRET)


@case(BAD)
def all_copies_of_blobs_gone(kept: Kept) -> None:
    shutil.rmtree(kept.blobs)


@case(BAD)
def everything_gone(kept: Kept) -> None:
    for one in (kept.data, kept.blobs, kept.manifests):
        shutil.rmtree(one)


@case(BAD)
def everything_gone_and_nobody_knows(kept: Kept) -> None:
    everything_gone(kept)
    kept.ledger.unlink()


@case(BAD)
def a_flipped_byte_and_nobody_knows(kept: Kept) -> None:
    rewrite(kept.pieces[-1], flipped)
    forget(kept)


@case(BAD, 1)
def a_line_lost_and_nobody_knows(kept: Kept, number: int) -> None:
    a_line_lost(kept, number)
    forget(kept)


@case(EITHER, 2, forgotten=True)
def the_last_line_lost_and_nobody_knows(kept: Kept, number: int) -> None:
    a_line_lost(kept, number)
    forget(kept)


@case(BAD, 0, 1, -1)
def a_blob_lost_and_nobody_knows(kept: Kept, number: int) -> None:
    blob(kept, number).unlink()
    forget(kept)


@case(BAD)
def a_blob_cut_and_nobody_knows(kept: Kept) -> None:
    rewrite(own(blob(kept)), lambda data: data[:-5])
    forget(kept)


@case(BAD)
def a_byte_of_a_blob_flipped_and_nobody_knows(kept: Kept) -> None:
    rewrite(own(blob(kept)), flipped)
    forget(kept)


@case(BAD)
def a_link_to_a_blob_and_nobody_knows(kept: Kept) -> None:
    a_link_to_a_blob(kept)
    forget(kept)


@case(BAD)
def the_backup_of_another_site(kept: Kept) -> None:
    for name in ("backups", "blobstoragebackups", "manifests"):
        shutil.rmtree(kept.var / name)
        shutil.copytree(kept.folder / "foreign" / name, kept.var / name, symlinks=True)


@case(BAD)
def the_backup_of_another_site_and_nobody_knows(kept: Kept) -> None:
    the_backup_of_another_site(kept)
    kept.ledger.unlink()


@case(BAD)
def the_backup_of_another_site_with_its_ledger(kept: Kept) -> None:
    the_backup_of_another_site(kept)
    shutil.copy(kept.folder / "foreign/backups.json", kept.ledger)


@case(BAD)
def the_manifests_of_another_site(kept: Kept) -> None:
    foreign = kept.folder / "foreign/manifests/backup"
    shutil.copy(max(foreign.iterdir()), kept.manifest)


@case(BAD)
def the_backup_of_an_empty_database(kept: Kept) -> None:
    forge(kept, b"FS30")
    forget(kept)


@case(BAD)
def the_backup_of_no_database(kept: Kept) -> None:
    forge(kept, b"")
    forget(kept)


@case(BAD)
def the_backup_of_garbage(kept: Kept) -> None:
    forge(kept, b"FS30" + bytes(4000))
    forget(kept)


@case(BAD)
def the_backup_of_half_a_database(kept: Kept) -> None:
    data = kept.data_file.read_bytes()
    forge(kept, data[: len(data) // 2])
    forget(kept)


# -- harmless


@case(GOOD)
def nothing(kept: Kept) -> None:
    del kept


@case(GOOD)
def other_times(kept: Kept) -> None:
    for one in (kept.data, kept.blobs, kept.manifests):
        for path in one.rglob("*"):
            os.utime(path, (10**9, 10**9), follow_symlinks=False)


@case(GOOD)
def copied_and_put_back(kept: Kept) -> None:
    for one in (kept.data, kept.blobs, kept.manifests):
        there = out(kept, one)
        shutil.copytree(there, one, symlinks=True)


@case(GOOD)
def files_of_somebody_else(kept: Kept) -> None:
    for one in (kept.data, kept.blobs, kept.manifests, kept.newest_blobs):
        (one / "README.txt").write_text("look, but do not touch")
        (one / ".nfs0001").write_text("")


@case(GOOD)
def other_permissions(kept: Kept) -> None:
    for one in (kept.data, kept.blobs, kept.manifests):
        for path in one.rglob("*"):
            if path.is_file() and not path.is_symlink():
                path.chmod(0o400)


@case(GOOD)
def stamps_lost(kept: Kept) -> None:
    shutil.rmtree(kept.var / "stack/jobs")


@case(GOOD)
def folders_on_another_disk(kept: Kept) -> None:
    for one in (kept.data, kept.blobs, kept.manifests):
        one.symlink_to(out(kept, one))


@case(GOOD)
def more_names_elsewhere(kept: Kept) -> None:
    for one in (kept.data, kept.blobs):
        shutil.copytree(one, kept.folder / one.name, copy_function=os.link)


# -- the live database


@case(LIVE)
def the_live_database_lost(kept: Kept) -> None:
    kept.data_file.unlink()


@case(LIVE)
def the_live_blobs_lost(kept: Kept) -> None:
    shutil.rmtree(kept.live_blobs)


@case(LIVE)
def the_live_database_cut(kept: Kept) -> None:
    os.truncate(kept.data_file, kept.data_file.stat().st_size // 2)


@case(LIVE)
def the_live_database_zeroed(kept: Kept) -> None:
    rewrite(kept.data_file, lambda data: bytes(len(data)))


@case(LIVE)
def a_byte_of_the_live_database_flipped(kept: Kept) -> None:
    rewrite(kept.data_file, flipped)


@case(LIVE)
def the_end_of_the_live_database_flipped(kept: Kept) -> None:
    rewrite(kept.data_file, lambda data: flipped(data, len(data) - 3))


@case(LIVE)
def a_live_blob_flipped(kept: Kept) -> None:
    rewrite(own(next(kept.live_blobs.rglob("*.blob"))), flipped)


@case(LIVE)
def a_live_blob_lost(kept: Kept) -> None:
    next(kept.live_blobs.rglob("*.blob")).unlink()


@case(LIVE)
def the_live_database_of_another_site(kept: Kept) -> None:
    shutil.copy(kept.folder / "foreign/Data.fs", kept.data_file)
