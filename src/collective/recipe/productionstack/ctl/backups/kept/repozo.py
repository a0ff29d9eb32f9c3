"""What a backup consists of: repozo's files and one folder of blobs for each day.

The names are those of ZODB's repozo.py (6.x) and collective.recipe.backup (6.0):
``2026-11-24-04-05-06.fsz`` is whole, ``.deltafsz`` follows it, and the ``.dat`` of the
whole one lists all of them with offsets in Data.fs and MD5 sums. Times are UTC.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import stat
import zlib
from collections.abc import Callable
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from collective.recipe.productionstack.model.storage import Backup

WHOLE = (".fs", ".fsz")
PIECE = re.compile(r"(\d{4}(?:-\d\d){5})\.(fs|fsz|deltafs|deltafsz)")
LIST = re.compile(r"(\d{4}(?:-\d\d){5})\.dat")
FOLDER = re.compile(r"[^.]+\.(\d{4}(?:-\d\d){5})")
DATED = re.compile(
    r"(?:[^.]+\.)?(\d{4}(?:-\d\d){5})(?:\.(?:fsz?|deltafsz?|dat|index))?"
)
DATE = "%Y-%m-%d-%H-%M-%S"

CHUNK = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Piece:
    """One of repozo's files; ``start`` and ``end`` are offsets in Data.fs.

    An ``unproven`` one is taken by its name: nothing says what it has to hold.
    """

    path: Path
    start: int
    end: int
    md5: str
    unproven: bool = False

    @property
    def date(self) -> str:
        """When it was made, as its name says."""
        return self.path.name.partition(".")[0]

    def trouble(self, write: Callable[[bytes], object] = len) -> str:
        """Read all of it, hand it over; say what is wrong, empty when nothing is."""
        if self.end < 0 and not self.unproven:
            return self._unlisted()
        try:
            size, digest = self._read(write)
        except FileNotFoundError:
            return f"{self.path} is missing"
        except (OSError, EOFError, zlib.error) as error:
            return f"{self.path} is damaged ({getattr(error, 'strerror', '') or error})"
        return "" if self.unproven else self._difference(size, digest)

    def _difference(self, size: int, md5: str) -> str:
        if size != self.end - self.start:
            return f"{self.path} holds {size} bytes, not {self.end - self.start}"
        return (
            "" if md5 == self.md5 else f"{self.path} has changed since it was written"
        )

    def _unlisted(self) -> str:
        if self.path.name.endswith(WHOLE):
            return f"{self.path.with_suffix('.dat')} does not list {self.path.name}"
        return f"the whole file that {self.path} follows is missing"

    def _read(self, write: Callable[[bytes], object]) -> tuple[int, str]:
        """Read all of it, hand it over; return size and sum."""
        if not stat.S_ISREG(self.path.stat().st_mode):
            raise OSError(0, "it is no file")  # a pipe would be waited for
        digest, size = hashlib.md5(usedforsecurity=False), 0
        opener = gzip.open if self.path.name.endswith("z") else open
        with opener(self.path, "rb") as stream:
            while data := stream.read(CHUNK):
                digest.update(data)
                size += len(data)
                write(data)
        return size, digest.hexdigest()


@dataclass(frozen=True, slots=True)
class Copy:
    """One backup: a whole file, what follows it, and the blobs of that time."""

    pieces: tuple[Piece, ...]
    blobs: Path | None

    @property
    def date(self) -> str:
        """When the last of it was made (UTC), as its name says."""
        return self.pieces[-1].date

    @property
    def is_unproven(self) -> bool:
        """Whether its list is gone, and its files are taken by their names."""
        return self.pieces[0].unproven

    @property
    def size(self) -> int:
        """Bytes of the Data.fs that it becomes; negative where nothing says so."""
        return self.pieces[-1].end

    @property
    def data(self) -> list[Path]:
        """Every file that makes the Data.fs, those that may be absent too."""
        return [one.path for one in self.pieces]

    @property
    def gaps(self) -> list[str]:
        """Say which pieces do not go on from where the one before ends."""
        if self.is_unproven:
            return []  # what would say it is gone
        ends = [0, *(one.end for one in self.pieces)]
        return [
            f"{one.path} is listed from byte {one.start}, not {end}"
            for one, end in zip(self.pieces, ends, strict=False)
            if one.start != end
        ]

    @property
    def files(self) -> list[Path]:
        """Those, and the list of them, which grows with each increment."""
        head = self.pieces[0].path.with_suffix(".dat")
        return [*self.data, head]


def find(
    backup: Backup, date: str = "", root: Path | None = None, *, unproven: bool = False
) -> Copy | None:
    """Return the newest copy, or the newest that is not younger than a date.

    ``root`` holds the two folders of a copy elsewhere, under their own names. Where
    the list of its files is gone, an ``unproven`` one has all that follow by name.
    """
    location = _moved(backup.location, root)
    found = _pieces(location, date, unproven=unproven)
    if not found:
        return None
    blobs = _blobs(backup, found[-1].date, root) if backup.blob_dir else None
    return Copy(tuple(found), blobs)


def dates(backup: Backup, root: Path | None = None) -> list[str]:
    """Return the dates of all copies, oldest first."""
    location = _moved(backup.location, root)
    return sorted({one[1] for one in map(PIECE.fullmatch, _names(location)) if one})


def unlisted(backup: Backup, root: Path | None = None) -> list[str]:
    """Name the files of the newest chain that its .dat does not list."""
    copy = find(backup, root=root)
    if copy is None:
        return []
    listed = {one.path.name for one in copy.pieces}
    location = _moved(backup.location, root)
    return [
        f"{copy.files[-1]} does not list {name}"
        for name in _names(location)
        if PIECE.fullmatch(name)
        and name >= copy.pieces[0].path.name
        and name not in listed
    ]


def misread(copy: Copy) -> list[str]:
    """Say whether repozo could not go on with the list of a chain."""
    try:
        text = copy.files[-1].read_text("utf-8") if copy.files[-1].is_file() else ""
    except (OSError, ValueError):
        text = ""
    words = {len(line.split()) for line in text.splitlines()}
    good = words == {4} and text.endswith("\n")
    return [] if good else [f"{copy.files[-1]} is not as repozo writes it"]


def dated(folder: Path) -> list[tuple[str, str]]:
    """Return date and name of each piece, list, index or blob folder there."""
    found = map(DATED.fullmatch, _names(folder))
    return [(one[1], one[0]) for one in found if one]


def _moved(path: str, root: Path | None) -> Path:
    return root / Path(path).name if root else Path(path)


def _names(folder: Path) -> list[str]:
    try:
        return sorted(one.name for one in folder.iterdir())
    except OSError:
        return []


def _pieces(location: Path, date: str, *, unproven: bool) -> list[Piece]:
    """Return what the last .dat lists, present or not, else what its name says."""
    names = [one for one in _names(location) if not date or one[: len(date)] <= date]
    pieces = [one for one in names if PIECE.fullmatch(one)]
    heads = [one for one in pieces if one.endswith(WHOLE)]
    # A list whose whole file is gone tells of it; an empty one tells nothing.
    lists = (one for one in names if LIST.fullmatch(one))
    heads += [one for one in lists if any(_listed(location, one.partition(".")[0]))]
    if not pieces or not heads:
        return [Piece(location / one, 0, -1, "") for one in pieces[:1]]
    head = max(heads).partition(".")[0]
    found = [one for one in _listed(location, head) if not date or one.date <= date]
    later = [one for one in pieces if one >= head]
    if unproven and not found and later[:1] and later[0].endswith(WHOLE):
        return [Piece(location / one, 0, -1, "", unproven=True) for one in later]
    return found or [Piece(location / one, 0, -1, "") for one in (later or pieces)[:1]]


def _listed(location: Path, head: str) -> Iterator[Piece]:
    """Yield what the .dat of a chain lists."""
    for line in _lines(location / f"{head}.dat"):
        words = line.rsplit(None, 3)
        if len(words) == 4 and words[1].isdigit() and words[2].isdigit():  # noqa: PLR2004
            path = location / os.path.basename(words[0])  # noqa: PTH119
            yield Piece(path, int(words[1]), int(words[2]), words[3])


def _lines(path: Path) -> list[str]:
    """Return the lines of a file; none where it is no file, or cannot be read."""
    try:
        text = path.read_text("utf-8", "replace") if path.is_file() else ""
    except OSError:
        return []
    return text.splitlines()


def _blobs(backup: Backup, date: str, root: Path | None) -> Path | None:
    """Return the blobs that were copied after a filestorage: the first not older."""
    folder = _moved(backup.blob_location, root)
    found = {one[1]: one[0] for one in map(FOLDER.fullmatch, _names(folder)) if one}
    later = [one for one in sorted(found) if one >= date]
    if not later:
        return None
    return folder / found[later[0]] / Path(backup.blob_dir).name
