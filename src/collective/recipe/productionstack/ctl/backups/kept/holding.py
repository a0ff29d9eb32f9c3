"""Older backups, put where the script that deletes by number and age does not look.

While the newest is not known to be good, an older one may be the last that is.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from collective.recipe.productionstack.ctl.backups.kept import repozo
from collective.recipe.productionstack.ctl.jobs import outcomes
from collective.recipe.productionstack.model.stack import Stack
from collective.recipe.productionstack.model.storage import Backup

HELD = ".held"
"""A folder beside what is put there, so that both are on one disk."""

LAST = ".last"
"""The same for links to the newest, which may be gone under its own name."""

YEARS = 10 * 365 * 86400


def is_doubtful(stack: Stack) -> bool:
    """Whether the last backup, or the last verification, was not good."""
    stamps = [outcomes.load(stack, one) for one in ("backup", "verify")]
    return any(one is not None and not one.ok for one in stamps)


@contextmanager
def older(backup: Backup) -> Iterator[None]:
    """Put all but the newest chain, and the newest blobs, aside while the block runs.

    A killed run leaves them there: ``put_back`` comes first in the next.
    """
    copy = repozo.find(backup)
    newest = copy.pieces[0].date if copy else ""
    last = copy.blobs.parent.name.partition(".")[2] if copy and copy.blobs else newest
    _hold(Path(backup.location), newest)
    if backup.blob_location:
        _hold(Path(backup.blob_location), last)
    try:
        yield
    finally:
        put_back(backup)


@contextmanager
def last(backup: Backup) -> Iterator[None]:
    """Put the newest chain back where the block fails and it is gone.

    With ``keep = 1`` the script deletes it before anybody has looked at what it made.
    """
    if backup.keep > 1:
        yield
        return
    copy = repozo.find(backup)
    newest = copy.pieces[0].date if copy else ""
    try:
        for place in _places(backup):
            _keep(place, newest)
        yield
    except BaseException:
        put_back(backup)
        raise
    for place in _places(backup):
        shutil.rmtree(place / LAST, ignore_errors=True)


def put_back(backup: Backup) -> None:
    """Put everything back that was put aside, and what is gone of the newest."""
    for place in _places(backup):
        held, links = place / HELD, place / LAST
        if held.is_dir():
            for one in sorted(held.iterdir()):
                one.rename(place / one.name)
            held.rmdir()
        if links.is_dir():
            # A folder may be half deleted: what is left of it stays as it is.
            for one in sorted(links.iterdir()):
                _again(one, place)
            shutil.rmtree(links)


def _places(backup: Backup) -> list[Path]:
    return [Path(one) for one in (backup.location, backup.blob_location) if one]


def _keep(place: Path, oldest: str) -> None:
    """Link what is not older than a date, files and folders."""
    kept = place / LAST
    for date, name in repozo.dated(place):
        if oldest and date >= oldest:
            kept.mkdir(exist_ok=True, mode=0o700)
            _again(place / name, kept)
    _outlast(kept)


def _again(one: Path, place: Path) -> None:
    """Let a file, or all that is in a folder, lie in another place too."""
    if one.is_dir():
        there = place / one.name
        shutil.copytree(
            one, there, symlinks=True, copy_function=_link, dirs_exist_ok=True
        )
    else:
        _link(str(one), str(place / one.name))


def _link(source: str, target: str) -> None:
    """Give a file another name, or a copy where its disk has no links; once."""
    if not os.path.lexists(target):
        try:
            os.link(source, target)
        except OSError:
            shutil.copy2(source, target)


def _hold(place: Path, newest: str) -> None:
    """Put what is older than a date aside; by names, as the script goes."""
    held = place / HELD
    for date, name in repozo.dated(place):
        if date < newest:
            held.mkdir(exist_ok=True, mode=0o700)
            (place / name).rename(held / name)
    _outlast(held)


def _outlast(held: Path) -> None:
    """Let it be the newest: the script deletes by time, and cannot delete a folder."""
    if held.is_dir():
        os.utime(held, (time.time() + YEARS,) * 2)
