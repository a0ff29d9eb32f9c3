"""What a shell asks for: completions, and flags that go together."""

from __future__ import annotations

import click


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
