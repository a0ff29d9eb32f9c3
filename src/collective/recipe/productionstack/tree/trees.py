"""The generated files as one tree: written beside the others, live by one rename.

Nothing else in the package writes configuration. ``etc/stack`` is a link into
``etc/.stack/``, so a reader sees the old tree or the new one, never a mixture.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from collective.recipe.productionstack.machine.files import link_atomically
from collective.recipe.productionstack.machine.files import settle

STAGED = ".new-"


@dataclass(frozen=True, slots=True, order=True)
class File:
    """A generated file: its path inside the tree, its text, its mode."""

    path: str
    text: str
    mode: int = 0o640


@dataclass(frozen=True)
class Tree:
    """Every file of a stack, sorted; equal input gives an equal digest."""

    files: tuple[File, ...]

    @cached_property
    def digest(self) -> str:
        """Sixteen hexadecimal digits over paths, modes and texts."""
        return _digest(
            (file.path, file.mode, file.text.encode()) for file in sorted(self.files)
        )

    def text_of(self, path: str) -> str:
        """Return one file's text; KeyError when the tree has no such file."""
        return {file.path: file.text for file in self.files}[path]

    def write(self, folder: Path, *, durable: bool = True) -> None:
        """Write all files below an existing folder; durable ones survive a crash."""
        for file in sorted(self.files):
            target = folder / file.path
            target.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
            with target.open("x", encoding="utf-8") as stream:
                os.fchmod(stream.fileno(), file.mode)
                stream.write(file.text)
                if durable:
                    stream.flush()
                    os.fsync(stream.fileno())


class Trees:
    """The kept trees of one stack: current, applied and previous."""

    def __init__(self, live: str | Path, applied: str | Path) -> None:
        """Know the links to the current and the applied tree; nothing is created."""
        self.live, self.applied_link = Path(live), Path(applied)
        self.kept = self.live.with_name(f".{self.live.name}")
        self.previous_link = self.kept / "previous"

    def current(self) -> Path | None:
        """Return the folder that ``etc/stack`` leads to, or None."""
        return _target(self.live)

    def applied(self) -> Path | None:
        """Return the folder of the tree that runs, or None."""
        return _target(self.applied_link)

    def previous(self) -> Path | None:
        """Return the folder of the tree before the current one, or None."""
        return _target(self.previous_link)

    def holds(self, tree: Tree) -> bool:
        """Whether this very tree is live, untouched by hand."""
        current = self.current()
        return current is not None and digest_of(current) == tree.digest

    def install(self, tree: Tree) -> None:
        """Make a tree the current one in one rename, keeping the previous one.

        Raises OSError (a full disk, say) with the live tree untouched.
        """
        self.kept.mkdir(parents=True, exist_ok=True, mode=0o750)
        self._sweep()
        folder = self.kept / tree.digest
        if folder.is_dir() and digest_of(folder) == tree.digest:
            self.switch_to(folder)
            return
        # Edited by hand: what is there stays as the previous tree, not believed.
        folder = _free_name(folder)
        staged = Path(tempfile.mkdtemp(prefix=STAGED, dir=self.kept))
        try:
            tree.write(staged)
            staged.chmod(0o750)
            staged.replace(folder)
        except BaseException:
            shutil.rmtree(staged, ignore_errors=True)
            raise
        settle(self.kept)
        self.switch_to(folder)

    def switch_to(self, folder: Path) -> None:
        """Make a kept tree the current one and remember the one before."""
        before = self.current()
        if before is not None and before != folder.resolve():
            link_atomically(self.previous_link, before.name)
        link_atomically(self.live, os.path.relpath(folder, self.live.parent))
        self.prune()

    def apply(self, folder: Path | None = None) -> None:
        """Let programs start from a kept tree from now on, the current one if None.

        Raises FileNotFoundError where there is none.
        """
        current = folder or self.current()
        if current is None:
            raise FileNotFoundError(self.live)
        self.applied_link.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        base = self.applied_link.parent.resolve()
        link_atomically(self.applied_link, os.path.relpath(current, base))

    def prune(self) -> None:
        """Delete the trees that are neither current, applied nor previous."""
        keep = {
            path.name
            for path in (self.current(), self.applied(), self.previous())
            if path
        }
        for folder in self.kept.iterdir():
            if folder.is_dir() and not folder.is_symlink() and folder.name not in keep:
                shutil.rmtree(folder, ignore_errors=True)

    def remove(self) -> None:
        """Delete the live link and all kept trees."""
        if self.live.is_symlink():
            self.live.unlink()
        shutil.rmtree(self.kept, ignore_errors=True)
        if self.live.parent.is_dir() and not any(self.live.parent.iterdir()):
            self.live.parent.rmdir()

    def _sweep(self) -> None:
        """Delete what a killed run left behind."""
        for stale in self.kept.glob(f"{STAGED}*"):
            shutil.rmtree(stale, ignore_errors=True)


def digest_of(folder: Path) -> str:
    """Return the digest of what really lies in a folder."""
    return _digest(
        (
            path.relative_to(folder).as_posix(),
            path.stat().st_mode & 0o777,
            path.read_bytes(),
        )
        for path in files_in(folder)
    )


def copy(source: Path, target: Path, replace: Sequence[tuple[str, str]]) -> None:
    """Copy a tree, replacing texts in every file (longest first)."""
    for path in files_in(source):
        text = path.read_text(encoding="utf-8")
        for old, new in sorted(replace, key=lambda pair: -len(pair[0])):
            text = text.replace(old, new)
        copied = target / path.relative_to(source)
        copied.parent.mkdir(parents=True, exist_ok=True)
        copied.write_text(text, encoding="utf-8")


def _digest(entries: Iterable[tuple[str, int, bytes]]) -> str:
    total = hashlib.sha256()
    for path, mode, data in entries:
        total.update(f"{path}\0{mode:o}\0{len(data)}\0".encode())
        total.update(data)
    return total.hexdigest()[:16]


def files_in(folder: Path) -> list[Path]:
    """Return every file below a folder, sorted by its path."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return sorted(found, key=lambda path: path.relative_to(folder).as_posix())


def _target(link: Path) -> Path | None:
    return link.resolve() if link.is_symlink() and link.is_dir() else None


def _free_name(path: Path) -> Path:
    """Return the path, with a number behind it where it is taken."""
    free, number = path, 0
    while free.exists():
        number += 1
        free = path.with_name(f"{path.name}-{number}")
    return free
