"""Drop addresses from the cache.

An address takes its query strings, its JSON and its image scales with it. A star
stands for anything: of a pattern all is dropped whose path it matches. A path
alone is enough where there is one site, or with --site.

\b
Example: bin/stack purge https://www.example.com/news
         bin/stack purge 'https://www.example.com/news/*'
         bin/stack purge --site www.example.com
         bin/stack purge --everything --yes
"""

from __future__ import annotations

import sys

import click

from collective.recipe.productionstack.ctl.caching import purging
from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.errors import ControlError


@click.command("purge", help=__doc__)
@click.argument("urls", metavar="[URL]...", nargs=-1)
@click.option("--site", "host", metavar="HOST", help="This site: all of it, or paths.")
@click.option("--everything", "--all", is_flag=True, help="The whole cache.")
@click.option("--yes", is_flag=True, help="Do not ask before everything is dropped.")
@click.pass_obj
def command(
    control: Control, *, urls: tuple[str, ...], host: str, everything: bool, yes: bool
) -> int:
    if everything == bool(urls or host):
        message = "say what to drop: addresses, --site HOST, or --everything alone."
        raise click.UsageError(message)
    stack = control.newest()
    if not (stack.chain.has_cache and stack.writes(stack.chain.proxy_cache)):
        message = f"[{stack.name}] runs no cache, so there is nothing to drop."
        raise ControlError(message)
    if everything:
        _confirm(control, yes=yes)
        purging.ban(control, stack, "obj.status", "!=", "0")
        control.screen.say("the whole cache: dropped")
    else:
        for target in purging.targets(stack, urls, host):
            purging.drop(control, stack, target)
    purging.settle(stack)
    return 0


def _confirm(control: Control, *, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        message = (
            f"nobody is there to ask. Run {control.script} purge --everything --yes."
        )
        raise ControlError(message)
    if not click.confirm("Drop the whole cache? Every page is asked of Plone again"):
        control.screen.say("nothing was dropped.")
        raise click.exceptions.Exit(0)
