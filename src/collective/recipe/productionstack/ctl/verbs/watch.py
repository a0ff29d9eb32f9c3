"""Look after the programs; supervisor runs it.

A client over memory-limit is restarted as restart does it. One that ends again
and again is stopped while others serve. What is wrong is told to alert-mail and
alert-webhook, and when it is well again. Maintenance pauses it.

\b
Example: bin/stack watch --test
"""

from __future__ import annotations

import click

from collective.recipe.productionstack.ctl.alerts import Alert
from collective.recipe.productionstack.ctl.alerts import Post
from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.ctl.watching import watchdog
from collective.recipe.productionstack.ctl.watching.watchdog import Watchdog
from collective.recipe.productionstack.errors import ControlError


@click.command("watch", help=__doc__)
@click.option("--test", is_flag=True, help="Send a test alert instead, and end.")
@click.option(
    "--interval",
    default=watchdog.LOOK_SECONDS,
    show_default=True,
    type=click.FloatRange(min=0.2),
    metavar="SECONDS",
    help="Look as often.",
)
@click.pass_obj
def command(control: Control, *, test: bool, interval: float) -> int:
    if test:
        return _test(control)
    Watchdog(control).watch(interval)
    return 0


def _test(control: Control) -> int:
    stack = control.generated()
    if not (stack.watching.mail or stack.watching.webhook):
        message = (
            "alerts go to the watchdog's log alone. Set alert-mail or alert-webhook in "
            f"[{stack.name}] and run bin/buildout."
        )
        raise ControlError(message)
    post = Post(control.screen.warn)
    post.send(stack, Alert("this is a test", f"Sent by {control.script} watch --test"))
    if post.waiting:
        raise ControlError("the test alert was not delivered; see above.")
    control.screen.say("watch: the test alert was handed over")
    return 0
