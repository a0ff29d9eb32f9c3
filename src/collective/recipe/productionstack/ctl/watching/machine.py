"""What the machine lacks: room on its disks, open files."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from collective.recipe.productionstack.machine import processes
from collective.recipe.productionstack.machine.files import MEGABYTE
from collective.recipe.productionstack.model.stack import Stack

LEAST, PART, FEW = 1024 * MEGABYTE, 0.05, 0.005
"""A disk is nearly full below the first, or the second of it where that is less;
without more files below the third."""

FILES = 8192
"""Open files that nginx and HAProxy want: two for each of 4,096 connections."""

LIMIT = re.compile(r"(?m)^Max open files +\d+ +(\d+)")


def disks(stack: Stack) -> dict[str, str]:
    """Return what is wrong with each disk that the stack writes to."""
    found: dict[int, tuple[str, str]] = {}
    for name, folder in _folders(stack):
        with suppress(OSError):
            if trouble := _trouble(os.statvfs(folder)):
                text = f"the disk of {name} ({folder}) has {trouble}"
                found.setdefault(Path(folder).stat().st_dev, (name, text))
    return {f"{name} disk": text for name, text in found.values()}


def _folders(stack: Stack) -> Iterator[tuple[str, str]]:
    for data in stack.data.storages:
        if data.data_file:
            yield "database", os.path.dirname(data.data_file)  # noqa: PTH120 (a string)
        if data.blob_dir:
            yield "blobs", data.blob_dir
    yield "logs", stack.folders.log
    yield "state", stack.folders.var
    for backup in stack.data.backups:
        yield "backups", backup.location
        if backup.blob_location:
            yield "copied blobs", backup.blob_location


def _trouble(disk: os.statvfs_result) -> str:
    free, size = disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize
    if free < min(LEAST, size * PART):
        return f"only {free / MEGABYTE:.0f} MB left"
    if disk.f_favail < disk.f_files * FEW:  # some file systems count none
        return f"room for only {disk.f_favail} more files"
    return ""


def open_files(supervisord: int) -> str:
    """Say what a low limit means; nothing where it is high enough, or nobody runs."""
    try:
        text = (processes.PROC / str(supervisord) / "limits").read_text()
    except OSError:
        return ""
    found = LIMIT.search(text)
    if not found or int(found[1]) >= FILES:
        return ""
    return (
        f"a program may open {found[1]} files at most: about {int(found[1]) // 2} "
        "visitors at a time. Raise the hard limit (ulimit -Hn; limits.conf, or "
        f"LimitNOFILE= of the unit) to {FILES}, then down and up"
    )
