"""Print what lets your shell complete the verbs and options of this script.

\b
Example: source <(bin/stack completion bash)      in ~/.bashrc, with the full path
         source <(bin/stack completion zsh)       in ~/.zshrc, below compinit
         bin/stack completion fish | source       in ~/.config/fish/config.fish
"""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.ctl.shell import variable

SHELLS = ("bash", "fish", "zsh")


@click.command("completion", help=__doc__)
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def command(ctx: click.Context, *, shell: str) -> None:
    control: Control = ctx.obj
    made = get_completion_class(shell)
    assert made is not None  # noqa: S101 (the choice above)
    text = made(ctx.find_root().command, {}, control.name, variable(control.name))
    click.echo(by_path(text.source(), shell, control.name))


def by_path(source: str, shell: str, name: str) -> str:
    """Let the function run the script as it was typed: it is not on the PATH."""
    if shell == "zsh":
        source = source.replace(f"    (( ! $+commands[{name}] )) && return 1\n", "")
        return source.replace(f"zsh_complete {name})", "zsh_complete ${words[1]})")
    if shell == "fish":
        typed = "(commandline -opc)[1]"
        return source.replace(f"(commandline -t) {name})", f"(commandline -t) {typed})")
    return source
