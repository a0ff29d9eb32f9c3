"""What a FileStorage and its blobs tell without being opened."""

from __future__ import annotations

import mmap
import os
import re
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from collective.recipe.productionstack.machine import waiting

BLOB = re.compile(r"(?:.*/)?0x([0-9a-f]+)\.blob")

NAMES = ("0x", ".layout")
"""What ZODB looks for in a folder of blobs begins so."""

CHUNK = 1024 * 1024
MAGIC = 4
HEADER = 23
"""Bytes of the file's and of a transaction's header in a FileStorage (format.py of
ZODB)."""

TRANSACTION = struct.Struct(">QQcHHH")
"""Its id, its length, its status, and the lengths of user, description, extension."""

RECORD = struct.Struct(">8sQQQHQ")
"""Object, transaction, where its earlier state is (0: there is none), where its
transaction begins, an unused length, and the length of its state."""


@dataclass(frozen=True, slots=True)
class Tally:
    """What a stretch of a FileStorage holds.

    ``objects`` are those that begin in it, ``last`` is its last transaction, 0 where it
    has none.
    """

    transactions: int = 0
    objects: int = 0
    last: int = 0


def blob_files(folder: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Yield the path within the folder of every blob, in order of the folders."""
    waiting = [""]
    while waiting:
        inner = waiting.pop()
        try:
            entries = sorted(os.scandir(folder / inner), key=lambda one: one.name)
        except FileNotFoundError:
            continue
        for entry in entries:
            path = f"{inner}/{entry.name}" if inner else entry.name
            if entry.is_dir(follow_symlinks=False):
                waiting += [] if path == "tmp" else [path]
            elif BLOB.fullmatch(path):
                yield path, entry.stat(follow_symlinks=False)


def links(folder: Path) -> Iterator[str]:
    """Yield each symbolic link in the place of a blob, or of folders of blobs.

    What it leads to is in no copy of the folder: a link is copied as a link.
    """
    waiting = [""]
    while waiting:
        inner = waiting.pop()
        # What cannot be read is told by who reads it.
        with suppress(OSError), os.scandir(folder / inner) as entries:
            for entry in entries:
                path = f"{inner}/{entry.name}" if inner else entry.name
                if not entry.name.startswith(NAMES):
                    continue
                if entry.is_symlink():
                    yield path
                elif entry.is_dir():
                    waiting.append(path)


def blob_tid(path: str) -> int:
    """Return the transaction that wrote a blob, as its name says."""
    found = BLOB.fullmatch(path)
    return int(found[1], 16) if found else 0


def blob_state(path: str) -> tuple[int, int]:
    """Return the object and the transaction of a blob, as its folders and name say.

    Both of ZODB's layouts end so: ``0x00/…/0x1f/0x03aa.blob`` and ``0x1f/0x03aa.blob``.
    """
    digits = "".join(one.removeprefix("0x") for one in path.split("/")[:-1])
    return int(digits or "0", 16), blob_tid(path)


def held(data_file: Path, wanted: set[tuple[int, int]]) -> set[tuple[int, int]]:
    """Return those states, by object and transaction, that a Data.fs holds.

    Raises OSError, or ValueError where it is damaged.
    """
    found: set[tuple[int, int]] = set()
    size = complete_size(data_file)
    with data_file.open("rb") as stream:
        if size > MAGIC:
            with mmap.mmap(stream.fileno(), size, access=mmap.ACCESS_READ) as data:
                for _, records in _transactions(data, data_file, MAGIC, size):
                    states = {
                        (int.from_bytes(oid, "big"), of) for oid, of, _ in records
                    }
                    found |= states & wanted
    return found


def complete_size(data_file: Path) -> int:
    """Return where the last transaction that is committed ends in a live Data.fs.

    One that is being written now has ``c`` for its status, or no end yet.

    Raises ValueError for a file that is no FileStorage.
    """
    for _ in waiting.tries(10):
        end = data_file.stat().st_size
        with data_file.open("rb") as stream:
            if end <= MAGIC:
                return end
            stream.seek(end - 8)
            begin = end - 8 - int.from_bytes(stream.read(8), "big")
            if MAGIC <= begin <= end - HEADER:
                stream.seek(begin + 8)
                again = int.from_bytes(stream.read(8), "big")
                if again == end - 8 - begin:
                    return begin if stream.read(1) == b"c" else end
    raise ValueError(f"{data_file} ends in the middle of a transaction")


def last_tid(data_file: Path, end: int = 0) -> int:
    """Return the last transaction before an offset of a Data.fs (its end if 0).

    A transaction is followed by its own length (ZODB, FileStorage/format.py). Raises
    OSError, or ValueError where no transaction ends.
    """
    with data_file.open("rb") as stream:
        end = end or stream.seek(0, os.SEEK_END)
        if end <= MAGIC:
            return 0
        stream.seek(end - 8)
        length = int.from_bytes(stream.read(8), "big")
        begin = end - 8 - length
        if length < HEADER or begin < MAGIC:
            raise ValueError(f"no transaction ends at {end} of {data_file}")
        stream.seek(begin)
        tid, again = stream.read(8), int.from_bytes(stream.read(8), "big")
        if again != length:
            raise ValueError(f"no transaction ends at {end} of {data_file}")
        return int.from_bytes(tid, "big")


def tally(data_file: Path, start: int = MAGIC, end: int = 0) -> Tally:
    """Walk over the headers of a Data.fs from an offset to another (its end if 0).

    Raises ValueError that says where a transaction is not what its headers say.
    """
    with data_file.open("rb") as stream:
        end = end or stream.seek(0, os.SEEK_END)
        if end <= start:
            return Tally()
        with mmap.mmap(stream.fileno(), end, access=mmap.ACCESS_READ) as data:
            found = Tally()
            for tid, records in _transactions(data, data_file, start, end):
                # A set: ZEO stores the record of a blob twice.
                begun = {oid for oid, _, before in records if not before}
                number = found.transactions + 1
                found = Tally(number, found.objects + len(begun), tid)
            return found


def _transactions(
    data: mmap.mmap, data_file: Path, start: int, end: int
) -> Iterator[tuple[int, list[tuple[bytes, int, int]]]]:
    """Yield each transaction and its records: object, transaction, earlier state."""
    position = start
    with suppress(struct.error):
        while position < end:
            tid, length, _, *texts = TRANSACTION.unpack_from(data, position)
            stop = position + length
            again = int.from_bytes(data[stop : stop + 8], "big")
            if length < HEADER or again != length:
                break
            at, records = position + HEADER + sum(texts), []
            while at < stop:
                oid, of, before, _, _, size = RECORD.unpack_from(data, at)
                records.append((oid, of, before))
                at += RECORD.size + (size or 8)  # without a state: where that is
            if at != stop:
                break
            yield tid, records
            position = stop + 8
    if position != end:
        raise ValueError(f"{data_file} is damaged at byte {position}")


def first_difference(one: Path, other: Path, size: int) -> int | None:
    """Return the first byte in which two files differ, None where none does."""
    with one.open("rb") as left, other.open("rb") as right:
        for begin in range(0, size, CHUNK):
            wanted = min(CHUNK, size - begin)
            a, b = left.read(wanted), right.read(wanted)
            if a != b:
                same = (i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y)
                return begin + next(same, min(len(a), len(b)))
    return None
