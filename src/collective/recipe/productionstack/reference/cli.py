"""The page about the control script."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

WIDE: dict[str, Any] = {
    "help_option_names": ["-h", "--help"],
    "max_content_width": 88,
    "terminal_width": 88,
}


def page() -> Iterator[str]:
    """Yield the blocks of the page about the control script."""
    from collective.recipe.productionstack.ctl.main import group

    context = click.Context(group, info_name="bin/stack", **WIDE)
    yield "# bin/stack"
    yield "The script is called as the part is; here it is `[stack]`."
    yield f"```text\n{group.get_help(context).rstrip()}\n```"
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is not None:
            yield from _verb(name, command, context)


def _verb(name: str, command: click.Command, parent: click.Context) -> Iterator[str]:
    context = click.Context(command, info_name=name, parent=parent, **WIDE)
    yield f"## {name}"
    yield f"```text\n{command.get_help(context).rstrip()}\n```"
