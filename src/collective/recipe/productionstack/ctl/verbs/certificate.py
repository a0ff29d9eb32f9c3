"""Show how long the sites' certificates last; take renewed ones in (certificate renew).

Whatever renews the files may call the latter; the crontab does it every day. The
exit status is 1 where a certificate is over, or should have been renewed by now.

\b
Example: bin/stack certificate
         bin/stack certificate renew
"""

from __future__ import annotations

import click

from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.ctl.lifecycle import reloading
from collective.recipe.productionstack.ctl.lifecycle import survey
from collective.recipe.productionstack.ctl.shell import Guessing
from collective.recipe.productionstack.ctl.watching.certificates import line
from collective.recipe.productionstack.daemons import certificates

BUSY_SECONDS = 600.0
"""Another verb may be at work when the crontab's turn comes."""


@click.group("certificate", cls=Guessing, help=__doc__, invoke_without_command=True)
@click.pass_context
def command(ctx: click.Context) -> int | None:
    return _show(ctx.obj) if ctx.invoked_subcommand is None else None


@command.command("status")
@click.pass_obj
def status(control: Control) -> int:
    """Show which certificates there are and how long they last.

    \b
    Example: bin/stack certificate status
    """
    return _show(control)


@command.command("renew")
@click.pass_obj
def renew(control: Control) -> int:
    """Let the web server take in certificates whose files were renewed.

    Nothing else changes: a configuration that was generated since waits for reload.

    \b
    Example: bin/stack certificate renew
    """
    if not survey.take(control.newest()).answers:
        control.screen.say("nothing runs: up starts with the files that lie there")
        return 0
    with control.lock(BUSY_SECONDS):
        taken = reloading.take_certificates(control)
    for path in taken:
        control.screen.say(f"visitors get what lies in {path}")
    if not taken:
        control.screen.say("visitors get what lies in the files: nothing to take in")
    return 0


def _show(control: Control) -> int:
    found = certificates.look(control.newest(), 2)
    for one in found:
        control.screen.say(line(control, one))
    if not found:
        control.screen.say("no site has a certificate")
    return 0 if all(one.ok for one in found) else 1
