"""A unit in the user's own systemd."""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.machine import run

UNIT = """\
# Written by bin/{name} boot install --systemd; bin/{name} boot remove deletes it.
[Unit]
Description=Production stack [{name}] in {directory}
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

    def text(self, program: str, seconds: int) -> str:
        """Return what it holds: ``program`` is given so many seconds to start all."""
        return UNIT.format(
            name=self.name,
            directory=self.directory,
            program=program,
            seconds=seconds,
            limit=seconds + 60,
        )

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
            run.run(("systemctl", "--user", "disable", path.name), timeout=30)
            _wanted(path).unlink(missing_ok=True)
            path.unlink()


def _verified(path: Path) -> run.Result:
    """Ask systemd-analyze, which wants a runtime folder even where none is used."""
    with tempfile.TemporaryDirectory() as scratch:
        env = {"XDG_RUNTIME_DIR": scratch, **os.environ}
        command = ("systemd-analyze", "--user", "verify", str(path))
        return run.run(command, env=env, timeout=60)


def _enable(path: Path) -> bool:
    """Let the user's manager start it; without one by a link of ours."""
    enabled = run.run(("systemctl", "--user", "enable", path.name), timeout=30)
    if not enabled.ok:
        wanted = _wanted(path)
        wanted.parent.mkdir(exist_ok=True)
        if not wanted.is_symlink():
            wanted.symlink_to(path)
    return enabled.ok


def _wanted(path: Path) -> Path:
    return path.parent / "default.target.wants" / path.name
