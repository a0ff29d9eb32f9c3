"""The one place that executes programs: argument tuples, never shell strings."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from collective.recipe.productionstack.errors import printable

SYSTEM_FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin")
"""Where daemons are that an ordinary user's PATH does not name."""

NOT_STARTED = 127
TOO_SLOW = 124

SAID_LINES = 12
"""Enough of a program's last words to see why it failed."""


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

    @property
    def said(self) -> str:
        """The last lines of both, to be put below a message."""
        return last_lines(self.text)


def last_lines(text: str) -> str:
    """Return the end of what a program said, safe to show, to be put below a message.

    Every line begins with a line break; nothing said is an empty text.
    """
    lines = text.rstrip().splitlines()[-SAID_LINES:]
    return "".join(f"\n    {printable(line)}" for line in lines)


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


def work(  # noqa: PLR0913 (as many as long work needs)
    command: Sequence[str],
    *,
    timeout: float,
    cwd: str | Path,
    text: str = "",
    keep: Sequence[int] = (),
    env: Mapping[str, str] | None = None,
    line: Callable[[str], None] = lambda _: None,
) -> Result:
    """Run something long with low priority; end it with all its children if we end.

    Each line of its standard output is handed over as it comes. ``keep`` are file
    descriptors that it holds too: a lock lasts as long as the work that it guards.
    """
    nice = (find("nice"), "-n", "10", find("ionice"), "-c", "2", "-n", "7")
    words = (*(one for one in nice if one), *command) if all(nice) else tuple(command)
    with tempfile.TemporaryFile() as errors, tempfile.TemporaryFile() as given:
        given.write(text.encode())
        given.seek(0)
        process = subprocess.Popen(
            words,
            cwd=cwd,
            env=env,
            pass_fds=tuple(keep),
            start_new_session=True,
            stdin=given,
            stdout=subprocess.PIPE,
            stderr=errors,
        )
        said, status = _follow(process, timeout, line)
        errors.seek(0)
        trouble = errors.read().decode("utf-8", "replace")
    if status == TOO_SLOW:
        trouble += f"{command[0]}: no end in {timeout:g} s"
    return Result(status=status, output=said, errors=trouble)


def _follow(
    process: subprocess.Popen[bytes], timeout: float, line: Callable[[str], None]
) -> tuple[str, int]:
    """Return what a process says and how it ends; it ends when we do."""
    was_late = False

    def expire() -> None:
        nonlocal was_late
        was_late = True
        _end_session(process)

    late = threading.Timer(timeout, expire)
    late.start()
    said = []
    assert process.stdout is not None  # noqa: S101 (for the type checker)
    try:
        for data in process.stdout:
            said.append(data.decode("utf-8", "replace"))
            line(said[-1])
        status = process.wait()
    finally:
        late.cancel()
        _end_session(process)
        process.stdout.close()
    return "".join(said), TOO_SLOW if was_late else status


def _end_session(process: subprocess.Popen[bytes]) -> None:
    """End a process and what it has started; KILL what does not listen."""
    for one in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, one)
        with suppress(subprocess.TimeoutExpired):
            process.wait(10)


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
