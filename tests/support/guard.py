"""Kill whatever works in a folder once standard input ends: no test outlives pytest."""

import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path


def inside(folder: Path) -> list[int]:
    """Return the processes whose working folder is in that folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with suppress(OSError):
                if (entry / "cwd").readlink().is_relative_to(folder):
                    found.append(int(entry.name))
    return found


def main() -> None:
    """Wait, then kill until nothing is left."""
    folder = Path(sys.argv[1])
    # What stops pytest must not stop this before it has done its work.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sys.stdin.buffer.read()
    deadline = time.monotonic() + 20
    while (pids := inside(folder)) and time.monotonic() < deadline:
        for pid in pids:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.1)


main()
