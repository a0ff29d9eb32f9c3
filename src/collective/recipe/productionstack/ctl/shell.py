"""What a shell asks for: completions, words that are meant, flags that go together."""

from __future__ import annotations

from difflib import get_close_matches

import click

FEW = 6
"""Fewer commands than these are named where none of them may be meant."""


class Guessing(click.Group):
    """A group that says which of its commands a mistyped one may be."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command.

        Raises UsageError that names the one which may be meant.
        """
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            known = [one for one in self.list_commands(ctx) if not self.is_hidden(one)]
            near = get_close_matches(args[0], known, 1)
            if near and near[0] not in error.message:
                text = f"{error.message} Did you mean {near[0]}?"
                raise click.UsageError(text, ctx) from error
            if not near and len(known) < FEW:
                text = f"{error.message} There are: {', '.join(known)}."
                raise click.UsageError(text, ctx) from error
            raise

    def is_hidden(self, name: str) -> bool:
        """Whether a command that is known is shown nowhere."""
        return name in self.commands and self.commands[name].hidden


def refuse_together(**given: object) -> None:
    """See that at most one of these options is asked for; named like their flags.

    Raises UsageError that names those which contradict each other.
    """
    asked = [f"--{name.strip('_').replace('_', '-')}" for name in given if given[name]]
    if len(asked) > 1:
        names = f"{', '.join(asked[:-1])} and {asked[-1]}"
        raise click.UsageError(f"{names} do not go together.")


def variable(name: str) -> str:
    """Return the variable that asks the script of a stack."""
    return f"_{name}_COMPLETE".replace("-", "_").replace(".", "_").upper()
