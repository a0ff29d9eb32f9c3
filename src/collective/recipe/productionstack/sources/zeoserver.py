"""``plone.recipe.zeoserver``: the ZEO server, with that recipe's own defaults.

Its ``recipe.py`` (4.0.1) is the source of every default here; the contract test
runs it and compares.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping

from collective.recipe.productionstack.model.address import Address
from collective.recipe.productionstack.model.announced import STORAGE
from collective.recipe.productionstack.model.announced import Health
from collective.recipe.productionstack.model.announced import Job
from collective.recipe.productionstack.model.announced import Log
from collective.recipe.productionstack.model.announced import Program
from collective.recipe.productionstack.model.storage import Storage
from collective.recipe.productionstack.sources.reading import Places
from collective.recipe.productionstack.sources.reading import UnreadableError
from collective.recipe.productionstack.sources.reading import environment
from collective.recipe.productionstack.sources.reading import listener

RECIPE = "plone-recipe-zeoserver"

BESIDE = re.compile(r"<filestorage\s+([^\s>]+)\s*>(.*?)</filestorage>", re.DOTALL)
"""Another database in the configuration of a server (ZConfig's text)."""

PATH = re.compile(r"^\s*path\s+(\S.*?)\s*$", re.MULTILINE)

QUIET = {"warn", "warning", "error", "critical", "fatal"}


def read(name: str, section: Mapping[str, str], places: Places) -> Storage:
    """Return what a part makes of its options.

    Raises UnreadableError for an address that ZEO would refuse.
    """
    var = places.absolute(section.get("var", "var"))
    location = f"{places.parts}/{name}"
    blobs = section.get("blob-storage", "blobstorage")
    return Storage(
        name=name,
        address=_address(section),
        command=(f"{location}/bin/runzeo",),
        data_file=places.absolute(
            section.get("file-storage", "filestorage/Data.fs"), var
        ),
        blob_dir=places.absolute(blobs, var) if blobs else "",
        quiet_log=_is_quiet(section),
        pack_script=f"{places.bin}/{section.get('zeopack-script-name', 'zeopack')}",
        environment=environment(section.get("zeo-address", "")),
        files=(section.get("zeo-conf") or f"{location}/etc/zeo.conf",),
        logs=_logs(name, section, var),
    )


def beside(section: Mapping[str, str]) -> dict[str, str]:
    """Return the files of the databases that a server has besides its own, by name.

    Neither its zeopack nor collective.recipe.backup knows of them.
    """
    found = BESIDE.findall(section.get("zeo-conf-additional", ""))
    paths = ((name, PATH.search(text)) for name, text in found)
    return {name: path[1] if path else "" for name, path in paths}


def program(storage: Storage) -> Program:
    """Return how the ZEO server is supervised."""
    return Program(
        name=storage.name,
        kind=STORAGE,
        command=storage.command,
        health=Health(address=storage.address.to_connect, zeo=True),
        listens=(storage.address,),
        stop_signal="TERM",
        stop_seconds=60,
        start_seconds=3,
        start_retries=10,
        environment=storage.environment,
        files=storage.files,
    )


def job(storage: Storage, schedule: str) -> Job:
    """Return the weekly pack."""
    return Job(
        name="pack",
        why="Pack the database: old revisions go, the file stops growing.",
        schedule=schedule,
        command=(storage.pack_script,),
        waits=True,
    )


def _address(section: Mapping[str, str]) -> Address:
    value = section.get("zeo-address", "8100")
    try:
        # A port alone means every interface to ZConfig.
        return listener(value, "0.0.0.0")
    except ValueError as error:
        example = "127.0.0.1:8100"
        raise UnreadableError("zeo-address", str(error), example) from error


def _is_quiet(section: Mapping[str, str]) -> bool:
    """Whether a connection that opens and closes leaves no line in the log."""
    if "zeo-log-custom" in section or "zeo-conf" in section:
        return False
    level = section.get("zeo-log-level", "info").strip().lower()
    return level in QUIET or (level.isdigit() and int(level) >= logging.WARNING)


def _logs(name: str, section: Mapping[str, str], var: str) -> tuple[Log, ...]:
    if "zeo-log-max-size" in section or "zeo-log-custom" in section:
        return ()
    path = section.get("zeo-log", f"log/{name}.log")
    pid_file = section.get("pid-file", f"{var}/{name}.pid")
    full = path if path.startswith("/") else f"{var}/{path}"
    return (Log(path=full, how="rename", signal="USR2", pid_file=pid_file),)
