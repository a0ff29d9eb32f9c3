"""What differs between two trees, secrets masked."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection
from collections.abc import Iterator
from pathlib import Path

from collective.recipe.productionstack.tree import trees

SECRET = re.compile(
    r"(?i)\b([\w-]*(?:password|passwd|secret|token|dsn|webhook)[\w-]*\"?)(\s*[=: ]\s*)"
    r"\S.*"
)


def differences(
    old: Path | None, new: Path | None, hidden: Collection[str] = ()
) -> Iterator[str]:
    """Yield the unified diff of two trees line by line, secrets masked.

    Files that are ``hidden`` are left out.
    """
    before, after = _texts(old), _texts(new)
    for path in sorted(_different(before, after) - {*hidden}):
        yield from _shown(path, before.get(path), after.get(path))


def changed(old: Path | None, new: Path | None) -> set[str]:
    """Return the paths of the files that differ between two trees."""
    return _different(_texts(old), _texts(new))


def _different(before: dict[str, str], after: dict[str, str]) -> set[str]:
    paths = before.keys() | after.keys()
    return {path for path in paths if before.get(path) != after.get(path)}


def _shown(path: str, before: str | None, after: str | None) -> Iterator[str]:
    """Yield one file's differences; a secret that differs is said, not shown."""
    old = "/dev/null" if before is None else f"applied/{path}"
    new = "/dev/null" if after is None else f"generated/{path}"
    lines = difflib.unified_diff(
        _masked(before), _masked(after), fromfile=old, tofile=new, lineterm=""
    )
    hidden = (f"--- {old}", f"+++ {new}", "@@ only a masked value differs @@")
    yield from list(lines) or hidden


def _masked(text: str | None) -> list[str]:
    return [SECRET.sub(r"\1\2…", line) for line in (text or "").splitlines()]


def _texts(folder: Path | None) -> dict[str, str]:
    if folder is None:
        return {}
    return {
        path.relative_to(folder).as_posix(): path.read_text("utf-8", errors="replace")
        for path in trees.files_in(folder)
    }
