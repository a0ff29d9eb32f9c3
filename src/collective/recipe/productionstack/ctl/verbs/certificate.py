"""Show how long certificates last; get and renew them (certificate obtain, renew).

Whatever renews files of your own may call the latter; the crontab does it every day.
The exit status is 1 where a certificate is over, should have been renewed by now, or
is a self-signed one that everybody gets.

\b
Example: bin/stack certificate
         bin/stack certificate obtain
         bin/stack certificate renew
"""

from __future__ import annotations

import click

from collective.recipe.productionstack.ctl.certifying import renewing
from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.ctl.lifecycle import reloading
from collective.recipe.productionstack.ctl.lifecycle import survey
from collective.recipe.productionstack.ctl.shell import Guessing
from collective.recipe.productionstack.ctl.watching.certificates import line
from collective.recipe.productionstack.daemons import certificates
from collective.recipe.productionstack.daemons import pairs
from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.model.site import VirtualHost
from collective.recipe.productionstack.model.stack import Stack

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


@command.command("obtain")
@click.argument("hosts", nargs=-1, metavar="[HOST…]")
@click.pass_obj
def obtain(control: Control, hosts: tuple[str, ...]) -> int:
    """Get certificates from the CA, each for all hosts of a site (option acme).

    Those that are due; for a HOST in any case. Visitors get them at once; where the
    web server refuses one, the one before serves on.

    \b
    Example: bin/stack certificate obtain
             bin/stack certificate obtain www.example.com
    """
    stack = control.newest()
    _refuse_useless(control, stack)
    wanted = [_site(control, stack, one) for one in hosts]
    if not survey.take(stack).answers:
        message = f"nothing runs, so no CA could ask us. Run {control.script} up first."
        raise ControlError(message)
    renewing.get(control, stack, list(dict.fromkeys(wanted)) if hosts else None)
    return 0


@command.command("renew")
@click.pass_obj
def renew(control: Control) -> int:
    """Get what has less than a third of its lifetime left; take in renewed files.

    Nothing else changes: a configuration that was generated since waits for reload.

    \b
    Example: bin/stack certificate renew
    """
    stack = control.newest()
    if not survey.take(stack).answers:
        control.screen.say("nothing runs: up starts with the files that lie there")
        return 0
    with control.lock(BUSY_SECONDS):
        taken = reloading.take_certificates(control)
    for path in taken:
        control.screen.say(f"visitors get what lies in {path}")
    if not taken:
        control.screen.say("visitors get what lies in the files: nothing to take in")
    if pairs.sites(stack):
        renewing.renew(control, stack)
    return 0


def _refuse_useless(control: Control, stack: Stack) -> None:
    if pairs.sites(stack):
        return
    waits = any(one.acme for one in control.generated().virtual_hosts)
    message = "no site gets its certificate from a CA. " + (
        f"Run {control.script} reload first: that is generated, but not applied."
        if waits
        else "Write acme = certbot (or lego), run bin/buildout, then "
        f"{control.script} reload."
    )
    raise ControlError(message)


def _site(control: Control, stack: Stack, host: str) -> VirtualHost:
    for site in stack.virtual_hosts:
        if host.lower() in site.hosts:
            if site.acme:
                return site
            message = f"{host} has a certificate of its own: {site.certificate}"
            raise ControlError(
                f"{message}. Renew that, or take it out of {site.option}."
            )
    known = " ".join(one.host for one in pairs.sites(stack))
    message = f"no site has the host {host}. There are: {known}"
    raise ControlError(f"{message}. Then: {control.script} certificate obtain HOST")


def _show(control: Control) -> int:
    found = certificates.look(control.newest(), 2)
    for one in found:
        control.screen.say(line(control, one))
    if not found:
        control.screen.say("no site has a certificate")
    return 0 if all(one.ok for one in found) else 1
