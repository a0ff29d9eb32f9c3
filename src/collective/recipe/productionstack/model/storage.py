"""The ZEO server, its backups and how they are kept."""

from __future__ import annotations

import re
from dataclasses import dataclass

from collective.recipe.productionstack.model.address import Address
from collective.recipe.productionstack.model.announced import Log

NAMED_FILES = "/.plone-blobs/"
"""What Plone puts before the name of a blob that the web server is to send."""

ASKED = "X-PS-Sendfile"
"""The header by which the web server asks for a name instead of the bytes."""

BLOB = "(?:0x[0-9a-f]+/)+0x[0-9a-f]+[.]blob"
"""A blob's path below its folder, in either layout (``ZODB.blob``)."""

XSENDFILE = "XSENDFILE_"
"""What the variables of collective.xsendfile begin with (its ``utils.py``)."""


SPECIAL = re.compile(r"[.^$*+?{}()|\[\]\\]")
"""What a regular expression reads as something else."""


def _escaped(found: re.Match[str]) -> str:
    return f"\\{found[0]}"


def file_variables(blob_dir: str) -> tuple[str, ...]:
    """Return what collective.xsendfile reads in the environment, as lines.

    Without X-Forwarded-For it falls back to what Plone does by itself.
    """
    return (
        f"{XSENDFILE}RESPONSEHEADER X-Accel-Redirect",
        f"{XSENDFILE}ENABLE_FALLBACK true",
        f"{XSENDFILE}PATHREGEX_SEARCH ^{SPECIAL.sub(_escaped, blob_dir)}/",
        f"{XSENDFILE}PATHREGEX_SUBSTITUTE {NAMED_FILES}",
    )


RESTIC = "restic:"
"""What a place for copies begins with that is a repository of restic."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """A ZEO server, from a ``plone.recipe.zeoserver`` part."""

    name: str
    address: Address
    command: tuple[str, ...]
    data_file: str
    blob_dir: str
    quiet_log: bool
    pack_script: str
    environment: tuple[tuple[str, str], ...] = ()
    files: tuple[str, ...] = ()
    logs: tuple[Log, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """A ``collective.recipe.backup`` part.

    ``unreadable`` names the option that makes copies which we cannot judge, if any.
    ``keep`` is how many whole ones its script leaves.
    """

    name: str
    script: str
    location: str
    data_file: str = ""
    blob_dir: str = ""
    blob_location: str = ""
    blobs: bool = True
    unreadable: str = ""
    keep: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """How backups are kept: limit in hours; where they are copied, how many there.

    ``sync_keep`` is how many of the newest, ``sync_calendar`` of how many days, weeks
    and months the last one. ``times`` are those of backup, pack and verification as
    crontab(5) has them, or ``off``; empty where they are spread.
    """

    age_limit: int = 36
    sync_target: tuple[str, ...] = ()
    sync_key: str = ""
    sync_password_file: str = ""
    sync_keep: int = 14
    sync_calendar: tuple[int, int, int] = (0, 0, 0)
    mailto: str = ""
    times: tuple[str, str, str] = ("", "", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """Where the database is, what backs it up, and how backups are kept.

    ``others`` are ZEO servers for what the clients mount besides.
    """

    storage: Storage | None = None
    others: tuple[Storage, ...] = ()
    backups: tuple[Backup, ...] = ()
    keeping: Keeping = Keeping()

    @property
    def storages(self) -> tuple[Storage, ...]:
        """Every ZEO server here, the one with the sites first."""
        return ((self.storage,) if self.storage else ()) + self.others
