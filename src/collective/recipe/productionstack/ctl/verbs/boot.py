"""Come up after a reboot.

Print how this stack comes up after a reboot, and whether it does.

\b
Example: bin/stack boot
         bin/stack boot install
         bin/stack boot install --systemd
"""

from __future__ import annotations

import click

from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.ctl.lifecycle import boot
from collective.recipe.productionstack.ctl.shell import Guessing
from collective.recipe.productionstack.daemons.cron import control as crontab
from collective.recipe.productionstack.daemons.cron import rivals
from collective.recipe.productionstack.daemons.systemd.control import linger
from collective.recipe.productionstack.daemons.systemd.control import user


@click.group("boot", cls=Guessing, help=__doc__, invoke_without_command=True)
@click.pass_context
def command(ctx: click.Context) -> None:
    if ctx.invoked_subcommand is None:
        _show(ctx.obj)


@command.command("install")
@click.option(
    "--systemd", is_flag=True, help="A systemd unit of your own, not the crontab."
)
@click.pass_obj
def install(control: Control, *, systemd: bool) -> int:
    """Put two lines into your crontab, or a unit into your systemd, never both.

    Only systemd stops everything in order at shutdown.

    \b
    Example: bin/stack boot install
    """
    if systemd:
        _install_unit(control)
        _edit(control, "")
    else:
        boot.unit(control).remove()
        _edit(control, boot.line(control))
    control.screen.tell(f"boot: {boot.how(control)}")
    for text in boot.warnings(control):
        control.screen.warn(f"note: {text}")
    for text in rivals.warnings(control.newest(), crontab.read()):
        control.screen.warn(text)
    return 0


@command.command("may-start", hidden=True)
@click.pass_obj
def may_start(control: Control) -> int:
    """Say to the unit by the exit status whether it is to start anything."""
    if boot.runs_outside(control):
        control.screen.fail(boot.OUTSIDE.format(script=control.script))
        return 1
    return 0


@command.command("remove")
@click.pass_obj
def remove(control: Control) -> int:
    """Take back what install has put in place.

    \b
    Example: bin/stack boot remove
    """
    boot.unit(control).remove()
    _edit(control, "")
    control.screen.tell(f"boot: {boot.how(control)}")
    return 0


def _show(control: Control) -> None:
    control.generated()
    screen = control.screen
    screen.tell(f"After a reboot: {boot.how(control)}")
    screen.say(f"\nWith cron ({control.script} boot install):\n\n{boot.line(control)}")
    screen.tell(
        f"With systemd, as your own unit ({control.script} boot install --systemd); "
        f"root runs once: loginctl enable-linger {user()}\n"
    )
    screen.say(boot.unit_text(control))


def _install_unit(control: Control) -> None:
    linger()
    if not boot.unit(control).install(boot.unit_text(control)):
        control.screen.warn(
            "note: your systemd does not answer now; it finds the unit later"
        )


def _edit(control: Control, block: str) -> None:
    before = crontab.read()
    begin, end = boot.fences(control)
    after = crontab.edited(before, block, begin, end)
    if after != before:
        crontab.write(after)
