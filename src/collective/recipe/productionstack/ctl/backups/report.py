"""What a verification is to look at, and what it found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
from typing import Any

MOST = 20
ALL = 100.0
KINDS = {
    "damaged": "cannot be read",
    "blobs": "has lost its blob",
    "dangling": "is missing",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifySettings:
    """Which backup, how much of it in percent, and for how many seconds.

    ``root`` is a folder that holds a copy of the backup's folders; ``unproven`` takes
    the files of a backup by their names where its list is gone. ``live`` is whether
    the live data are judged too: what is to replace them need not wait for that.
    """

    date: str = ""
    sample: float = 100
    timeout: float = 12 * 3600
    root: Path | None = None
    unproven: bool = False
    live: bool = True

    @property
    def is_partial(self) -> bool:
        """Whether this is a question, not the proof of the newest backup."""
        partial = self.date or self.root or self.unproven
        return bool(partial or self.sample < ALL)


@dataclass
class Report:
    """What was found in one backup; no trouble is a good one."""

    name: str
    date: str = ""
    seconds: float = 0.0
    objects: int = 0
    loaded: int = 0
    blobs: int = 0
    bytes: int = 0
    last: int = 0
    known_objects: int = 0
    unreferenced: int = 0
    live_damage: str = ""
    live_objects: int | None = None
    troubles: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether it can be believed."""
        return not self.troubles

    def line(self) -> str:
        """Return one line about it."""
        sampled = "" if self.loaded == self.objects else f" ({self.loaded} loaded)"
        return (
            f"{self.name} {self.date}: {self.objects} objects{sampled} and "
            f"{self.blobs} blobs are all there"
        )


def add(into: list[str], texts: Sequence[str]) -> None:
    """Add what is wrong, unless the file that it begins with is named already."""
    known = "\n".join(into)
    for text in texts:
        first = text.split(" ")[0]
        if "/" not in first or first not in known:
            into.append(text)


def lines(kind: str, found: dict[str, Any]) -> list[str]:
    """Word the faults of a kind that the reader found, the first of them."""
    what = KINDS[kind]
    said = [
        f"{one['path'] or 'the file'} ({one['oid'] or '-'}) {what}: {one['text']}"
        for one in found["first"]
    ]
    more = found["number"] - len(said)
    return [*said, f"and {more} more like these"] if more else said
