"""Start supervisord in the background, in an environment that is ours alone."""

from __future__ import annotations

import os
import pwd
import resource
import sys
from pathlib import Path

from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.ctl.lifecycle import boot
from collective.recipe.productionstack.ctl.lifecycle import survey
from collective.recipe.productionstack.daemons import pairs
from collective.recipe.productionstack.daemons.supervisor.control import Supervisor
from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.machine import own_processes
from collective.recipe.productionstack.machine import run
from collective.recipe.productionstack.machine import waiting
from collective.recipe.productionstack.machine.files import make_private
from collective.recipe.productionstack.model.stack import Stack

PATH = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"
KEPT = ("LANG", "LANGUAGE", "TZ", "TMPDIR")
PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "all_proxy")
LOOPBACK = ("127.0.0.1", "localhost")
WANTED_FILES = 65536
PATIENCE = 15
"""Seconds that supervisord has to answer after its start."""


def ensure(control: Control, stack: Stack) -> Supervisor:
    """Return the running supervisord, started when there is none.

    Raises ControlError when it hangs, or does not start.
    """
    seen = survey.take(stack)
    if seen.answers:
        return survey.connect(stack)
    if seen.supervisor and not Path(stack.socket("supervisor").path).exists():
        # Nobody can reach it any more, nor the others: they are replaced like what
        # a killed one left.
        control.screen.warn("the sockets are gone: starting another supervisord")
        survey.end([seen.supervisor], "KILL", PATIENCE)
        seen = survey.take(stack)
    if seen.supervisor:
        message = (
            f"supervisord runs (pid {seen.supervisor}) but does not answer on "
            f"{stack.socket('supervisor')}. Run {control.script} down, "
            f"then {control.script} up."
        )
        raise ControlError(message)
    if not _ask_unit(control, stack):
        _start(control, stack)
    return survey.connect(stack)


def _ask_unit(control: Control, stack: Stack) -> bool:
    """Let the unit start it, where there is one; return whether it did."""
    if not boot.may_ask(control):
        return False
    done = boot.ask(control)
    if survey.take(stack).answers:
        return True
    why = done.text or "its unit is active without one"
    control.screen.warn(
        f"note: systemd did not start supervisord ({why}); starting it from here"
    )
    return False


def _start(control: Control, stack: Stack) -> None:
    make_folders(stack)
    script = f"{stack.folders.bin}/{control.name}"
    # It daemonizes itself: only then does it use the umask of its configuration.
    started = run.run(
        (sys.executable, script, "supervisord"),
        cwd=stack.folders.buildout,
        env=environment(stack),
        timeout=60,
    )
    supervisor = survey.connect(stack, timeout=2)
    if started.ok and waiting.until(supervisor.answers, PATIENCE, 0.05):
        return
    message = (
        f"supervisord did not start.{started.said}\n"
        f"See {stack.folders.log}/{stack.name}-supervisord.log, "
        f"mend that, then run {control.script} up again."
    )
    raise ControlError(message)


def environment(stack: Stack) -> dict[str, str]:
    """Return what programs inherit: nothing of the shell that happens to start them."""
    user = pwd.getpwuid(os.getuid())
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in KEPT or name.startswith("LC_") or name.lower() in PROXIES
    }
    return {
        **kept,
        **_no_proxy(),
        "HOME": user.pw_dir,
        "LOGNAME": user.pw_name,
        "PATH": PATH,
        "USER": user.pw_name,
        own_processes.STACK_MARK: stack.folders.var,
        own_processes.PROGRAM_MARK: own_processes.SUPERVISOR,
    }


def _no_proxy() -> dict[str, str]:
    """Keep purges from the proxy: Plone would send those for the loopback there too."""
    known = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    hosts = [host.strip() for host in known.split(",") if host.strip()]
    text = ",".join(dict.fromkeys((*hosts, *LOOPBACK)))
    return {"NO_PROXY": text, "no_proxy": text}


def raise_limit() -> None:
    """Allow as many open files as there may be, and never ask for more."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    endless = hard == resource.RLIM_INFINITY
    soft = WANTED_FILES if endless else min(hard, WANTED_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def make_folders(stack: Stack) -> None:
    """Make the folders that programs need, private where sockets and state are."""
    var = Path(stack.folders.var)
    var.mkdir(parents=True, exist_ok=True, mode=0o700)
    var.chmod(0o700)
    # Where certbot and lego lay down what the certificate's issuer asks for.
    Path(stack.folders.challenges).mkdir(exist_ok=True, mode=0o750)
    pairs.make_missing(stack)
    Path(stack.folders.log).mkdir(parents=True, exist_ok=True, mode=0o750)
    if stack.folders.sockets != stack.folders.var:
        make_private(Path(stack.folders.sockets))
    for program in stack.announced.programs:
        for address in program.listens:
            if address.path:
                Path(address.path).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
