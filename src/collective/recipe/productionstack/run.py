"""The one place that executes programs: argument tuples, never shell strings."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SYSTEM_FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin")
"""Where daemons are that an ordinary user's PATH does not name."""

NOT_STARTED = 127
TOO_SLOW = 124


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How a program ended; output holds both of its streams."""

    status: int
    output: str
    errors: str

    @property
    def ok(self) -> bool:
        """Whether the program ended with status 0."""
        return self.status == 0

    @property
    def text(self) -> str:
        """Both streams, errors last, without blank ends."""
        return (self.output + self.errors).strip()


def run(  # noqa: PLR0913 (as many as subprocess.run needs here)
    command: Sequence[str],
    *,
    timeout: float = 60,
    env: Mapping[str, str] | None = None,
    cwd: str | Path | None = None,
    text: str | None = None,
    errors: str = "replace",
) -> Result:
    """Run a command to its end; a missing program or a timeout is a status too.

    ``timeout`` is in seconds; ``text`` is given to the command's standard input;
    ``errors`` says how bytes that are no UTF-8 are decoded.
    """
    try:
        done = subprocess.run(
            tuple(command),
            capture_output=True,
            check=False,
            cwd=cwd,
            env=env,
            input=None if text is None else text.encode("utf-8", errors),
            stdin=subprocess.DEVNULL if text is None else None,
            timeout=timeout,
        )
    except FileNotFoundError:
        return Result(status=NOT_STARTED, output="", errors=f"{command[0]}: not found")
    except PermissionError:
        return Result(status=126, output="", errors=f"{command[0]}: may not be run")
    except subprocess.TimeoutExpired:
        late = f"{command[0]}: no end after {timeout:g} s"
        return Result(status=TOO_SLOW, output="", errors=late)
    # Decoded here: subprocess itself would change the ends of lines.
    output, said = (one.decode("utf-8", errors) for one in (done.stdout, done.stderr))
    return Result(status=done.returncode, output=output, errors=said)


def spawn(
    command: Sequence[str], *, env: Mapping[str, str], cwd: str | Path, log: Path
) -> int:
    """Start a long-running process in a session of its own and return its pid."""
    with log.open("ab") as stream:
        process = subprocess.Popen(
            tuple(command),
            cwd=cwd,
            env=dict(env),
            start_new_session=True,
            stderr=stream,
            stdin=subprocess.DEVNULL,
            stdout=stream,
        )
    return process.pid


def find(program: str) -> str | None:
    """Return the program's full path, looking in PATH and the system's folders."""
    if "/" in program:
        return program if os.access(program, os.X_OK) else None
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), *SYSTEM_FOLDERS))
    return shutil.which(program, path=path)


def identity(program: str) -> str:
    """Return what changes when a program is upgraded: path, size and time."""
    real = Path(program).resolve()
    stat = real.stat()
    return f"{real}:{stat.st_size}:{stat.st_mtime_ns}"
