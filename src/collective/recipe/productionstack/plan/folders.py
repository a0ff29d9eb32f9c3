"""Where a stack keeps its things, and whether daemons can read such a path."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from collective.recipe.productionstack.daemons.systemd import control as systemd
from collective.recipe.productionstack.errors import Problem
from collective.recipe.productionstack.model.address import SOCKET_LIMIT
from collective.recipe.productionstack.model.address import unsafe_in
from collective.recipe.productionstack.model.folders import Folders

SEPARATORS = re.compile(r"[:,\[]")
"""Varnish splits paths at the first two, nginx reads the last in an include."""

BLANK = (
    "a blank in the path: plone.recipe.zope2instance writes it into zope.conf without"
    " quotes (CHAMELEON_CACHE), so Zope would not start, and collective.recipe.backup"
    " takes it for two folders"
)

LONGEST_SOCKET = "/supervisor.sock"


def of(directory: str, bin_folder: str, name: str) -> Folders:
    """Return where a stack keeps its things."""
    var = f"{directory}/var/{name}"
    return Folders(
        buildout=directory,
        bin=bin_folder,
        etc=f"{directory}/etc/{name}",
        var=var,
        log=f"{directory}/var/log",
        sockets=socket_folder(var, name),
    )


def socket_folder(var: str, name: str, longest: str = LONGEST_SOCKET) -> str:
    """Return the folder for sockets: ``var``, unless their paths get too long.

    White space is too much as well: ``zeo-address`` is split there.
    """
    fits = len(f"{var}{longest}".encode()) <= SOCKET_LIMIT
    if fits and len(var.split()) == 1:
        return var
    digest = sha256(var.encode()).hexdigest()[:10]
    if runtime := _lasting_runtime():
        return f"{runtime}/{name}-{digest}"
    return f"{tempfile.gettempdir()}/{name}-{os.getuid()}-{digest}"


def _lasting_runtime() -> str:
    """Return the user's runtime folder; without lingering it goes at each logout."""
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if not runtime or not systemd.lingers():
        return ""
    there = Path(runtime).is_dir() and Path(runtime).stat().st_uid == os.getuid()
    return runtime if there else ""


def problems(directory: str, *, with_zope: bool) -> Iterator[Problem]:
    """Yield the problem of a buildout folder that no configuration can name.

    Our daemons read blanks in it; what belongs to a stack ``with_zope`` does not.
    """
    message = ""
    separator = SEPARATORS.search(directory)
    if unsafe := unsafe_in(directory) or (
        separator and f"the character {separator[0]}"
    ):
        message = f"{unsafe} in the path would be read as syntax by the daemons"
    elif with_zope and len(directory.split()) > 1:
        message = BLANK
    if message:
        yield Problem(
            part="buildout",
            option="directory",
            value=directory,
            message=message,
            remedy="Move the buildout to a folder whose path has no such thing.",
        )
