"""What may never happen, whatever is killed: each check notes what broke it."""

from __future__ import annotations

import hashlib
import re
import threading
from bisect import bisect_right
from collections.abc import Callable
from collections.abc import Iterable
from dataclasses import dataclass
from dataclasses import field
from itertools import pairwise

MARK = re.compile(rb"soak-[0-9a-f]{16}")
EDITION = re.compile(r"Edition (\d+) of ([a-z0-9-]+)")


def mark(text: str) -> str:
    """Return a word that stands nowhere else."""
    return f"soak-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


@dataclass
class Promises:
    """What editors were told is saved: the mark that each object has now.

    An edit that got no answer may be saved or not: both are right then.
    """

    saved: dict[str, str] = field(default_factory=dict)
    perhaps: dict[str, set[str]] = field(default_factory=dict)

    def save(self, name: str, value: str) -> None:
        """Note a success."""
        self.saved[name] = value
        self.perhaps.pop(name, None)

    def doubt(self, name: str, value: str) -> None:
        """Note an edit that failed, or whose answer was lost."""
        self.perhaps.setdefault(name, set()).add(value)

    def lost(self, holds: Callable[[str, str], bool], where: str) -> list[str]:
        """Return what is not there; ``holds`` is asked for a name and a mark."""
        return [
            f"lost: {name} {value} is not {where}"
            for name, value in self.saved.items()
            if not any(holds(name, one) for one in (value, *self.perhaps.get(name, ())))
        ]


@dataclass(frozen=True)
class People:
    """The marks of those who are logged in."""

    marks: tuple[str, ...]

    def wrong(self, path: str, body: str, own: str = "") -> list[str]:
        """Return whose page somebody was shown; ``own`` is empty for a visitor."""
        found = [
            f"foreign: {path} showed {own or 'a visitor'} a page of {one}"
            for one in self.marks
            if one != own and one in body
        ]
        if own and own not in body:
            found.append(f"foreign: {path} showed {own} a page of nobody")
        return found


def content_of(name: str) -> bytes:
    """Return what a file of that name holds: some 20 to 100 kB."""
    one = mark(name).encode()
    return (one + b" of " + name.encode() + b"\n") * (500 + one[-1] * 13 % 2000)


def cut(path: str, body: bytes, name: str = "") -> list[str]:
    """Say whether an answer that came with status 200 is not whole.

    That of a file is known by its ``name``; a page ends with its last tag.
    """
    if name:
        wanted = content_of(name)
        if body != wanted:
            return [f"cut: {path} has {len(body)} bytes, not these {len(wanted)}"]
    elif not body.rstrip().endswith(b"</html>"):
        return [f"cut: {path} ends after {len(body)} bytes with {body[-20:]!r}"]
    return []


@dataclass
class Freshness:
    """When numbered editions of pages were saved, and which ones visitors saw.

    ``bound`` is how old, in seconds, a shown edition may be once there is a newer one.
    """

    bound: float
    edits: dict[str, list[tuple[float, int]]] = field(default_factory=dict)
    late: list[tuple[float, str]] = field(default_factory=list)
    looked: int = 0
    behind: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def edited(self, name: str, number: int, when: float) -> None:
        """Note that an edition was saved."""
        with self.lock:
            self.edits.setdefault(name, []).append((when, number))

    def seen(self, body: str, begun: float) -> None:
        """Note what was shown to somebody who began to ask then."""
        for number, name in set(EDITION.findall(body)):
            with self.lock:
                edits = self.edits.get(name, [])
                self.looked += 1
                self.behind += self.newest(edits, begun) > int(number)
                due = self.newest(edits, begun - self.bound)
                if due > int(number):
                    text = f"stale: {name} {number}, {due} is older than the bound"
                    self.late.append((begun, text))

    @staticmethod
    def newest(edits: list[tuple[float, int]], when: float) -> int:
        """Return the newest edition that was saved until then; 0 is none."""
        place = bisect_right(edits, (when, 10**9))
        return edits[place - 1][1] if place else 0

    def wrong(self, excused: Callable[[float], bool]) -> list[str]:
        """Return what was shown too late, while nothing excused it."""
        return [text for begun, text in self.late if not excused(begun)]


@dataclass
class Disturbances:
    """When what was killed, on the monotonic clock, and what did not answer then."""

    killed: list[tuple[float, str]] = field(default_factory=list)
    failed: list[float] = field(default_factory=list)
    served: list[float] = field(default_factory=list)

    def outages(self, least: float = 10.0) -> list[str]:
        """Say how long Plone answered nobody, and what was killed last before that."""
        found = []
        for begun, ended in pairwise(sorted(self.served)):
            if ended - begun >= least:
                before = [name for when, name in self.killed if when < ended]
                last = before[-1] if before else "nothing"
                text = f"Plone answered nobody for {ended - begun:.0f} s"
                found.append(f"{text}; killed before that: {last}")
        return found

    def near(self, begun: float, seconds: float) -> bool:
        """Whether something was killed up to so many seconds before."""
        return any(begun - seconds <= when <= begun + 10 for when, _ in self.killed)

    def is_sick(self, begun: float) -> bool:
        """Whether Plone did not answer then: the cache may show what it has."""
        return any(abs(begun - when) < 15 for when in self.failed)


def first(texts: Iterable[str], most: int = 10) -> str:
    """Return the first lines of many."""
    found = list(texts)
    more = [f"and {len(found) - most} more"] if len(found) > most else []
    return "\n".join([*found[:most], *more])
