"""Files written whole or not at all, and whether there is room for them."""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from collective.recipe.productionstack.errors import ControlError

MEGABYTE = 1024**2


def write_atomically(path: Path, text: str, mode: int = 0o640) -> bool:
    """Replace a file's text in one rename; return whether anything changed."""
    data = text.encode()
    if (
        path.is_file()
        and path.read_bytes() == data
        and path.stat().st_mode & 0o777 == mode
    ):
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            os.fchmod(stream.fileno(), mode)
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return True


def link_atomically(link: Path, target: str) -> None:
    """Let a link lead elsewhere in one rename: it is never missing."""
    if link.is_symlink() and str(link.readlink()) == target:
        return
    fresh = link.with_name(f".{link.name}-{os.getpid()}")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target)
    fresh.replace(link)
    settle(link.parent)


def settle(path: Path) -> None:
    """See that a file or folder is on the disk before we go on."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_private(folder: Path) -> None:
    """Make a folder that may lie where others write too, and trust only our own.

    Raises ControlError where somebody has put something else there.
    """
    with suppress(FileExistsError):
        folder.mkdir(parents=True, mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        message = (
            f"{folder} must be a folder of this user, for sockets, but is not: it "
            f"belongs to {_name(found.st_uid)}. Remove it or ask its owner to. To have "
            "it elsewhere set TMPDIR to a folder of your own, move the buildout to a "
            "shorter path without blanks, or have root run loginctl enable-linger "
            f"{_name(os.getuid())}; then run bin/buildout."
        )
        raise ControlError(message)
    folder.chmod(0o700)


def secret_trouble(path: Path) -> str:
    """Say why a file cannot be used for a secret, and what to do; empty when it can."""
    try:
        found = path.stat()
    except OSError as error:
        what = "there is no such file" if not path.exists() else f"{error.strerror}"
        return f"{what}. Write the secret into it, then run: chmod 600 {path}"
    if not stat.S_ISREG(found.st_mode):
        return "it is no regular file. Name one."
    if found.st_mode & 0o077:
        return f"others may read it. Run: chmod 600 {path}"
    return ""


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def megabytes(size: int) -> str:
    """Return a number of bytes for people."""
    return f"{size / MEGABYTE:.1f} MB"


def need_rooms(wanted: Iterable[tuple[Path, int]], what: str) -> None:
    """See that each disk has room for all the bytes that go to folders of it.

    Raises ControlError where one has not.
    """
    disks: dict[int, tuple[Path, int]] = {}
    for folder, size in wanted:
        disk = folder.stat().st_dev
        first, before = disks.get(disk, (folder, 0))
        disks[disk] = (first, before + size)
    for folder, size in disks.values():
        need_room(folder, size, what)


def need_room(folder: Path, size: int, what: str) -> None:
    """See that a disk has room for so many bytes, which ``what`` may need.

    Raises ControlError where it has not.
    """
    free = shutil.disk_usage(folder).free
    if free < size:
        message = (
            f"{folder} has {megabytes(free)} free; {what} may need {megabytes(size)} "
            "there, so it was not begun. Make room."
        )
        raise ControlError(message)
