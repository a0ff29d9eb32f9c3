"""Where in the site an object is."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING
from typing import Any

from .pickles import Ref

if TYPE_CHECKING:
    from .reader import StorageCheck

PASSES = 12


class Names:
    """Finds the path of objects; reads the file again, for those that need it."""

    def __init__(self, check: StorageCheck) -> None:
        self.check = check
        self.holders: dict[bytes, bytes] = {}

    def of(self, oids: set[bytes]) -> dict[bytes, str]:
        """Return a path like /Plone/folder/file for each that can be found."""
        waiting = set(oids)
        for _ in range(PASSES):
            waiting = {one for one in map(self.top, waiting) if one}
            waiting -= self.holders.keys()
            if not waiting:
                break
            self.look_for_holders(waiting)
        return {oid: self.path(oid) for oid in oids}

    def loaded(self, oid: bytes) -> Any:
        """Return an object's state; None where it cannot be loaded."""
        try:
            data, _ = self.check.storage.load(oid)
            _, state = self.check.reader.load(data)
        except Exception:  # noqa: BLE001 (damage is what we are called for)
            return None
        return state

    def state(self, oid: bytes) -> dict[str, Any]:
        """Return an object's attributes; none where it cannot be loaded."""
        state = self.loaded(oid)
        return state if isinstance(state, dict) else {}

    def parent(self, oid: bytes) -> bytes:
        """Return what holds an object, as far as it is known."""
        found = self.state(oid).get("__parent__")
        known = found.oid if isinstance(found, Ref) else b""
        return known or self.holders.get(oid, b"")

    def top(self, oid: bytes) -> bytes:
        """Return the outermost holder that is known; empty at the root."""
        seen = set()
        while oid not in seen:
            seen.add(oid)
            above = self.parent(oid)
            if not above:
                return b"" if oid == bytes(8) else oid
            oid = above
        return b""

    def look_for_holders(self, oids: set[bytes]) -> None:
        """Read the whole file for objects that refer to these."""
        for record in self.check.records():
            if record.data is None or self.check.index.get(record.oid) != record.pos:
                continue
            try:
                _, state = self.check.reader.load(record.data)
            except Exception:  # noqa: BLE001, S112 (noted before)
                continue
            above = state.get("__parent__") if isinstance(state, dict) else None
            for oid in oids.intersection(self.check.reader.refs):
                if not (isinstance(above, Ref) and above.oid == oid):
                    self.holders.setdefault(oid, record.oid)

    def path(self, oid: bytes) -> str:
        """Return the ids of an object and its holders."""
        ids: list[str] = []
        seen: set[bytes] = set()
        while oid and oid not in seen:
            seen.add(oid)
            if name := self.name(oid):
                ids.insert(0, name)
            oid = self.parent(oid)
        return "/" + "/".join(ids)

    def name(self, oid: bytes) -> str:
        """Return an object's id; what holds one that cannot be loaded knows it too."""
        state = self.loaded(oid)
        if state is None:
            return key(self.loaded(self.parent(oid)), oid)
        if not isinstance(state, dict):
            return ""
        found = state.get("id") or state.get("__name__")
        return found if isinstance(found, str) else ""


def key(state: Any, oid: bytes) -> str:
    """Return under which name a state holds an object: in a dictionary or a bucket."""
    if isinstance(state, dict):
        inner, pairs = list(state.values()), list(state.items())
    elif isinstance(state, (tuple, list)):
        # BTrees write keys and values in turn.
        inner, pairs = list(state), list(pairwise(state))
    else:
        return ""
    for name, value in pairs:
        if isinstance(value, Ref) and value.oid == oid and isinstance(name, str):
            return name
    return next(filter(None, (key(one, oid) for one in inner)), "")
