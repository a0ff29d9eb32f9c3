"""Before a backup: whether the live database still holds what it held.

A backup of a database that has lost something is green as such, and pushes out the good
ones in time. So it is not begun.
"""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Iterator
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from collective.recipe.productionstack.ctl.backups.kept import filestorage
from collective.recipe.productionstack.ctl.backups.kept import ledger
from collective.recipe.productionstack.ctl.backups.kept import manifest
from collective.recipe.productionstack.ctl.backups.kept import repozo
from collective.recipe.productionstack.ctl.backups.kept.filestorage import Tally
from collective.recipe.productionstack.ctl.backups.kept.ledger import Accepted
from collective.recipe.productionstack.ctl.backups.kept.manifest import Manifest
from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.errors import printable
from collective.recipe.productionstack.model.stack import Stack
from collective.recipe.productionstack.model.storage import Backup

MOST_GONE = 0.5
"""A pack may take away what nothing refers to; never so much of all there was."""

MOST = 5
STORAGE = re.compile(
    r"(?ims)^[ \t]*<filestorage[ \t]*([^>\s]*)[ \t]*>(?:(?!</filestorage).)*?"
    r"^[ \t]*path[ \t]+(\S+)"
)
DEFINED = re.compile(r"(?im)^[ \t]*%define[ \t]+(\w+)[ \t]+(\S.*?)[ \t]*$")
NAMED = re.compile(r"\$(?:\{(?=\w+\}))?(\w+)\}?")
SECOND = 10**9
AHEAD = 3600
"""So many seconds a clock may have been set back."""


@dataclass(frozen=True, slots=True)
class Live:
    """The live database when a backup begins: where it ends, and what it holds."""

    size: int
    tally: Tally


def look(stack: Stack, backup: Backup) -> Live:
    """Count what the live database holds, from where the last backup ended.

    Raises ControlError where its headers are damaged.
    """
    data = Path(backup.data_file)
    known = ledger.newest(stack, backup)
    try:
        size = filestorage.complete_size(data)
        if known is None or not continues(data, known, size):
            return Live(size, filestorage.tally(data, end=size))
        more = filestorage.tally(data, known.size, size)
    except ValueError as error:
        message = (
            f"the live database is damaged: {error}. Without its .index ZEO would cut "
            "it off there at the next start. Nothing was begun, so nothing older is "
            f"deleted. Copy {data} away before all else; then restore."
        )
        raise ControlError(message) from None
    objects = known.objects + more.objects
    return Live(size, Tally(more.transactions, objects, more.last or known.last))


def continues(data: Path, known: Accepted, size: int) -> bool:
    """Whether a Data.fs is the one of the last backup, and what was added since."""
    try:
        return (
            size >= known.size and filestorage.last_tid(data, known.size) == known.last
        )
    except ValueError:
        return False


def losses(stack: Stack, backup: Backup, live: Live) -> list[str]:
    """Say what is gone since the last backup, and no pack explains."""
    known = ledger.newest(stack, backup)
    if known is None:
        return []
    found = []
    if live.tally.last < known.last:
        found.append(
            f"its last transaction is of {moment(live.tally.last)}, "
            f"it was of {moment(known.last)}"
        )
    if live.tally.objects < known.objects * MOST_GONE:
        found.append(f"it has {live.tally.objects} objects, it had {known.objects}")
    if backup.blob_dir:
        found += _lost_blobs(backup, known, live)
    return found


def _lost_blobs(backup: Backup, known: Accepted, live: Live) -> Iterator[str]:
    there = dict(filestorage.blob_files(Path(backup.blob_dir)))
    if len(there) < known.blobs * MOST_GONE:
        yield f"it has {len(there)} blobs, it had {known.blobs}"
        return
    listed = manifest.load(backup, known.date)
    if listed is None:
        return
    gone = sorted(listed.blobs.keys() - there.keys())
    data = Path(backup.data_file)
    if gone and not continues(data, known, live.size):
        # A pack takes blobs away, and writes another Data.fs without their states.
        held = filestorage.held(data, {filestorage.blob_state(one) for one in gone})
        gone = [one for one in gone if filestorage.blob_state(one) in held]
    yield from _few([f"the blob {name} is gone" for name in gone])
    yield from _few(list(_changed(backup, listed, there)))


def _changed(
    backup: Backup, listed: Manifest, there: Mapping[str, os.stat_result]
) -> Iterator[str]:
    """Yield the blobs that are not what they were: nobody ever changes one."""
    for name in sorted(listed.blobs.keys() & there.keys()):
        size, digest = listed.blobs[name]
        seen, copied = there[name], listed.inodes.get(name, (0, 0))[1]
        if not stat.S_ISREG(seen.st_mode):
            yield f"the blob {name} is no file"
        elif seen.st_size != size:
            yield f"the blob {name} has {seen.st_size} bytes, it had {size}"
        # A copy has the time of what it is a copy of.
        elif (
            seen.st_mtime_ns // SECOND != copied // SECOND
            and manifest.sha256(Path(backup.blob_dir, name)) != digest
        ):
            yield f"the blob {name} has changed"


def _few(texts: list[str]) -> list[str]:
    more = len(texts) - MOST
    return texts[:MOST] + ([f"and {more} more like this"] if more > 0 else [])


def refuse(stack: Stack, backup: Backup, found: list[str]) -> None:
    """Refuse to back up what has lost something.

    Raises ControlError where it has.
    """
    if not found:
        return
    known = ledger.newest(stack, backup)
    lines = "".join(f"\n    {printable(text)}" for text in found)
    date = known.date if known else ""
    message = (
        f"the live database has lost data since the backup {date}:{lines}\n"
        "No backup was begun, so nothing older is deleted, here or at the far end. If "
        f"that was meant: bin/{stack.name} backup --accept-shrink. Else look at "
        f"{backup.data_file} and its disk, and restore."
    )
    raise ControlError(message)


def refuse_odd(backup: Backup) -> None:
    """Refuse sources that collective.recipe.backup does not copy as they are.

    Raises ControlError that names the option.
    """
    place = Path(backup.blob_dir)
    if backup.blob_dir and place.is_symlink():
        message = (
            f"[{backup.name}] {place} is a symbolic link, and the link would be "
            "copied, not what it leads to. Write: "
            f"blob_storage = {place.resolve()}, and run bin/buildout."
        )
        raise ControlError(message)
    for name in filestorage.links(place) if backup.blob_dir else ():
        message = (
            f"{place / name} is a symbolic link, and the link would be copied, not "
            f"what it leads to ({(place / name).resolve()}). Put that in its place, or "
            "mount its disk there. Nothing was begun."
        )
        raise ControlError(message)


def refuse_ahead(backup: Backup) -> None:
    """Refuse while something there is dated later than it can be.

    What is newest is told by such dates, by repozo too. Raises ControlError.
    """
    now = time.time()
    limit = time.strftime(repozo.DATE, time.gmtime(now + AHEAD))
    for place in filter(None, (backup.location, backup.blob_location)):
        ahead = [one for one in repozo.dated(Path(place)) if one[0] > limit]
        if ahead:
            date, name = max(ahead)
            message = (
                f"{Path(place, name)} is dated {date}, and now it is "
                f"{time.strftime(repozo.DATE, time.gmtime(now))} (UTC): a clock is "
                "wrong, or was. Nothing was begun. See that the clock is right; if it "
                "is, move what lies ahead out of that folder: it may still be good."
            )
            raise ControlError(message)


def left_out(stack: Stack) -> list[str]:
    """Say what of the site no backup part backs up, though it was meant so."""
    parts = stack.data.backups
    copied = {one.blob_dir for one in parts if one.blobs}
    names = ", ".join(f"[{one.name}]" for one in parts if not one.blobs)
    return [
        f"the site's files and images ({one.blob_dir}) are in no backup: {names} "
        "backup_blobs = false. Remove that option, unless something else copies them"
        for one in stack.data.storages
        if parts and names and one.blob_dir and one.blob_dir not in copied
    ]


def refuse_unknown(stack: Stack) -> None:
    """Refuse while the ZEO server serves a storage that no part backs up.

    Raises ControlError that says which part is missing.
    """
    known = {os.path.realpath(one.data_file) for one in stack.data.backups}
    for name, path in _storages(stack):
        if os.path.realpath(path) not in known:
            message = (
                f"the ZEO server serves the storage {name} too ({path}), and no part "
                f"backs it up. Add a part with recipe = collective.recipe.backup and "
                f"datafs = {path}, and run bin/buildout."
            )
            raise ControlError(message)


def _storages(stack: Stack) -> Iterator[tuple[str, str]]:
    """Yield name and path of every FileStorage in the ZEO server's configuration."""
    for one in (two.files[0] for two in stack.data.storages if two.files):
        with suppress(OSError):
            text = Path(one).read_text(encoding="utf-8", errors="replace")
            known = {name.lower(): value for name, value in DEFINED.findall(text)}
            for found in STORAGE.finditer(text):
                yield found[1] or "1", _substituted(found[2], known)


def _substituted(text: str, known: Mapping[str, str]) -> str:
    """Put in what ``%define`` says, as ZConfig does: names are in any letters."""
    for _ in known:  # one may stand in another
        text = NAMED.sub(lambda one: known.get(one[1].lower(), one[0]), text)
    return text


def moment(tid: int) -> str:
    """Return when a transaction was, for people (UTC).

    ZODB's TimeStamp: minutes since 1900, counted with 31 days a month, then 2**-32 of a
    minute.
    """
    if not tid:
        return "no time: there is none"
    minutes, rest = divmod(tid, 2**32)
    days, minute = divmod(minutes, 24 * 60)
    months, day = divmod(days, 31)
    year, month = divmod(months, 12)
    seconds = int(rest * 60 / 2**32)
    values = (1900 + year, month + 1, day + 1, minute // 60, minute % 60, seconds)
    return time.strftime("%Y-%m-%d %H:%M:%S", (*values, 0, 1, 0))
