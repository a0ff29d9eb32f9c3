"""``boot``: come up after a reboot, without root."""

from __future__ import annotations

import os
import shlex
import tempfile
from pathlib import Path

import click

from collective.recipe.productionstack import run
from collective.recipe.productionstack.ctl import crontab
from collective.recipe.productionstack.ctl import startup
from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.errors import ControlError

SECONDS = 900
"""Disks and networks are slow right after a reboot; ZEO may come late."""

UNIT = """\
# Written by {script} boot install --systemd; {script} boot remove deletes it.
[Unit]
Description=Production stack [{name}] in {folder}
After=network.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart="{program}" --quiet up --timeout {seconds}
ExecStop="{program}" --quiet down
TimeoutStartSec={limit}
TimeoutStopSec=300

[Install]
WantedBy=default.target
"""


@click.group("boot", invoke_without_command=True, short_help="Come up after a reboot.")
@click.pass_context
def command(ctx: click.Context) -> None:
    """Print how this stack comes up after a reboot, and whether it does.

    \b
    Example: bin/stack boot
             bin/stack boot install
             bin/stack boot install --systemd
    """
    if ctx.invoked_subcommand is None:
        _show(ctx.obj)


@command.command("install")
@click.option(
    "--systemd", is_flag=True, help="A systemd unit of your own, not the crontab."
)
@click.pass_obj
def install(control: Control, *, systemd: bool) -> int:
    """Put a line into your crontab, or a unit into your systemd, never both.

    \b
    Example: bin/stack boot install
    """
    if systemd:
        _install_unit(control)
        _edit(control, "")
    else:
        _remove_unit(control)
        _edit(control, line(control))
    control.screen.say(f"boot: {how(control)}")
    return 0


@command.command("remove")
@click.pass_obj
def remove(control: Control) -> int:
    """Take back what install has put in place.

    \b
    Example: bin/stack boot remove
    """
    _remove_unit(control)
    _edit(control, "")
    control.screen.say(f"boot: {how(control)}")
    return 0


def how(control: Control, timeout: float = 20) -> str:
    """Say in a few words what starts the stack after a reboot."""
    kind = startup.installed(str(control.directory), control.name, timeout)
    if kind == "crontab":
        return "the @reboot line of your crontab starts it"
    if kind == "systemd":
        user = _user()
        lingers = Path("/var/lib/systemd/linger", user).exists()
        late = "" if lingers else f", once root has run: loginctl enable-linger {user}"
        return f"your systemd unit {_unit_path(control).name} starts it{late}"
    return f"nothing starts it: {control.script} boot install"


def line(control: Control) -> str:
    """Return the fenced line for the crontab."""
    begin, end = _fences(control)
    program = shlex.quote(_program(control))
    return (
        f"{begin}\n@reboot umask 027; {program} --quiet up --timeout {SECONDS}\n{end}\n"
    )


def unit(control: Control) -> str:
    """Return the systemd user unit."""
    return UNIT.format(
        script=control.script,
        name=control.name,
        folder=control.directory,
        program=_program(control),
        seconds=SECONDS,
        limit=SECONDS + 60,
    )


def _show(control: Control) -> None:
    control.generated()
    screen = control.screen
    screen.say(f"After a reboot: {how(control)}")
    screen.say(f"\nWith cron ({control.script} boot install):\n\n{line(control)}")
    screen.say(
        f"With systemd, as your own unit ({control.script} boot install --systemd); "
        f"root runs once: loginctl enable-linger {_user()}\n\n{unit(control)}"
    )


def _install_unit(control: Control) -> None:
    path = _unit_path(control)
    text = unit(control)
    path.parent.mkdir(parents=True, exist_ok=True)
    before = path.read_text(encoding="utf-8") if path.exists() else None
    path.write_text(text, encoding="utf-8")
    checked = _verified(path)
    if not checked.ok and checked.status != run.NOT_STARTED:
        if before is None:
            path.unlink()
        else:
            path.write_text(before, encoding="utf-8")
        message = f"systemd refuses the unit; nothing was changed.\n{checked.text}"
        raise ControlError(message)
    _enable(control, path)


def _verified(path: Path) -> run.Result:
    """Ask systemd-analyze, which wants a runtime folder even where none is used."""
    with tempfile.TemporaryDirectory() as scratch:
        env = {"XDG_RUNTIME_DIR": scratch, **os.environ}
        command = ("systemd-analyze", "--user", "verify", str(path))
        return run.run(command, env=env, timeout=60)


def _enable(control: Control, path: Path) -> None:
    """Let systemd start it with the user's manager; without one by a link of ours."""
    enabled = run.run(("systemctl", "--user", "enable", path.name), timeout=30)
    if enabled.ok:
        return
    wanted = path.parent / "default.target.wants" / path.name
    wanted.parent.mkdir(exist_ok=True)
    if not wanted.is_symlink():
        wanted.symlink_to(path)
    control.screen.warn(
        "note: your systemd does not answer now; it finds the unit later"
    )


def _remove_unit(control: Control) -> None:
    path = _unit_path(control)
    if path.exists():
        run.run(("systemctl", "--user", "disable", path.name), timeout=30)
        (path.parent / "default.target.wants" / path.name).unlink(missing_ok=True)
        path.unlink()


def _edit(control: Control, block: str) -> None:
    before = crontab.read()
    begin, end = _fences(control)
    after = crontab.edited(before, block, begin, end)
    if after != before:
        crontab.write(after)


def _fences(control: Control) -> tuple[str, str]:
    return crontab.fences(str(control.directory), startup.line_name(control.name))


def _unit_path(control: Control) -> Path:
    return startup.unit_path(str(control.directory), control.name)


def _program(control: Control) -> str:
    return f"{control.generated().folders.bin}/{control.name}"


def _user() -> str:
    import pwd

    return pwd.getpwuid(os.getuid()).pw_name
