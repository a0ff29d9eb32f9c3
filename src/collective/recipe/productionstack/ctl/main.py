"""``bin/stack``: the verbs, each imported only when it is asked for."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from io import StringIO
from pathlib import Path
from typing import Any
from typing import NoReturn

import click

from collective.recipe.productionstack.ctl.screen import fail
from collective.recipe.productionstack.ctl.shell import Guessing
from collective.recipe.productionstack.ctl.shell import variable
from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.errors import StackError
from collective.recipe.productionstack.errors import printable

FOLDER = Path(__file__).with_name("verbs")

VERBS = (
    *("up", "down", "status", "check", "diff", "reload", "rollback"),
    *("restart", "drain", "ready", "add", "remove", "debug", "boot", "watch"),
    *("maintenance", "backup", "verify-backup", "restore", "sync-backup", "pack"),
    *("create-site", "plone-caching", "purge", "purge-check"),
    *("certificate", "cron", "explain", "completion"),
    "supervisord",
)
"""In the order of their use; each is a module in ``verbs/`` of that name."""

HIDDEN = frozenset({"supervisord"})


class Verbs(Guessing):
    """The verbs, found without importing any of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the verbs in the order of their use."""
        del ctx
        return [name for name in VERBS if name not in HIDDEN]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one verb."""
        del ctx
        if cmd_name not in VERBS:
            return None
        # What is imported stays: looking through it for garbage takes a twentieth.
        gc.disable()
        module = import_module(f"{__package__}.verbs.{_module(cmd_name)}")
        gc.enable()
        command: click.Command = module.command
        return command

    def format_commands(
        self, ctx: click.Context, formatter: click.HelpFormatter
    ) -> None:
        """List the verbs, each with the first line of its module."""
        with formatter.section("Verbs"):
            formatter.write_dl(
                [(name, sentence(name)) for name in self.list_commands(ctx)]
            )


def _module(verb: str) -> str:
    return verb.replace("-", "_")


def sentence(verb: str) -> str:
    """Read a verb's sentence from its file: importing all would take half a second."""
    with (FOLDER / f"{_module(verb)}.py").open(encoding="utf-8") as stream:
        return stream.readline().strip().strip('"')


@click.command(
    cls=Verbs,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 88},
    epilog="Every verb tells more: --help behind it shows an example.",
)
@click.version_option(package_name="collective.recipe.productionstack")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors.")
@click.pass_context
def group(ctx: click.Context, *, quiet: bool) -> None:
    """Control the production stack of this buildout."""
    from collective.recipe.productionstack.ctl.control import Control

    directory, name = ctx.obj
    _refuse_root(name)
    ctx.obj = Control(Path(directory), name, quiet=quiet)


def _refuse_root(name: str) -> None:
    if os.geteuid() == 0 and os.environ.get("BUILDOUT_ALLOW_ROOT") != "1":
        message = (
            f"bin/{name} does not run as root: every daemon would. "
            "Run it as the user who owns the buildout."
        )
        raise ControlError(message)


def main(directory: str, name: str, arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the verb that the command line names, and exit with its status."""
    try:
        status = _run(directory, name, arguments)
    except click.ClickException as error:
        shown = StringIO()
        error.show(shown)
        fail(shown.getvalue().rstrip())
        status = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        status = _say(f"interrupted. Run bin/{name} status to see what runs now.")
    except StackError as error:
        status = _say(printable(str(error), limit=8000))
    except BrokenPipeError:
        # Who read our output has left; Python must not complain at its own end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 1
    except OSError as error:
        somebody = _somebody_else(error, directory, name)
        mend = f"{error}. Mend that, then run the same command again."
        status = _say(somebody or mend)
    sys.exit(status)


def _somebody_else(error: OSError, directory: str, name: str) -> str:
    """Say whose buildout it is where that is why something is not allowed."""
    if not isinstance(error, PermissionError):
        return ""
    folder = Path(directory)
    try:
        owner, own = folder.owner(), folder.stat().st_uid == os.geteuid()
    except (OSError, KeyError):
        return ""
    if own:
        return ""
    return (
        f"{error.filename or folder} is not open to you. This buildout is {owner}'s: "
        f"sudo -u {owner} {folder / 'bin' / name} does it as {owner}."
    )


def _run(directory: str, name: str, arguments: Sequence[str] | None) -> int:
    result: Any = group.main(
        args=arguments,
        prog_name=f"bin/{name}",
        obj=(directory, name),
        complete_var=variable(name),
        standalone_mode=False,
    )
    return int(result or 0)


def _say(text: str) -> int:
    fail(f"Error: {text}")
    return 1
