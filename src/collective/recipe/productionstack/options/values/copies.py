"""Parsers of where copies of backups go, and which of them are kept."""

from __future__ import annotations

import re

from collective.recipe.productionstack.model.address import unsafe_in
from collective.recipe.productionstack.model.storage import RESTIC
from collective.recipe.productionstack.options.values.parse import MAIL
from collective.recipe.productionstack.options.values.parse import lines
from collective.recipe.productionstack.options.values.parse import words

MOST = 1000
UNITS = "dwm"
REPOSITORY = re.compile(r"/.*[^/].*|[a-z0-9]+:.+")


def copy_targets(value: str) -> tuple[str, ...]:
    """Parse places, one a line: ``[user@]host:/path``, a path, ``restic:REPOSITORY``.

    Raises ValueError for a line that is none of these, or comes twice.
    """
    found = lines(value)
    parsed = tuple(_place(one, alone=len(found) == 1) for one in found)
    if twice := [one for one in parsed if parsed.count(one) > 1]:
        raise ValueError(f"{twice[0]} comes twice")
    return parsed


def _place(line: str, *, alone: bool) -> str:
    try:
        return (repository if line.startswith(RESTIC) else host_and_path)(line)
    except ValueError as error:
        raise ValueError(f"{error}" if alone else f"{line}: {error}") from None


def repository(value: str) -> str:
    """Parse ``restic:REPOSITORY``.

    Raises ValueError for what restic does not take, and for white space.
    """
    if unsafe := unsafe_in(value):
        raise ValueError(f"{unsafe} cannot be used here")
    if not REPOSITORY.fullmatch(value.removeprefix(RESTIC)) or value.split() != [value]:
        raise ValueError(
            "not a repository as restic takes it, such as restic:/srv/restic,"
            " restic:sftp:far.example.com:/srv/restic or restic:s3:https://HOST/BUCKET"
        )
    return value


def host_and_path(value: str) -> str:
    """Parse ``[user@]host:/path`` or an absolute path.

    Raises ValueError for anything else, the root and paths with white space.
    """
    host, colon, path = value.rpartition(":")
    if unsafe := unsafe_in(value):
        raise ValueError(f"{unsafe} cannot be used here")
    if not path.startswith("/") or path.strip("/") == "":
        raise ValueError("not host:/path, nor an absolute path")
    if colon and not MAIL.fullmatch(host):
        raise ValueError(f"{host} is not [user@]host")
    if any(letter.isspace() for letter in value):
        raise ValueError("a path with white space is not understood by rsync and ssh")
    return value


def kept_copies(value: str) -> tuple[int, int, int, int]:
    """Parse ``30`` or ``14d 8w 12m``: how many newest, days, weeks and months.

    Raises ValueError for anything else.
    """
    numbers = {"": 0, **dict.fromkeys(UNITS, 0)}
    for one in words(value):
        found = re.fullmatch(r"(\d{1,4})([dwm]?)", one, re.ASCII)
        if not found:
            raise ValueError(f"{one} is not a number, nor one with d, w or m behind it")
        if not 1 <= int(found[1]) <= MOST:
            raise ValueError(f"{one} is not between 1 and {MOST}")
        if numbers[found[2]]:
            raise ValueError(f"{one} comes after another of its kind")
        numbers[found[2]] = int(found[1])
    last, days, weeks, months = numbers.values()
    return last, days, weeks, months
