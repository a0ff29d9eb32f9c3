"""Bring one object back from a backup, beside what is there; nothing is replaced."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from .site import at

MOST = 10
TRIES = 50
FEW = 200
TYPE = "portal_type"
CHUNK = 1024 * 1024
UID = "_plone.uuid"
"""Where plone.uuid keeps the name that links in texts lead to."""


def work(root: Any, wanted: dict[str, Any]) -> dict[str, Any]:
    """Import what the backup has at a path; a trouble comes as a word with facts."""
    import transaction
    from Testing.makerequest import makerequest
    from ZODB.POSException import ConflictError

    _as_system()
    with _backup(root, wanted) as old, TemporaryFile() as stream:
        found = _way(old, wanted["path"])
        if len(found) <= wanted["path"].count("/"):
            return {"trouble": "not in it", **_shown(found)}
        taken = _export(found, stream, wanted)
        if "trouble" in taken:
            return taken

        def bring(*_: Any) -> dict[str, Any]:
            return {**taken, **_import(here, stream, wanted)}

        here = makerequest(root)

        def once() -> dict[str, Any]:
            return at(here, wanted["site"], wanted, bring)

        # Tried again when somebody else changes the same folder at the same time.
        with suppress(ConflictError):
            done: dict[str, Any] = transaction.manager.run(once, tries=TRIES)
            return done
        return {"trouble": "busy"}


def _as_system() -> None:
    """Nobody is logged in here, and handlers of Plone ask who may do what."""
    from AccessControl.SecurityManagement import newSecurityManager
    from AccessControl.SpecialUsers import system

    newSecurityManager(None, system)


@contextmanager
def _backup(root: Any, wanted: dict[str, Any]) -> Iterator[Any]:
    """Give the application of a database that lies in a scratch folder."""
    from transaction import TransactionManager
    from ZODB.blob import FilesystemHelper
    from ZODB.DB import DB
    from ZODB.FileStorage import FileStorage

    class ScratchStorage(FileStorage):  # type: ignore[misc]
        def _blob_init(self, blob_dir: str, layout: str = "automatic") -> None:
            # ZODB would make folders in what is a backup.
            self.fshelper = FilesystemHelper(blob_dir, layout)
            self.dirty_oids: list[Any] = []

    blobs = wanted["blobs"] or None
    database = DB(ScratchStorage(wanted["data"], read_only=True, blob_dir=blobs))
    # Classes that are gone are stood in for, as Zope does.
    database.classFactory = root._p_jar.db().classFactory  # noqa: SLF001
    connection = database.open(TransactionManager())
    try:
        yield connection.root()["Application"]
    finally:
        connection.close()
        database.close()


def _way(root: Any, path: str) -> list[Any]:
    """Return the objects on the way to a path, as far as there are any."""
    from Acquisition import aq_base

    found = [root]
    for name in path.strip("/").split("/"):
        if not hasattr(aq_base(found[-1]), "_getOb"):
            break
        one = found[-1]._getOb(name, None)  # noqa: SLF001 (looks without acquiring)
        if one is None:
            break
        found.append(one)
    return found


def _shown(found: list[Any]) -> dict[str, Any]:
    """Return where a way ends, and what is there."""
    from Acquisition import aq_base

    last = found[-1]
    ids = sorted(last.objectIds()) if hasattr(last, "objectIds") else []
    if len(ids) < FEW:  # a site's tools are no content
        held = {name: getattr(aq_base(last._getOb(name)), TYPE, "") for name in ids}  # noqa: SLF001
        ids = [name for name in ids if held[name]]
    path = "/".join(last.getPhysicalPath()) or "/"
    return {"holder": path, "ids": ids[:MOST], "more": max(0, len(ids) - MOST)}


def _export(found: list[Any], stream: Any, wanted: dict[str, Any]) -> dict[str, Any]:
    """Export the last of some objects; refuse what the others would come along with."""
    one = found[-1]
    jar, oid = one._p_jar, one._p_oid  # noqa: SLF001
    # The root object of ZODB holds the application.
    above = {each._p_oid for each in found[:-1]} | {bytes(8)}  # noqa: SLF001
    blobs, bad = 0, ""
    for inner, serial, is_blob in _records(jar, oid):
        if inner in above:
            return {"trouble": "holds its holder"}
        if is_blob:
            blobs += 1
            bad = bad or _blob_trouble(jar, inner, serial, wanted)
    if bad:
        return {"trouble": "blob", "text": bad}
    jar.exportFile(oid, stream)
    return {"blobs": blobs}


def _records(jar: Any, oid: bytes) -> Iterator[tuple[bytes, bytes, bool]]:
    """Yield all that an object consists of, as the export will take it."""
    from ZODB.blob import Blob
    from ZODB.POSException import POSKeyError
    from ZODB.serialize import referencesf

    waiting, seen = [oid], set()
    while waiting:
        inner = waiting.pop()
        if inner in seen:
            continue
        seen.add(inner)
        try:
            data, serial = jar._storage.load(inner)  # noqa: SLF001
        except POSKeyError:
            continue  # led nowhere before
        referencesf(data, waiting)
        ghost = b"blob" in data and jar._reader.getGhost(data)  # noqa: SLF001
        yield inner, serial, isinstance(ghost, Blob)


def _blob_trouble(jar: Any, oid: bytes, serial: bytes, wanted: dict[str, Any]) -> str:
    """Compare a blob of the backup with what its manifest says, where there is one."""
    from ZODB.POSException import POSKeyError

    if not wanted["blobs"]:
        return "the backup has no files and images"
    try:
        path = jar._storage.loadBlob(oid, serial)  # noqa: SLF001
        known = _manifest(wanted).get(os.path.relpath(path, wanted["blobs"]))
        with Path(path).open("rb") as stream:
            digest = hashlib.sha256()
            while data := stream.read(CHUNK):
                digest.update(data)
    except (OSError, POSKeyError) as error:
        return str(error)
    changed = known and known[1] != digest.hexdigest()
    return f"{path} has changed since the backup" if changed else ""


def _manifest(wanted: dict[str, Any]) -> dict[str, list[Any]]:
    """Return size and sum of every blob of the backup; read once."""
    if "sums" not in wanted:
        wanted["sums"] = {}
        if wanted["manifest"]:
            with gzip.open(wanted["manifest"], "rt", encoding="utf-8") as stream:
                wanted["sums"] = json.load(stream)["blobs"]
    sums: dict[str, list[Any]] = wanted["sums"]
    return sums


def _import(root: Any, stream: Any, wanted: dict[str, Any]) -> dict[str, Any]:
    """Put what was exported into the folder it was in, under an id that is free."""
    import transaction
    from Acquisition import aq_base
    from Products.CMFCore.indexing import processQueue
    from zope.globalrequest import setRequest

    above, _, name = wanted["path"].rpartition("/")
    found = _way(root, above)
    if len(found) <= above.count("/"):
        return {"trouble": "no folder", **_shown(found)}
    parent = found[-1]
    setRequest(root.REQUEST)
    free = _free(parent, f"{name}{wanted['suffix']}")
    stream.seek(0)
    one = aq_base(parent._p_jar.importFile(stream))  # noqa: SLF001
    one._setId(free)  # noqa: SLF001
    number = _give_names(parent, one)
    parent._setObject(free, one, set_owner=0)  # noqa: SLF001 (as Zope's own import)
    # At the end of the transaction no site is set any more.
    processQueue()
    transaction.get().note(f"restored {wanted['path']} from {wanted['date']}")
    back = parent._getOb(free)  # noqa: SLF001
    return {
        "path": "/".join(back.getPhysicalPath()),
        "objects": number,
        "was_there": parent._getOb(name, None) is not None,  # noqa: SLF001
        "state": _state(back),
    }


def _free(parent: Any, name: str) -> str:
    names = set(parent.objectIds())
    more = (f"{name}-{number}" for number in range(2, len(names) + 3))
    return name if name not in names else next(one for one in more if one not in names)


def _give_names(parent: Any, one: Any) -> int:
    """Give a new UID to every object whose own is in use; return how many there are.

    Where the old object is gone, links that lead to its UID lead to this one.
    """
    from Acquisition import aq_base
    from plone.uuid.interfaces import IUUIDGenerator
    from Products.CMFCore.utils import getToolByName
    from zope.component import getUtility

    catalog = getToolByName(parent, "portal_catalog")
    number, waiting = 0, [one]
    while waiting:
        inner = waiting.pop()
        number += 1
        uid = getattr(aq_base(inner), UID, None)
        if uid and catalog.unrestrictedSearchResults(UID=uid):
            setattr(inner, UID, getUtility(IUUIDGenerator)())
        if hasattr(inner, "objectValues"):
            waiting += inner.objectValues()
    return number


def _state(one: Any) -> str:
    """Return the state of its workflow; it is what it was."""
    from Products.CMFCore.utils import getToolByName

    workflows = getToolByName(one, "portal_workflow")
    return str(workflows.getInfoFor(one, "review_state", "") or "")
