"""Write a log that comes by a pipe; open the file anew when it was renamed.

Apache opens its own logs anew only by reading its whole configuration again, and ends
where it does not like it any more. This goes on until nobody has the pipe open: also
those may write who finish their requests after a reload.

Run as a file, ``python -I -S writer.py LOG``; imports nothing of ours.
"""

# The fewest imports, since it must start at once:
# ruff: noqa: PTH116

from __future__ import annotations

import os
import signal
import sys

MOST = 65536
IGNORED = ("TERM", "INT", "HUP", "USR1", "WINCH")


class Written:
    """A file that grows at its end, under whatever name it was opened with."""

    def __init__(self, path: str) -> None:
        """Open it."""
        self.path = path
        self.handle = -1
        self.seen: tuple[int, int] | None = None
        self.follow()

    def follow(self) -> None:
        """Open the file anew where another, or none, has its name now."""
        if self.seen is None or self.named() != self.seen:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            fresh = os.open(self.path, flags, 0o640)
            if self.handle >= 0:
                os.close(self.handle)
            self.handle, found = fresh, os.fstat(fresh)
            self.seen = found.st_dev, found.st_ino

    def named(self) -> tuple[int, int] | None:
        """Return which file has the name now."""
        try:
            found = os.stat(self.path)
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def add(self, lines: bytes) -> None:
        """Write whole lines; a full disk loses them and nothing else."""
        try:
            self.follow()
            while lines:
                lines = lines[os.write(self.handle, lines) :]
        except OSError:
            pass


def main(path: str) -> int:
    """Write down what comes until the pipe is closed; return 0."""
    for name in IGNORED:
        signal.signal(getattr(signal, f"SIG{name}"), signal.SIG_IGN)
    log, rest = Written(path), b""
    while data := os.read(0, MOST):
        whole, found, rest = (rest + data).rpartition(b"\n")
        if found:
            log.add(whole + found)
    if rest:
        log.add(rest + b"\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
