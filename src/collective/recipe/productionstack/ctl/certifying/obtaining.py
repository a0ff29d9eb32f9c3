"""One certificate from a CA: nothing changes before it is there, whole and right."""

from __future__ import annotations

import os
import time
from pathlib import Path

from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.ctl.lifecycle import reloading
from collective.recipe.productionstack.daemons import acme
from collective.recipe.productionstack.daemons import pairs
from collective.recipe.productionstack.daemons.acme import Order
from collective.recipe.productionstack.daemons.pairs import OwnPair
from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.machine import run
from collective.recipe.productionstack.machine.net import openssl
from collective.recipe.productionstack.machine.net import tls
from collective.recipe.productionstack.model.site import CHAIN_FILE
from collective.recipe.productionstack.model.site import KEY_FILE
from collective.recipe.productionstack.model.site import VirtualHost
from collective.recipe.productionstack.model.stack import Stack

REQUEST = "request.pem"
ASKING_SECONDS = 300.0
"""A CA may be slow; one that does not answer at all must not hold us for ever."""

BUSY_SECONDS = 600.0
"""Another verb may be at work when the certificate has come."""


def refuse_beforehand(control: Control, stack: Stack) -> None:
    """See that nothing here stands against it: a CA counts what is asked in vain.

    Raises ControlError that says what does.
    """
    if missing := acme.missing(stack.acme.acme):
        raise ControlError(f"{'; '.join(missing)}. Then try again.")
    for folder in (stack.folders.challenges, stack.folders.certificates):
        Path(folder).mkdir(exist_ok=True, mode=0o750)
        if not os.access(folder, os.W_OK | os.X_OK):
            message = (
                f"[{stack.name}] acme = {stack.acme.acme}: {folder} cannot be written, "
                f"so no certificate could come. Run: chmod u+rwx {folder}"
            )
            raise ControlError(message)
    if refused := reloading.refused_as_it_runs(control, stack):
        message = (
            "the configuration that runs is refused as it is, so no certificate could "
            f"be taken in.\n{refused}\nMend that, then try again."
        )
        raise ControlError(message)


def obtain(control: Control, stack: Stack, site: VirtualHost, lock: int) -> None:
    """Get a certificate for all hosts of a site, and let visitors have it.

    ``lock`` is held by the program too, which may outlive us. Raises ControlError where
    none comes or it cannot be used: the one before serves on.
    """
    with pairs.staging(stack) as folder:
        openssl.request(folder, site.hosts, REQUEST, KEY_FILE)
        _ask(stack, site, folder, lock)
        _judge(site, folder)
        # No reload may read the chain before that and the key after it.
        with control.lock(BUSY_SECONDS):
            before = pairs.of(stack, site).install(folder)
            _take_in(control, pairs.of(stack, site), before)


def _take_in(control: Control, pair: OwnPair, before: Path | None) -> None:
    """Let visitors have what was installed; the version before where that fails."""
    try:
        reloading.take_certificates(control)
    except ControlError as error:
        if before is None:
            raise
        pair.use(before)
        _again(control)
        message = f"{error}\nThe certificate before lies there again and serves on."
        raise ControlError(message) from error


def _again(control: Control) -> None:
    """Let the web server read the old pair, if it had read the new one."""
    try:
        reloading.take_certificates(control)
    except ControlError as error:
        control.screen.warn(f"note: {error}")


def _ask(stack: Stack, site: VirtualHost, folder: Path, lock: int) -> None:
    """Let the program get the chain for our request."""
    chain = folder / CHAIN_FILE
    order = Order(
        asked=stack.acme,
        host=site.host,
        request=folder / REQUEST,
        chain=chain,
        webroot=stack.folders.challenges,
        home=f"{stack.folders.var}/{stack.acme.acme}",
    )
    written = acme.written(order)
    written.unlink(missing_ok=True)
    done = run.work(
        acme.command(order),
        timeout=ASKING_SECONDS,
        cwd=folder,
        env=acme.environment(order),
        keep=(lock,),
    )
    if not (done.ok and written.is_file()):
        names = ", ".join(site.hosts)
        message = (
            f"{stack.acme.acme} got no certificate for {names}; what there was serves "
            f"on.{done.said}\nThe CA asks for http://{site.host}/.well-known/"
            "acme-challenge/… on port 80: see that it reaches this stack, for each "
            "of these hosts."
        )
        raise ControlError(message)
    if written != chain:
        written.replace(chain)
    for one in folder.iterdir():
        if one.name not in {CHAIN_FILE, KEY_FILE}:
            one.unlink()


def _judge(site: VirtualHost, folder: Path) -> None:
    """See that what came can be used; nothing has been replaced yet."""
    chain, key = folder / CHAIN_FILE, folder / KEY_FILE
    try:
        first = tls.in_file(str(chain))[0]
        begins, ends = tls.validity(first)
        names = tls.names(first)
    except (OSError, ValueError) as error:
        trouble = str(error)
    else:
        trouble = tls.unusable(str(chain), str(key))
        if left := [one for one in site.hosts if not tls.covers(names, one)]:
            trouble = f"it is for {', '.join(names)}, not for {', '.join(left)}"
        elif not begins <= time.time() < ends:
            trouble = "it is not valid now. Is this machine's clock right?"
    if trouble:
        message = (
            f"the CA's certificate for {site.host} cannot be used: {trouble}; what "
            "there was serves on. Ask the CA, or try again."
        )
        raise ControlError(message)
