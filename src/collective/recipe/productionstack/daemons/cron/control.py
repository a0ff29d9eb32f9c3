"""The user's crontab and our fenced block in it.

Imports no click: the extension asks this too, where the extra ``ctl`` is not there.
"""

from __future__ import annotations

import os
import shlex
import tempfile
from pathlib import Path

from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.errors import printable
from collective.recipe.productionstack.machine import run

RETURN = "\\r"
"""How crontab -l of Debian prints a carriage return; or somebody wrote just that."""

NOTHING = "no crontab for"
"""What crontab(1) says where there is none; any other failure is one."""


def installed(directory: str, name: str, timeout: float = 20) -> bool:
    """Whether the block of a stack stands in the user's crontab."""
    if run.find("crontab") is None:
        return False
    begin, _ = fences(directory, name)
    return begin in (line.strip() for line in read(timeout).splitlines())


def fences(directory: str, name: str) -> tuple[str, str]:
    """Return the lines that stand around a stack's block."""
    ours = f"collective.recipe.productionstack [{name}] {directory}"
    return f"# BEGIN {ours}", f"# END {ours}"


def edited(text: str, block: str, begin: str, end: str) -> str:
    """Return a crontab with a block in place of the old one, or without any.

    Every other line stays as it is, byte for byte. Raises ControlError when the
    fences do not stand in pairs.
    """
    lines = text.splitlines(keepends=True)
    begins = [at for at, line in enumerate(lines) if line.strip() == begin]
    ends = [at for at, line in enumerate(lines) if line.strip() == end]
    if not begins and not ends:
        return text + (_newline(text) + block if block else "")
    if len(begins) != 1 or len(ends) != 1 or ends[0] < begins[0]:
        message = (
            "the fences of our block in your crontab do not stand in one pair. "
            f"Run crontab -e and mend or delete the lines {begin} and {end}."
        )
        raise ControlError(message)
    return "".join((*lines[: begins[0]], block, *lines[ends[0] + 1 :]))


def read(timeout: float = 20) -> str:
    """Return the user's crontab; empty when there is none.

    Raises ControlError when crontab(1) fails otherwise.
    """
    # Odd letters of others must survive, and the words of "no crontab for" must
    # not be translated.
    result = run.run(
        ("crontab", "-l"),
        env={**os.environ, "LC_ALL": "C"},
        errors="surrogateescape",
        timeout=timeout,
    )
    if result.ok:
        return _unescaped() if RETURN in result.output else result.output
    errors = printable(result.errors.strip())
    if NOTHING in errors:
        return ""
    message = (
        f"crontab -l failed: {errors}. Nothing was changed. "
        "See that cron is installed and that you may use it."
    )
    raise ControlError(message)


def _unescaped() -> str:
    """Return the user's crontab as it is: -l prints carriage returns otherwise."""
    with tempfile.TemporaryDirectory(prefix="crontab-") as folder:
        # An editor that changes nothing and leaves us a copy.
        editor = f"cp -t {shlex.quote(folder)} --"
        result = run.run(
            ("crontab", "-e"), env={**os.environ, "VISUAL": editor}, timeout=20
        )
        copies = list(Path(folder).iterdir())
        if result.ok and len(copies) == 1:
            return copies[0].read_bytes().decode("utf-8", "surrogateescape")
    message = (
        "your crontab seems to hold carriage returns, which crontab -l does not show "
        "as they are. Nothing was changed. Run crontab -e and remove them."
    )
    raise ControlError(message)


def write(text: str) -> None:
    """Replace the user's crontab; remove it when nothing is left."""
    if not text.strip():
        _crontab("-r")
        return
    handle, name = tempfile.mkstemp(prefix="crontab-")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(text.encode("utf-8", "surrogateescape"))
        _crontab(name)
    finally:
        Path(name).unlink()


def _newline(text: str) -> str:
    """Return what ends the last line where its newline is missing."""
    return "\n" if text and not text.endswith("\n") else ""


def _crontab(argument: str) -> None:
    result = run.run(("crontab", argument), timeout=20)
    if not result.ok:
        message = (
            f"crontab refused: {result.text}. Your crontab is as it was. "
            "See that you may use cron (cron.allow, cron.deny)."
        )
        raise ControlError(message)
