"""``bin/stack``: the verbs, each imported only when it is asked for."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from typing import NoReturn

import click

from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.errors import StackError
from collective.recipe.productionstack.errors import printable

PACKAGE = __package__
VERBS = {
    "up": ("up:command", "Start everything in order and wait until it answers."),
    "down": ("down:command", "Stop everything cleanly."),
    "status": ("status:command", "Show what runs and answers."),
    "check": (
        "check:command",
        "Ask the daemons whether they accept the configuration.",
    ),
    "diff": ("diff:command", "Compare the generated with the applied configuration."),
    "reload": (
        "reload:command",
        "Apply the generated configuration, dropping nothing.",
    ),
    "rollback": ("reload:rollback", "Go back to the previous configuration."),
    "restart": ("restart:command", "Restart clients, without a lost request."),
    "drain": ("drain:drain", "Give clients no new requests."),
    "ready": ("drain:ready", "Let drained clients have visitors again."),
    "add": ("drain:add", "Let HAProxy know one more client for now."),
    "remove": ("drain:remove", "Let HAProxy forget a client for now."),
    "debug": ("debug:command", "Start the debug client, and say how to reach it."),
    "boot": ("boot:command", "Come up after a reboot."),
    "watch": ("watchdog:command", "Look after the programs; supervisor runs it."),
    "maintenance": (
        "maintenance:command",
        "Show visitors a clean page while you work.",
    ),
    "backup": ("backup:command", "Back up the database, and judge the result."),
    "verify-backup": (
        "verify_backup:command",
        "Restore a backup into scratch and read it.",
    ),
    "restore": ("restore:command", "Put a verified backup in the place of the data."),
    "sync-backup": (
        "sync_backup:command",
        "Copy the newest backup to sync-target.",
    ),
    "pack": ("pack:command", "Pack the database, and judge the result."),
    "cron": ("cron:command", "Show, install or remove the block in your crontab."),
    "explain": ("explain:command", "Show the topology, or the option behind a line."),
    "plone-caching": (
        "plone_caching:command",
        "Let Plone's pages be cached and purged.",
    ),
    "purge": ("purge:command", "Drop addresses from the cache."),
    "purge-check": (
        "purge_check:command",
        "Prove that an edit's PURGE empties the cache.",
    ),
    "supervisord": ("daemon:command", ""),
}
"""Verb: the module and member that holds it, and its line in ``--help``."""

HIDDEN = frozenset({"supervisord"})


class Verbs(click.Group):
    """The verbs, found without importing any of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the verbs in the order of their use."""
        del ctx
        return [name for name in VERBS if name not in HIDDEN and _is_there(name)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one verb."""
        del ctx
        if cmd_name not in VERBS or not _is_there(cmd_name):
            return None
        module, _, member = VERBS[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(f"{PACKAGE}.{module}"), member)
        return command

    def format_commands(
        self, ctx: click.Context, formatter: click.HelpFormatter
    ) -> None:
        """List the verbs with their lines."""
        with formatter.section("Verbs"):
            formatter.write_dl(
                [(name, VERBS[name][1]) for name in self.list_commands(ctx)]
            )


def _is_there(verb: str) -> bool:
    return find_spec(f"{PACKAGE}.{VERBS[verb][0].partition(':')[0]}") is not None


@click.command(
    cls=Verbs,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 88},
    epilog="Every verb tells more: --help behind it shows an example.",
)
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
        error.show()
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
        status = _say(f"{error}. Mend that, then run the same command again.")
    sys.exit(status)


def _run(directory: str, name: str, arguments: Sequence[str] | None) -> int:
    result: Any = group.main(
        args=arguments,
        prog_name=f"bin/{name}",
        obj=(directory, name),
        standalone_mode=False,
    )
    return int(result or 0)


def _say(text: str) -> int:
    click.echo(f"Error: {text}", err=True)
    return 1
