"""What a backup held when it was made: names, sizes, SHA-256, last transaction."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
from typing import Any

from collective.recipe.productionstack.ctl.backups import filestorage
from collective.recipe.productionstack.ctl.backups import repozo
from collective.recipe.productionstack.ctl.backups.repozo import Copy
from collective.recipe.productionstack.model.storage import Backup

FOLDER = "manifests"
FORMAT = 1


@dataclass(frozen=True)
class Manifest:
    """Sizes in bytes and SHA-256 sums by path; blobs by their path in the folder."""

    date: str
    last: int
    files: dict[str, tuple[int, str]]
    blobs: dict[str, tuple[int, str]] = field(default_factory=dict)
    inodes: dict[str, tuple[int, int]] = field(default_factory=dict)


def path(backup: Backup, date: str, root: Path | None = None) -> Path:
    """Return where the manifest of a backup lies: beside it."""
    folder = root or Path(backup.location).parent
    return folder / FOLDER / backup.name / f"{date}.json.gz"


def load(backup: Backup, date: str, root: Path | None = None) -> Manifest | None:
    """Read a manifest; None where there is none that can be read."""
    try:
        with gzip.open(path(backup, date, root), "rt", encoding="utf-8") as stream:
            values = json.load(stream)
        if values.pop("format") != FORMAT:
            return None
        return Manifest(
            **{key: _tuples(value) for key, value in values.items()},
        )
    except (OSError, EOFError, ValueError, TypeError, KeyError):
        return None


def make(copy: Copy, last: int, before: Manifest | None) -> Manifest:
    """Read a copy and sum it up; a blob that was summed up before is not read again.

    Blobs never change, and the copies of one are links to one file: size, time and
    inode tell that it is the same.
    """
    files = {one.name: (one.stat().st_size, sha256(one)) for one in copy.data}
    blobs, inodes = {}, {}
    for name, stat in filestorage.blob_files(copy.blobs) if copy.blobs else ():
        identity = (stat.st_ino, stat.st_mtime_ns)
        known = before.blobs.get(name) if before else None
        if known is None or before is None or before.inodes.get(name) != identity:
            assert copy.blobs is not None  # noqa: S101 (for the type checker)
            known = (stat.st_size, sha256(copy.blobs / name))
        blobs[name], inodes[name] = known, identity
    return Manifest(copy.date, last, files, blobs, inodes)


def save(backup: Backup, manifest: Manifest) -> None:
    """Write a manifest in one rename, and delete those of backups that are gone."""
    target = path(backup, manifest.date)
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


def troubles(
    copy: Copy, known: Manifest, step: Callable[[int, int], None] = lambda *_: None
) -> list[str]:
    """Compare a copy with its manifest, reading everything; say what is wrong."""
    found = []
    for number, one in enumerate(copy.data):
        step(number, len(copy.data) + len(known.blobs))
        expected = known.files.get(one.name)
        if expected and (trouble := _trouble(one, *expected)):
            found.append(trouble)
    for number, (name, expected) in enumerate(known.blobs.items()):
        step(len(copy.data) + number, len(copy.data) + len(known.blobs))
        if copy.blobs is not None:
            trouble = _trouble(copy.blobs / name, *expected)
            found += [trouble] if trouble else []
    return found


def sha256(one: Path) -> str:
    """Return the SHA-256 sum of a file, as hexadecimal digits."""
    with one.open("rb") as stream:
        digest = hashlib.sha256()
        while data := stream.read(repozo.CHUNK):
            digest.update(data)
    return digest.hexdigest()


def _trouble(one: Path, size: int, digest: str) -> str:
    try:
        there = one.stat().st_size
        if there != size:
            return f"{one} has {there} bytes, not {size}"
        return "" if sha256(one) == digest else f"{one} has changed since the backup"
    except FileNotFoundError:
        return f"{one} is missing"
    except OSError as error:
        return f"{one} cannot be read ({error.strerror})"


def _tuples(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: tuple(one) for key, one in value.items()}
    return value
