"""Lines of somebody's own that do what the stack's jobs and its start at boot do."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from collective.recipe.productionstack.errors import printable
from collective.recipe.productionstack.model.stack import Stack

BACKUPS = ("backup", "fullbackup", "snapshotbackup", "fullsnapshotbackup", "zipbackup")
"""Scripts of collective.recipe.backup; a part of another name puts it before."""

AT_BOOT = "@reboot"
BEGIN = "# BEGIN collective.recipe.productionstack"
END = "# END collective.recipe.productionstack"


def programs(stack: Stack) -> list[str]:
    """Return the names by which others start what the stack runs."""
    clients = [PurePosixPath(one.script).name for one in stack.zope.all_clients]
    return clients + [one.name for one in stack.data.storages]


def jobs(stack: Stack) -> list[str]:
    """Return the scripts that the stack's own jobs run, or stand for."""
    packs = [PurePosixPath(one.pack_script).name for one in stack.data.storages]
    named = [
        one if part.name == "backup" else f"{part.name}-{one}"
        for part in stack.data.backups
        for one in BACKUPS
    ]
    return [*packs, *named, *(part.name for part in stack.data.backups)]


def names(script: str, text: str) -> bool:
    """Whether a text names a script in a ``bin`` folder, or a program of that name."""
    around = rf"(?:^|[\s/'\"]){re.escape(script)}(?=[\s;&|)>'\"]|$)"
    return bool(re.search(around, text))


def starts(program: str, text: str) -> bool:
    """Whether a text starts a program: by its script, or by what its part holds.

    A part's own commands are those that its script calls: `parts/zeoserver/bin/runzeo`,
    `${instance:location}/bin/interpreter`.
    """
    part = re.escape(program)
    inside = rf"(?:/parts/{part}|\$\{{{part}:location\}})/bin/"
    return names(program, text) or bool(re.search(inside, text))


def lines(stack: Stack, text: str) -> list[str]:
    """Return the lines of a crontab that do what the stack does, not being ours.

    Only those that name the folder of the buildout.
    """
    found, ours = [], False
    folder = re.escape(stack.folders.buildout)
    here = re.compile(rf"(?:^|[\s'\"=;&]){folder}(?=[/\s'\";&]|$)")
    for line in text.splitlines():
        ours = (ours or line.startswith(BEGIN)) and not line.startswith(END)
        if ours or line.startswith("#") or not here.search(line):
            continue
        if names(stack.name, line):
            continue  # a verb of ours, which takes the lock
        begun = (*programs(stack), "supervisord") if AT_BOOT in line else ()
        same = any(names(one, line) for one in (*jobs(stack), "logrotate"))
        if same or any(starts(one, line) for one in begun):
            found.append(line.strip())
    return found


def warnings(stack: Stack, text: str) -> list[str]:
    """Say of each such line what to do with it."""
    return [
        "this line of your crontab does the same, past our lock and verdict. "
        f"Delete it (crontab -e): {printable(line, limit=200)}"
        for line in lines(stack, text)
    ]
