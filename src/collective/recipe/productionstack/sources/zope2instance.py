"""``plone.recipe.zope2instance``: Zope clients, with that recipe's own defaults.

Its ``recipe.py`` (9.1.0) is the source of every default here; the contract test
runs it and compares.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from collections.abc import Mapping

from collective.recipe.productionstack.errors import Problem
from collective.recipe.productionstack.model.address import Address
from collective.recipe.productionstack.model.announced import CLIENT
from collective.recipe.productionstack.model.announced import Health
from collective.recipe.productionstack.model.announced import Log
from collective.recipe.productionstack.model.announced import Program
from collective.recipe.productionstack.model.clients import Client
from collective.recipe.productionstack.model.storage import XSENDFILE
from collective.recipe.productionstack.sources.reading import Places
from collective.recipe.productionstack.sources.reading import UnreadableError
from collective.recipe.productionstack.sources.reading import addresses
from collective.recipe.productionstack.sources.reading import environment
from collective.recipe.productionstack.sources.reading import is_on
from collective.recipe.productionstack.sources.reading import whole_number

RECIPE = "plone-recipe-zope2instance"

XSENDFILE_EGG = "collective-xsendfile"

HEALTH_PATH = "/@@ok"
"""Answered without the database and with any method but HEAD (operations 0.6)."""


def read(name: str, section: Mapping[str, str], places: Places) -> Client:
    """Return what a part makes of its options.

    Raises UnreadableError for a value that the process would refuse.
    """
    return Client(
        name=name,
        addresses=_listeners(section),
        threads=whole_number(section, "threads", "4"),
        script=f"{places.bin}/{section.get('control-script', name)}",
        zeo_addresses=zeo_addresses(section),
        max_body=whole_number(section, "max-request-body-size", "1073741824"),
        fast_listen=section.get("http-fast-listen", "on").lower() in {"on", "true"},
        blob_dir=_shared_blobs(section, places),
        has_xsendfile=XSENDFILE_EGG in _eggs(section),
        file_variables=tuple(_file_variables(section)),
        environment=environment(section.get("zeo-address", "")),
        files=_files(name, section, places),
        logs=_logs(name, section, places),
    )


def zeo_addresses(section: Mapping[str, str]) -> tuple[Address, ...]:
    """Return the ZEO servers that a client asks, in the given order."""
    return addresses(section, "zeo-address", "8100", "127.0.0.1")


def no_client(name: str, section: Mapping[str, str]) -> Problem | None:
    """Say why a part is no ZEO client, if it is none."""
    if section.get("rel-storage", "").strip():
        return Problem(
            part=name,
            option="rel-storage",
            message="RelStorage clients cannot be part of a stack yet",
            remedy="Leave this part out of clients, or use a ZEO server.",
        )
    if not is_on(section.get("zeo-client", "")):
        return Problem(
            part=name,
            option="zeo-client",
            value=section.get("zeo-client", ""),
            message="this part is no ZEO client, so it cannot share the database",
            remedy="Write: zeo-client = true",
        )
    return None


def program(client: Client, *, debug: bool = False) -> Program:
    """Return how a client is supervised.

    INT is the only signal that ends Zope gracefully (operations 1): running
    requests get 5 s, so it is drained before. It leaves by itself after 30 s
    without ZEO; with ``start_seconds`` below that, such an exit is no failed start.
    """
    return Program(
        name=client.name,
        kind=CLIENT,
        command=(client.script, "console"),
        health=Health(address=client.address, path=HEALTH_PATH),
        listens=client.addresses,
        standby=debug,
        stop_signal="INT",
        stop_seconds=30,
        start_seconds=10,
        start_retries=3,
        environment=client.environment,
        files=client.files,
    )


def _listeners(section: Mapping[str, str]) -> tuple[Address, ...]:
    if any(one.startswith(":") for one in section.get("http-address", "").split()):
        message = "Zope's server refuses an address without a host"
        raise UnreadableError("http-address", message, "127.0.0.1:8080")
    if "$(" in section.get("http-address", ""):
        message = "Zope's server knows no $(NAME), which is for the database alone"
        raise UnreadableError("http-address", message, "127.0.0.1:8080")
    # A port alone is every interface to that recipe.
    found = addresses(section, "http-address", "8080", "0.0.0.0")
    if any(address.path for address in found):
        message = "Zope cannot listen on a Unix socket"
        raise UnreadableError("http-address", message, "127.0.0.1:8080")
    return found


def _shared_blobs(section: Mapping[str, str], places: Places) -> str:
    """Return the folder that is the ZEO server's too; a cache is nobody else's."""
    if not is_on(section.get("shared-blob", "no")):
        return ""
    var = places.absolute(section.get("var", "var"))
    return places.absolute(section.get("blob-storage", f"{var}/blobstorage"))


def _eggs(section: Mapping[str, str]) -> set[str]:
    """Return the names of the eggs that are listed, as all tools compare them."""
    words = (one.split("#")[0] for one in section.get("eggs", "").splitlines())
    names = (re.match(r"[\w.-]+", one) for line in words for one in line.split())
    return {re.sub(r"[-_.]+", "-", one[0]).lower() for one in names if one}


def environment_lines(value: str) -> list[str]:
    """Return the variables, one a line; that recipe takes all of them in one too."""
    lines = [line.strip() for line in value.splitlines() if line.strip()]
    if "\n" in value or not lines:
        return lines
    words = lines[0].split()
    return [f"{a} {b}" for a, b in zip(words[::2], words[1::2], strict=False)]


def _file_variables(section: Mapping[str, str]) -> Iterator[str]:
    for line in environment_lines(section.get("environment-vars", "")):
        if line.startswith(XSENDFILE):
            yield line


def _files(name: str, section: Mapping[str, str], places: Places) -> tuple[str, ...]:
    etc = f"{places.parts}/{name}/etc"
    conf = section.get("zope-conf") or f"{etc}/zope.conf"
    script = f"{places.bin}/{section.get('control-script', name)}"
    return (places.absolute(conf), f"{etc}/wsgi.ini", f"{etc}/site.zcml", script)


def _logs(name: str, section: Mapping[str, str], places: Places) -> tuple[Log, ...]:
    var = places.absolute(section.get("var", "var"))
    event = section.get("event-log", f"{var}/log/{name}.log")
    access = section.get(
        "z2-log", section.get("access-log", f"{var}/log/{name}-access.log")
    )
    found = (
        _log("event-log", event, section, places),
        _log("access-log", access, section, places),
    )
    return tuple(log for log in found if log)


def _log(
    kind: str, path: str, section: Mapping[str, str], places: Places
) -> Log | None:
    """Choose how a log can be rotated by the handler that writes it."""
    handler = section.get(f"{kind}-handler", "FileHandler")
    arguments = section.get(f"{kind}-args", "")
    if arguments:
        named = re.search(r"r?(['\"])(.+?)\1", arguments.replace("{0}", path))
        path = named[2] if named else ""
    if not path or path.lower() == "disable" or "Rotating" in handler:
        return None
    if "FileHandler" not in handler:
        return None
    how = "rename" if "Watched" in handler else "truncate"
    return Log(path=places.absolute(path), how=how)  # type: ignore[arg-type]
