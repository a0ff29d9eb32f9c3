"""Read a whole Data.fs with the database's own Python.

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
from pathlib import Path
from typing import Any

from .names import Names
from .pickles import Reader
from .pickles import Ref

RESULT = "PRODUCTIONSTACK "
PROGRESS = "PROGRESS "
MOST = 20
"""So many faults of a kind are named; the rest is counted."""

EVERY = 2000


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
        self.counts = {"objects": 0, "blobs": 0, "loaded": 0, "transactions": 0}
        self.unreferenced = set(self.blob_files())
        self.faults: dict[str, list[tuple[bytes, str]]] = {}

    def run(self) -> None:
        """Read every transaction; load what is current."""
        total = self.storage.getSize()
        for number, record in enumerate(self.records()):
            if number % EVERY == 0:
                sys.stdout.write(f"{PROGRESS}{record.pos} {total}\n")
                sys.stdout.flush()
            self.unreferenced.discard((record.oid, record.tid))
            if record.data is None or self.index.get(record.oid) != record.pos:
                continue
            self.counts["objects"] += 1
            if self.sample >= 1 or random.random() < self.sample:  # noqa: S311
                self.look(record)

    def records(self) -> Iterator[Any]:
        """Yield every record; damage between them ends it and is noted."""
        try:
            for transaction in self.storage.iterator():
                self.counts["transactions"] += 1
                yield from transaction
        except Exception as error:  # noqa: BLE001 (whatever ZODB makes of damage)
            self.fault("damaged", b"", f"the file is damaged: {error}")

    def blob_files(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield object and transaction of every blob that lies there."""
        from ZODB.utils import p64

        last = self.storage.lastTransaction()
        for oid, folder in self.blobs.listOIDs() if self.blobs else ():
            for one in Path(folder).iterdir():
                digits, _, suffix = one.name.partition(".")
                if suffix == "blob" and digits[2:]:
                    tid = p64(int(digits, 16))
                    # A younger one was copied after the database.
                    if tid <= last:
                        yield oid, tid

    def sites(self, wanted: list[str]) -> list[str]:
        """Return those of the names that the application holds."""
        names = Names(self)
        root = names.state(bytes(8))
        holder = root.get("Application") or (root.get("data") or {}).get("Application")
        held = names.state(holder.oid) if isinstance(holder, Ref) else {}
        return [one for one in wanted if one in held]

    def at(self, offset: int) -> bytes:
        """Return the object whose record lies at an offset of the file."""
        found = b""
        for record in self.records():
            if record.pos > offset:
                break
            found = record.oid
        return found

    def look(self, record: Any) -> None:
        """Load one record."""
        self.counts["loaded"] += 1
        try:
            is_blob, _ = self.reader.load(record.data)
        except Exception as error:  # noqa: BLE001 (a pickle can fail in any way)
            text = f"its state cannot be loaded: {str(error) or type(error).__name__}"
            self.fault("damaged", record.oid, text)
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
        return {
            **self.counts,
            "last": int.from_bytes(last, "big"),
            "faults": faults,
            "index": len(self.index),
            "unreferenced": len(self.unreferenced),
        }

    def paths(self, oids: list[bytes]) -> list[str]:
        """Return the path of each object."""
        known = Names(self).of(set(oids))
        return [known.get(one, "") for one in oids]


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
    # With relative paths it looks for itself.
    names = {"__name__": "paths", "__file__": script}
    exec(compile(text, script, "exec"), names)  # noqa: S102


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
        result["sites"] = check.sites(wanted.get("sites") or [])
        offsets, oids = wanted.get("at") or [], wanted.get("oids") or []
        result["at"] = check.paths([check.at(one) for one in offsets])
        result["paths"] = check.paths([bytes.fromhex(one) for one in oids])
        if wanted.get("live"):
            result["live"] = live_count(wanted["live"], result["last"])
    sys.stdout.write(f"\n{RESULT}{json.dumps(result)}\n")
    sys.stdout.flush()
