"""A whole machine: this root again, with a systemd of its own as process 1, and sshd.

Only `make test-boot` can make one: it takes root, in a root that is nobody else's.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

from collective.recipe.productionstack.daemons.systemd.control import Unit
from collective.recipe.productionstack.machine import processes
from collective.recipe.productionstack.machine import waiting
from collective.recipe.productionstack.machine.run import Result
from collective.recipe.productionstack.machine.run import run

if TYPE_CHECKING:
    from typing_extensions import Self

CHECKOUT = Path(__file__).parents[2]
USER = "productionstack"
"""dev/as-user has made it; the checkout and its Python are its."""


class Machine:
    """What is written in it stays until the end of the test, over any reboot."""

    def __init__(self) -> None:
        # Memory: an overlay's own folder cannot lie on what it covers.
        self.folder = Path(tempfile.mkdtemp(prefix="machine-", dir="/dev/shm"))
        self.root = self.folder / "root"
        self.enter: subprocess.Popen[bytes] | None = None
        self.pid = 0
        self.stack = Path()
        self.port = 0
        self._mount()
        self._let_in()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.enter and self.enter.poll() is None:
            self.enter.kill()  # and with it everything in there
            self.enter.wait(20)
        run(("umount", "-l", str(self.root)))
        shutil.rmtree(self.folder, ignore_errors=True)

    def _mount(self) -> None:
        for name in ("root", "upper", "work"):
            (self.folder / name).mkdir()
        layers = f"lowerdir=/,upperdir={self.folder}/upper,workdir={self.folder}/work"
        _ok(("mount", "-t", "overlay", "overlay", "-o", layers, str(self.root)))

    def _let_in(self) -> None:
        """Give us a key for its user."""
        key = self.folder / "key"
        _ok(("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)))
        home = self.root / "home" / USER
        folder = home / ".ssh"
        folder.mkdir(mode=0o700, exist_ok=True)
        (folder / "authorized_keys").write_text(key.with_suffix(".pub").read_text())
        for path in (folder, folder / "authorized_keys"):
            os.chown(path, home.stat().st_uid, home.stat().st_gid)

    # -- power

    def boot(self) -> None:
        """Start it, and wait until one can log in."""
        command = ("bash", f"{CHECKOUT}/dev/enter", str(self.root), "online", "--boot")
        self.enter = subprocess.Popen(command)
        assert waiting.until(self._find_systemd, 20)
        assert waiting.until(self._is_up, 60), self.as_root("systemctl", "--failed")
        assert waiting.until(lambda: self.login("true").ok, 20), self.login("true")

    def power_off(self) -> float:
        """Shut it down as `poweroff` does; return the seconds that it took."""
        assert self.enter is not None
        begun = time.monotonic()
        # It may be gone before it can tell.
        self.as_root("systemctl", "--no-block", "poweroff")
        self.enter.wait(180)
        return time.monotonic() - begun

    def reboot(self) -> float:
        """Shut it down and start it again; return the seconds of the former."""
        seconds = self.power_off()
        self.boot()
        return seconds

    def _find_systemd(self) -> bool:
        assert self.enter is not None
        for one in processes.children(processes.table(), self.enter.pid):
            if processes.command(one).startswith("/lib/systemd/systemd"):
                self.pid = one
                return True
        return False

    def _is_up(self) -> bool:
        # sshd is not enabled: dev/bootstrap does not.
        state = self.as_root("systemctl", "is-system-running").output.strip()
        booted = state in {"running", "degraded"}
        return booted and self.as_root("systemctl", "start", "ssh").ok

    # -- people

    def as_root(self, *words: str) -> Result:
        """Run a command in there that belongs to no login."""
        return run(("nsenter", "--target", str(self.pid), "--all", *words), timeout=120)

    def as_user(self, *words: str) -> Result:
        """Run a command as cron would: as the user, but in no login."""
        user = ("setpriv", "--reuid", USER, "--regid", USER, "--init-groups")
        clean = ("env", "-i", f"HOME=/home/{USER}", "PATH=/usr/bin:/bin")
        return self.as_root(*user, *clean, *words)

    def login(self, command: str) -> Result:
        """Log in, run a command line and log out."""
        return run(self._ssh(command), timeout=180)

    @contextmanager
    def staying(self, command: str = "echo here; cat") -> Iterator[None]:
        """Log in and stay there for the block, with a command that says "here"."""
        with subprocess.Popen(
            self._ssh(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as login:
            assert login.stdout
            assert login.stdout.readline() == b"here\n"
            yield
            login.communicate(b"", 20)

    def _ssh(self, command: str) -> tuple[str, ...]:
        options = (
            *("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"),
            *("-o", "LogLevel=ERROR", "-o", "BatchMode=yes", "-o", "ConnectTimeout=5"),
        )
        key = str(self.folder / "key")
        return ("ssh", "-i", key, *options, f"{USER}@127.0.0.1", command)

    # -- the stack in it

    def build(self) -> None:
        """Let the user write a stack."""
        words = (sys.executable, "-B", "-m", "tests.boot.write_stack")
        said = self.login(f"cd {shlex.quote(str(CHECKOUT))} && {shlex.join(words)}")
        assert said.ok, said.text
        values: dict[str, Any] = json.loads(said.output)
        self.stack, self.port = Path(values["folder"]), values["port"]

    def bin(self, words: str) -> Result:
        """Run bin/stack in a login of its own."""
        return self.login(f"cd {self.stack} && bin/stack {words}")

    def state(self) -> dict[str, Any]:
        """Return what `status --json` says."""
        said = self.bin("status --json")
        values: dict[str, Any] = json.loads(said.output or "{}")
        return values

    def is_well(self) -> bool:
        """Whether everything runs and answers."""
        return bool(self.state().get("ok"))

    def wait_well(self, seconds: float = 60) -> None:
        """Wait for that."""
        assert waiting.until(self.is_well, seconds, 0.5), self.bin("status").text

    def unit(self, name: str) -> str:
        """Return a property of the stack's unit in the user's manager."""
        unit = Unit(str(self.stack), "stack").path.name
        return self.login(f"systemctl --user show -P {name} {unit}").output.strip()

    def supervisord(self) -> int:
        """Return its pid in there, 0 where its file is not."""
        with suppress(OSError, ValueError):
            return int(self.file("var/stack/supervisord.pid").read_text())
        return 0

    def file(self, name: str) -> Path:
        """Return where a file of the stack lies for us."""
        return self.root / str(self.stack / name).lstrip("/")

    def stopped(self) -> list[str]:
        """Return the programs that supervisord has ever stopped, in their order."""
        lines = self.file("var/log/supervisord.log").read_text().splitlines()
        return [line.split()[4] for line in lines if " stopped: " in line]


def _ok(command: tuple[str, ...]) -> None:
    done = run(command)
    assert done.ok, done.text
