"""``cron``: our fenced block in the user's crontab, the rest untouched."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from pathlib import Path

import click

from collective.recipe.productionstack import run
from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.errors import ControlError

FILE = "crontab"
RETURN = "\\r"
"""How crontab -l of Debian prints a carriage return; or somebody wrote just that."""

NOTHING = "no crontab for"
"""What crontab(1) says where there is none; any other failure is one."""


@click.group("cron", short_help="Show, install or remove the block in your crontab.")
def command() -> None:
    """Show, install or remove the stack's block in your crontab.

    Only the lines between our two fences are ever touched.

    \b
    Example: bin/stack cron show
             bin/stack cron install
    """


@command.command("show")
@click.pass_obj
def show(control: Control) -> None:
    """Print the generated block.

    \b
    Example: bin/stack cron show
    """
    click.echo(block(control), nl=False)


@command.command("install")
@click.pass_obj
def install(control: Control) -> None:
    """Put the block into your crontab, or bring it up to date.

    \b
    Example: bin/stack cron install
    """
    _edit(control, block(control), "installed")


@command.command("remove")
@click.pass_obj
def remove(control: Control) -> None:
    """Take the block out of your crontab.

    \b
    Example: bin/stack cron remove
    """
    _edit(control, "", "removed")


def installed(directory: str, name: str) -> bool:
    """Whether the block of a stack stands in the user's crontab."""
    if run.find("crontab") is None:
        return False
    begin, _ = fences(directory, name)
    return begin in (line.strip() for line in read().splitlines())


def block(control: Control) -> str:
    """Return the generated block with its fences."""
    control.generated()
    folder = control.trees.current()
    path = folder / FILE if folder else None
    if path is None or not path.is_file():
        message = (
            f"[{control.name}] writes no crontab. Add cron to its services, "
            "then run bin/buildout."
        )
        raise ControlError(message)
    text = path.read_text(encoding="utf-8")
    begin, end = fences(str(control.directory), control.name)
    if begin in text.splitlines():
        return text
    return f"{begin}\n{text.rstrip()}\n{end}\n"


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


def read() -> str:
    """Return the user's crontab; empty when there is none."""
    # Bytes, since odd letters of others must survive; LC_ALL, since
    # the words of "no crontab for" must not be translated.
    result = subprocess.run(
        (run.find("crontab") or "crontab", "-l"),
        capture_output=True,
        check=False,
        env={**os.environ, "LC_ALL": "C"},
        stdin=subprocess.DEVNULL,
        timeout=20,
    )
    if result.returncode == 0:
        text = result.stdout.decode("utf-8", "surrogateescape")
        return _unescaped() if RETURN in text else text
    errors = result.stderr.decode(errors="replace").strip()
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


def _edit(control: Control, block: str, done: str) -> None:
    before = read()
    begin, end = fences(str(control.directory), control.name)
    after = edited(before, block, begin, end)
    if after == before:
        control.screen.say(f"cron: nothing to change, the block is {done} already")
        return
    write(after)
    control.screen.say(f"cron: the block is {done}")


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
