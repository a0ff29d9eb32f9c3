"""What stops a buildout run at once: root, a stranger, a second run, a live stack."""

from __future__ import annotations

import logging
import os
import pwd
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from collective.recipe.productionstack.errors import StackError
from collective.recipe.productionstack.machine import locks
from collective.recipe.productionstack.sources.reading import is_on

logger = logging.getLogger("productionstack")

HOLDER = "PRODUCTIONSTACK_BUILDOUT"
"""Names the process that holds the lock: buildout restarts itself to upgrade."""

PRIVATE = 0o027

_held: dict[str, int] = {}


def refuse_root(buildout: Any) -> None:
    """Refuse uid 0.

    Raises StackError, unless ``[buildout] allow-root`` is set.
    """
    if os.geteuid() != 0:
        return
    if is_on(buildout["buildout"].get("allow-root", "")):
        logger.warning("running as root because of [buildout] allow-root")
        return
    raise StackError(
        "Refusing to run buildout as root: its eggs' code would be root too."
        " Run it as the site's user, for example: sudo -u plone -H bin/buildout"
    )


def refuse_others(buildout: Any) -> None:
    """Refuse who has not made what lies there: of another's files none can be replaced.

    Raises StackError that names the one who has.
    """
    settings = buildout["buildout"]
    path = Path(settings["directory"], settings["installed"])
    if os.geteuid() == 0 or not path.is_file():
        return
    number = path.stat().st_uid
    if number == os.geteuid():
        return
    try:
        owner = pwd.getpwuid(number).pw_name
    except KeyError:
        owner = f"#{number}"  # as sudo names a user by number
    raise StackError(
        f"This buildout is {owner}'s, and what it has written cannot be replaced by"
        f" you. Run it as {owner}: sudo -u {owner} -H bin/buildout"
    )


def hold_lock(directory: str) -> None:
    """Take the lock of a buildout folder until this process ends.

    Raises StackError at once when another run holds it. The folder itself is
    locked, so no file is left behind.
    """
    if directory in _held:
        return
    handle = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    if not locks.take(handle):
        os.close(handle)
        if os.environ.get(HOLDER) == str(os.getppid()):
            return  # the run that waits for us is the holder
        message = (
            f"Another buildout runs in {directory} at this moment."
            " Wait until it has ended, then run this again."
        )
        raise StackError(message)
    os.environ[HOLDER] = str(os.getpid())
    _held[directory] = handle


def keep_private(buildout: Any) -> None:
    """Let what this run writes be read by user and group alone.

    buildout keeps every part's options in a file, passwords included.
    """
    os.umask(os.umask(PRIVATE) | PRIVATE)
    settings = buildout["buildout"]
    path = Path(settings["directory"], settings["installed"])
    if path.is_file():
        path.chmod(path.stat().st_mode & ~0o007)


def warn_of_open_files(buildout: Any, parts: Iterable[str]) -> None:
    """Warn where everybody can read a configuration that holds a password."""
    folder = Path(buildout["buildout"]["directory"])
    users = (buildout[part].get("user", "") for part in parts)
    secrets = [user.partition(":")[2] for user in users]
    if not all(one.stat().st_mode & stat.S_IXOTH for one in (folder, *folder.parents)):
        return
    for path in sorted(folder.glob("*.cfg")):
        is_open = path.is_file() and path.stat().st_mode & stat.S_IROTH
        text = path.read_text(errors="replace") if is_open else ""
        if any(secret and secret in text for secret in secrets):
            logger.warning(
                "[buildout] every user of this machine can read %s, which holds the"
                " password of Zope's administrator. Run: chmod o-rwx %s",
                path.name,
                path.name,
            )


def refuse_live(directory: str, name: str) -> None:
    """Refuse to remove a stack that still does something.

    Raises StackError that says what to run first.
    """
    from collective.recipe.productionstack.daemons import boot
    from collective.recipe.productionstack.daemons import roles
    from collective.recipe.productionstack.daemons.cron import control as crontab
    from collective.recipe.productionstack.machine import own_processes

    alive = own_processes.is_running(directory, name, roles.UNMARKED)
    if alive:
        raise StackError(
            f"[{name}] is no longer among the parts, but its programs run:"
            f" {', '.join(alive)}. Stop them first: bin/{name} down;"
            " or list the part again."
        )
    if crontab.installed(directory, name):
        raise StackError(
            f"[{name}] is no longer among the parts, but its jobs stand in your"
            " crontab."
            f" Take them out first: bin/{name} cron remove;"
            " or list the part again."
        )
    if boot.installed(directory, name):
        raise StackError(
            f"[{name}] is no longer among the parts, but is started after a reboot."
            f" Take that back first: bin/{name} boot remove; or list the part again."
        )
