"""What a FileStorage and its blobs tell without being opened."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from collective.recipe.productionstack.machine import waiting

BLOB = re.compile(r"(?:.*/)?0x([0-9a-f]+)\.blob")

HEADER = 23
"""Bytes of a transaction's header in a FileStorage (format.py of ZODB)."""


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


def blob_tid(path: str) -> int:
    """Return the transaction that wrote a blob, as its name says."""
    found = BLOB.fullmatch(path)
    return int(found[1], 16) if found else 0


def complete_size(data_file: Path) -> int:
    """Return where the last transaction that is committed ends in a live Data.fs.

    One that is being written now has ``c`` for its status, or no end yet.

    Raises ValueError for a file that is no FileStorage.
    """
    for _ in waiting.tries(10):
        end = data_file.stat().st_size
        with data_file.open("rb") as stream:
            if end <= 4:  # noqa: PLR2004
                return end
            stream.seek(end - 8)
            begin = end - 8 - int.from_bytes(stream.read(8), "big")
            if 4 <= begin <= end - HEADER:  # noqa: PLR2004
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
        if end <= 4:  # noqa: PLR2004 (the file's magic bytes)
            return 0
        stream.seek(end - 8)
        length = int.from_bytes(stream.read(8), "big")
        begin = end - 8 - length
        if length < HEADER or begin < 4:  # noqa: PLR2004
            raise ValueError(f"no transaction ends at {end} of {data_file}")
        stream.seek(begin)
        tid, again = stream.read(8), int.from_bytes(stream.read(8), "big")
        if again != length:
            raise ValueError(f"no transaction ends at {end} of {data_file}")
        return int.from_bytes(tid, "big")
