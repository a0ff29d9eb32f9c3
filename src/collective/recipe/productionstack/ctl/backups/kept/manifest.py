"""What a backup held when it was made: names, sizes, SHA-256, last transaction."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import stat
import tempfile
import zlib
from collections.abc import Callable
from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

from collective.recipe.productionstack.ctl.backups.kept import filestorage
from collective.recipe.productionstack.ctl.backups.kept import repozo
from collective.recipe.productionstack.ctl.backups.kept.repozo import Copy
from collective.recipe.productionstack.model.storage import Backup

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

FOLDER = "manifests"
FORMAT = 1
READERS = 2
"""So many files are read at a time."""


@dataclass(frozen=True)
class Manifest:
    """Sizes in bytes and SHA-256 sums by path; blobs by their path in the folder.

    A sum is the one that was first taken of a file: neither ever changes. ``objects``
    is 0 where an earlier version wrote it, which did not count them. ``listed`` are the
    MD5 sums that repozo's list gave then.
    """

    date: str
    last: int
    objects: int = 0
    files: dict[str, tuple[int, str]] = field(default_factory=dict)
    blobs: dict[str, tuple[int, str]] = field(default_factory=dict)
    inodes: dict[str, tuple[int, int]] = field(default_factory=dict)
    listed: dict[str, str] = field(default_factory=dict)


def path(backup: Backup, date: str, root: Path | None = None) -> Path:
    """Return where the manifest of a backup lies: beside it."""
    folder = root or Path(backup.location).parent
    return folder / FOLDER / backup.name / f"{date}.json.gz"


def load(backup: Backup, date: str, root: Path | None = None) -> Manifest | None:
    """Read a manifest; None where there is none that can be used."""
    try:
        with gzip.open(path(backup, date, root), "rt", encoding="utf-8") as stream:
            values = json.load(stream)
        if values.pop("format") != FORMAT:
            return None
        found = Manifest(**{key: _tuples(value) for key, value in values.items()})
    except (OSError, EOFError, zlib.error, ValueError, TypeError, LookupError):
        return None
    except AttributeError:  # JSON, but no object
        return None
    return found if found.date == date and _is_sound(found) else None


def _is_sound(one: Manifest) -> bool:
    """Whether the values that were read are of the kinds that they should be."""
    tables = (one.files, one.blobs, one.inodes)
    if not all(isinstance(table, dict) for table in (*tables, one.listed)):
        return False
    pairs = [pair for table in tables for pair in table.values()]
    kinds = all(isinstance(number, int) for number in (one.last, one.objects))
    return kinds and all(len(pair) == 2 for pair in pairs)  # noqa: PLR2004


def newest(backup: Backup) -> Manifest | None:
    """Return the newest that can be used: most pieces and blobs are in it already."""
    known = (load(backup, one) for one in reversed(repozo.dates(backup)))
    return next((one for one in known if one), None)


def make(
    copy: Copy, last: int, objects: int, before: Manifest | None
) -> tuple[Manifest, list[str]]:
    """Sum a copy up; return that, and what differs from what was summed up before.

    Pieces and blobs never change. A blob that has the size, time and inode of before is
    not read again: the copies of one are links to one file.
    """
    known = before or Manifest(copy.date, 0)
    files = {
        one.name: known.files.get(one.name) or _sum(one, one.stat().st_size)
        for one in copy.data
    }
    blobs, inodes, fresh = {}, {}, []
    for name, seen in filestorage.blob_files(copy.blobs) if copy.blobs else ():
        inodes[name] = (seen.st_ino, seen.st_mtime_ns)
        blobs[name] = known.blobs.get(name, (seen.st_size, ""))
        if known.inodes.get(name) != inodes[name] or not blobs[name][1]:
            fresh.append((name, seen.st_size))
    troubles = []
    for name, found in _sums(copy, fresh):
        if blobs[name][1] and blobs[name] != found:
            troubles.append(f"the blob {name} has changed since it was first copied")
        blobs[name] = found
    listed = {one.path.name: one.md5 for one in copy.pieces} | known.listed
    listed = {name: listed[name] for name in files}
    return Manifest(copy.date, last, objects, files, blobs, inodes, listed), troubles


def relisted(copy: Copy, known: Manifest) -> list[str]:
    """Say of which pieces repozo's list gives another sum than it did."""
    return [
        f"{copy.files[-1]} lists another sum of {one.path.name}"
        for one in copy.pieces
        if known.listed.get(one.path.name, one.md5) != one.md5
    ]


def _readers() -> ThreadPoolExecutor:
    """Return who reads files side by side; ``status``, which reads none, is quick."""
    from concurrent.futures import ThreadPoolExecutor

    return ThreadPoolExecutor(READERS)


def _sums(
    copy: Copy, wanted: list[tuple[str, int]]
) -> Iterator[tuple[str, tuple[int, str]]]:
    """Yield size and sum of blobs, two read at a time."""
    folder = copy.blobs or Path()
    with _readers() as readers:
        found = readers.map(lambda one: _sum(folder / one[0], one[1]), wanted)
        yield from zip((name for name, _ in wanted), found, strict=True)


def _sum(one: Path, size: int) -> tuple[int, str]:
    return size, sha256(one)


def save(backup: Backup, manifest: Manifest) -> None:
    """Write a manifest in one rename, and delete those of backups that are gone.

    One that says the same already stays as it is: copies of it are compared with it.
    """
    target = path(backup, manifest.date)
    if load(backup, manifest.date) == manifest:
        return
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=".new-")
    try:
        with os.fdopen(handle, "wb") as raw:
            with gzip.open(raw, "wt", encoding="utf-8") as stream:
                json.dump({"format": FORMAT, **vars(manifest)}, stream, sort_keys=True)
            raw.flush()
            os.fsync(raw.fileno())
        Path(name).chmod(0o640)
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    known = set(repozo.dates(backup))
    for one in target.parent.glob("*.json.gz"):
        if one.name.partition(".")[0] not in known:
            one.unlink(missing_ok=True)


@dataclass
class Compared:
    """What is wrong with a copy; ``rotten`` are the blobs of it that have changed."""

    texts: list[str] = field(default_factory=list)
    rotten: list[str] = field(default_factory=list)


def compare(
    copy: Copy,
    known: Manifest,
    live: Path | None,
    step: Callable[[int, int], None] = lambda *_: None,
) -> Compared:
    """Compare a copy with its manifest, reading everything, and the live blobs too."""
    names = {one.name for one in copy.data}
    found = Compared(
        [f"{one} is not in its manifest" for one in sorted(names - set(known.files))]
        + [f"{one} is missing" for one in sorted(set(known.files) - names)]
    )
    every = [
        (one, known.files[one.name], "") for one in copy.data if one.name in known.files
    ]
    if copy.blobs is not None:
        every += [(copy.blobs / name, one, name) for name, one in known.blobs.items()]
    if live is not None:
        # What is gone there was packed away.
        pairs = ((live / name, one) for name, one in known.blobs.items())
        every += [(path, one, "") for path, one in pairs if os.path.lexists(path)]
    with _readers() as readers:
        said = readers.map(lambda one: trouble(one[0], *one[1]), every)
        for number, ((_, _, name), text) in enumerate(zip(every, said, strict=True)):
            step(number, len(every))
            if text:
                found.texts.append(text)
                found.rotten += [name] if name else []
    return found


def sha256(one: Path) -> str:
    """Return the SHA-256 sum of a file, as hexadecimal digits."""
    with one.open("rb") as stream:
        digest = hashlib.sha256()
        while data := stream.read(repozo.CHUNK):
            digest.update(data)
    return digest.hexdigest()


def has_changed(one: Path, digest: str) -> bool:
    """Whether a file has another sum, or cannot be read."""
    try:
        return sha256(one) != digest
    except OSError:
        return True


def trouble(one: Path, size: int, digest: str) -> str:
    """Read a file; say how it differs from what was written down, empty when not."""
    try:
        there = one.lstat()
        if not stat.S_ISREG(there.st_mode):
            return f"{one} is not a file of its own"
        if there.st_size != size:
            return f"{one} has {there.st_size} bytes, not {size}"
        return "" if sha256(one) == digest else f"{one} has changed since the backup"
    except FileNotFoundError:
        return f"{one} is missing"
    except OSError as error:
        return f"{one} cannot be read ({error.strerror})"


def _tuples(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: one if isinstance(one, str) else tuple(one)
            for key, one in value.items()
        }
    return value
