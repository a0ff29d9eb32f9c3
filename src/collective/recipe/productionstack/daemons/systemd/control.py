"""A unit in the user's own systemd."""

from __future__ import annotations

import hashlib
import os
import pwd
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.machine import processes
from collective.recipe.productionstack.machine import run

STOP_SECONDS = 100
"""What systemd lets `down` take: the user's manager itself has two minutes."""

UNIT = """\
# Written by bin/{name} boot install --systemd; bin/{name} boot remove deletes it.
[Unit]
Description=Production stack [{name}] in {directory}
# What does not come up is tried again, for as long as it takes.
StartLimitIntervalSec=0

[Service]
# systemd looks after supervisord. When that was killed, the programs run on
# (KillMode) until up, started again, has replaced them one by one.
Type=forking
PIDFile={pid_file}
UMask=0027
ExecCondition="{program}" --quiet boot may-start
ExecStart="{program}" --quiet up --timeout {seconds}
ExecStop=-"{program}" --quiet down
# Also for what was just coming up; not after a failure, see down.
ExecStopPost=-"{program}" --quiet down
Restart=on-failure
RestartSec=10
KillMode=process
# One client killed for its memory is supervisord's business.
OOMPolicy=continue
TimeoutStartSec={limit}
# The manager itself is given two minutes at shutdown.
TimeoutStopSec={stop}

[Install]
WantedBy=default.target
"""


@dataclass(frozen=True, slots=True)
class Unit:
    """The unit of one stack: the buildout's folder and the stack's name."""

    directory: str
    name: str

    @property
    def path(self) -> Path:
        """Where it lies; the folder is part of its name."""
        number = hashlib.sha256(self.directory.encode()).hexdigest()[:8]
        home = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
        return Path(home, "systemd/user", f"{self.name}-{number}.service")

    def text(self, program: str, pid_file: str, seconds: int) -> str:
        """Return what it holds: ``program`` is given so many seconds to start all."""
        return UNIT.format(
            name=self.name,
            directory=self.directory,
            program=program,
            pid_file=pid_file,
            seconds=seconds,
            limit=seconds + 60,
            stop=STOP_SECONDS,
        )

    def owns(self, pid: int) -> bool:
        """Whether a process lives in it: whoever it starts does, and their children."""
        return self.path.name in processes.control_groups(pid)

    def is_loaded(self) -> bool:
        """Whether the user's manager answers and knows it."""
        command = ("show", "--property=LoadState", self.path.name)
        return _systemctl(*command, timeout=5).output.strip() == "LoadState=loaded"

    def start(self, seconds: float) -> run.Result:
        """Let the manager start it; return how that ended."""
        return _systemctl("start", self.path.name, timeout=seconds)

    def end(self) -> None:
        """Let the manager end it, where it is there, and start it no more."""
        if self.path.exists():
            _systemctl("stop", self.path.name, timeout=STOP_SECONDS)
            _systemctl("reset-failed", self.path.name)

    def install(self, text: str) -> bool:
        """Write it and let systemd start it; False where no manager answers now.

        Raises ControlError when systemd refuses it; nothing is changed then.
        """
        path = self.path
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
        return _enable(path)

    def remove(self) -> None:
        """Take it away, where it is there; what it has started runs on."""
        path = self.path
        if path.exists():
            _systemctl("disable", path.name)
            _wanted(path).unlink(missing_ok=True)
            path.unlink()
            # Else the manager keeps it, and starts it again, until the next boot.
            _systemctl("daemon-reload")
            _systemctl("reset-failed", path.name)


LINGERING = "/var/lib/systemd/linger"


def lingers() -> bool:
    """Whether this user's manager runs from boot to shutdown, logged in or not."""
    return Path(LINGERING, user()).exists()


def linger() -> bool:
    """Ask for that, as oneself, with no password; return whether it is so now."""
    if not lingers():
        run.run(("loginctl", "--no-ask-password", "enable-linger"), timeout=10)
    return lingers()


def user() -> str:
    """Return the name of the user who runs this."""
    return pwd.getpwuid(os.getuid()).pw_name


def _systemctl(*words: str, timeout: float = 30) -> run.Result:
    return run.run(("systemctl", "--user", *words), env=_environment(), timeout=timeout)


def _environment() -> Mapping[str, str]:
    """Return how the manager is found, also by cron and after su."""
    return {"XDG_RUNTIME_DIR": f"/run/user/{os.getuid()}", **os.environ}


def _verified(path: Path) -> run.Result:
    """Ask systemd-analyze, which wants a runtime folder even where none is used."""
    with tempfile.TemporaryDirectory() as scratch:
        env = {"XDG_RUNTIME_DIR": scratch, **os.environ}
        command = ("systemd-analyze", "--user", "verify", str(path))
        return run.run(command, env=env, timeout=60)


def _enable(path: Path) -> bool:
    """Let the user's manager start it; without one by a link of ours."""
    # An earlier text of it may be known already.
    _systemctl("daemon-reload")
    enabled = _systemctl("enable", path.name)
    if not enabled.ok:
        wanted = _wanted(path)
        wanted.parent.mkdir(exist_ok=True)
        if not wanted.is_symlink():
            wanted.symlink_to(path)
    return enabled.ok


def _wanted(path: Path) -> Path:
    return path.parent / "default.target.wants" / path.name
