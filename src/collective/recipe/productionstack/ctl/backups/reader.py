"""Read a whole Data.fs with the database's own Python: ``python reader.py``.

Nothing of ours and nothing of the site is imported: classes are stood in for, so that a
backup can be read where its add-ons are not installed. What is wanted comes as JSON on
the standard input; lines of progress and one of result leave on the standard output.
"""

from __future__ import annotations

import json
import os
import random
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

RESULT = "PRODUCTIONSTACK "
PROGRESS = "PROGRESS "
MOST = 20
"""So many faults of a kind are named; the rest is counted."""

EVERY = 2000
PASSES = 12


class Stub:
    """Stands in for every class and function that a pickle names."""

    __slots__ = ("state",)
    state: Any

    def __new__(cls, *_: Any, **__: Any) -> Any:
        """Take whatever the class took."""
        return object.__new__(cls)

    def __init__(self, *_: Any, **__: Any) -> None:
        """Take whatever the class took."""

    def __setstate__(self, state: Any) -> None:
        """Keep what the class would have got."""
        self.state = state

    def __call__(self, *_: Any, **__: Any) -> Stub:
        """Stand in for what is called."""
        return self

    def _ignore(self, *_: Any) -> None:
        """Stand in for what fills lists, dictionaries and sets."""

    append = extend = add = update = __setitem__ = _ignore


class Blob(Stub):
    """Stands in for ZODB.blob.Blob."""

    __slots__ = ()


class Ref:
    """A reference to another object."""

    __slots__ = ("oid",)

    def __init__(self, oid: bytes) -> None:
        self.oid = oid


class Reader:
    """Loads states and notes what they refer to."""

    def __init__(self) -> None:
        from ZODB._compat import PersistentUnpickler

        self.unpickler = PersistentUnpickler
        self.known: dict[tuple[str, str], type[Stub]] = {("ZODB.blob", "Blob"): Blob}
        self.refs: list[bytes] = []

    def find(self, module: str, name: str) -> type[Stub]:
        """Return one stand-in for each name."""
        key = (module, name)
        if key not in self.known:
            self.known[key] = type("Stub", (Stub,), {"__slots__": ()})
        return self.known[key]

    def refer(self, ref: Any) -> Ref:
        """Note a reference; a weak one, or one to another database, may dangle."""
        if isinstance(ref, tuple):
            ref = ref[0]
        if isinstance(ref, bytes):
            self.refs.append(ref)
            return Ref(ref)
        return Ref(b"")

    def load(self, data: bytes) -> tuple[bool, Any]:
        """Load a record: whether it is a blob, and its state."""
        self.refs = []
        one = self.unpickler(self.find, self.refer, BytesIO(data))
        kind = one.load()
        state = one.load()
        while isinstance(kind, tuple) and kind:
            kind = kind[0]
        return kind is Blob, state


class StorageCheck:
    """Reads one storage and notes what is wrong with it."""

    def __init__(self, wanted: dict[str, Any]) -> None:
        from ZODB.blob import FilesystemHelper
        from ZODB.FileStorage import FileStorage

        self.storage = FileStorage(wanted["data"], read_only=True)
        self.index = self.storage._index  # noqa: SLF001 (fsdump of ZODB does so too)
        self.sample = float(wanted.get("sample") or 1)
        folder = wanted.get("blobs") or ""
        self.blobs = FilesystemHelper(folder) if folder else None
        self.reader = Reader()
        self.counts = {"objects": 0, "blobs": 0, "loaded": 0}
        self.faults: dict[str, list[tuple[bytes, str]]] = {}

    def run(self) -> None:
        """Read every transaction; load what is current."""
        total = self.storage.getSize()
        for number, record in enumerate(self.records()):
            if number % EVERY == 0:
                sys.stdout.write(f"{PROGRESS}{record.pos} {total}\n")
                sys.stdout.flush()
            if record.data is None or self.index.get(record.oid) != record.pos:
                continue
            self.counts["objects"] += 1
            if self.sample >= 1 or random.random() < self.sample:  # noqa: S311
                self.look(record)

    def records(self) -> Iterator[Any]:
        """Yield every record; damage between them ends it and is noted."""
        try:
            for transaction in self.storage.iterator():
                yield from transaction
        except Exception as error:  # noqa: BLE001 (whatever ZODB makes of damage)
            self.fault("damaged", b"", f"the file is damaged: {error}")

    def look(self, record: Any) -> None:
        """Load one record."""
        self.counts["loaded"] += 1
        try:
            is_blob, _ = self.reader.load(record.data)
        except Exception as error:  # noqa: BLE001 (a pickle can fail in any way)
            self.fault("damaged", record.oid, f"its state cannot be loaded: {error}")
            return
        for oid in self.reader.refs:
            if oid not in self.index:
                self.fault("dangling", oid, f"{record.oid.hex()} refers to it")
        if is_blob:
            self.counts["blobs"] += 1
            if self.blobs is not None:
                path = self.blobs.getBlobFilename(record.oid, record.tid)
                if not os.path.isfile(path):  # noqa: PTH113 (ZODB hands out strings)
                    self.fault("blobs", record.oid, f"{path} is missing")

    def fault(self, kind: str, oid: bytes, text: str) -> None:
        """Note a fault."""
        self.faults.setdefault(kind, []).append((oid, text))

    def result(self) -> dict[str, Any]:
        """Return counts, and the first faults of each kind with their paths."""
        faults = {}
        for kind, found in self.faults.items():
            shown = found[:MOST]
            names = Names(self).of({oid for oid, _ in shown if oid})
            faults[kind] = {
                "number": len(found),
                "first": [
                    {"oid": oid.hex(), "path": names.get(oid, ""), "text": text}
                    for oid, text in shown
                ],
            }
        last = self.storage.lastTransaction()
        return {**self.counts, "last": int.from_bytes(last, "big"), "faults": faults}


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

    def state(self, oid: bytes) -> dict[str, Any]:
        """Return an object's attributes; none where it cannot be loaded."""
        try:
            data, _ = self.check.storage.load(oid)
            _, state = self.check.reader.load(data)
        except Exception:  # noqa: BLE001 (damage is what we are called for)
            return {}
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
                self.check.reader.load(record.data)
            except Exception:  # noqa: BLE001, S112 (noted before)
                continue
            for oid in oids.intersection(self.check.reader.refs):
                self.holders.setdefault(oid, record.oid)

    def path(self, oid: bytes) -> str:
        """Return the ids of an object and its holders."""
        ids: list[str] = []
        seen: set[bytes] = set()
        while oid and oid not in seen:
            seen.add(oid)
            state = self.state(oid)
            name = state.get("id") or state.get("__name__")
            if isinstance(name, str) and name:
                ids.insert(0, name)
            oid = self.parent(oid)
        return "/" + "/".join(ids)


def live_count(path: str, last: int) -> int | None:
    """Return how many objects a storage had up to a transaction; None where unknown."""
    from ZODB.FileStorage.FileStorage import read_index
    from ZODB.fsIndex import fsIndex

    # Opened as a storage it would believe its .index, which knows younger objects.
    index = fsIndex()
    try:
        with Path(path).open("rb") as stream:
            stop = (last + 1).to_bytes(8, "big")
            read_index(stream, path, index, {}, stop, read_only=1)
    except Exception:  # noqa: BLE001 (it is being written to while we look)
        return None
    return len(index)


def paths_of(script: str) -> None:
    """Take over the import path of a buildout's script, without running it."""
    text = Path(script).read_text(encoding="utf-8")
    exec(compile(text, script, "exec"), {"__name__": "paths"})  # noqa: S102


def main() -> None:
    """Do what the standard input asks for."""
    wanted = json.load(sys.stdin)
    paths_of(wanted["script"])
    try:
        check = StorageCheck(wanted)
    except Exception as error:  # noqa: BLE001 (whatever ZODB makes of damage)
        result: dict[str, Any] = {"error": f"it cannot be opened: {error}"}
    else:
        check.run()
        result = check.result()
        if wanted.get("live"):
            result["live"] = live_count(wanted["live"], result["last"])
    sys.stdout.write(f"\n{RESULT}{json.dumps(result)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
