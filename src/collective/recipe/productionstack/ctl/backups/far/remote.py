"""A folder on another machine, over ssh, or on this one: lists, renames, copies."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from collective.recipe.productionstack.ctl.backups.far.expiry import PINNED
from collective.recipe.productionstack.ctl.jobs.task import Task
from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.machine import run
from collective.recipe.productionstack.machine.run import Result

SECONDS = 600.0
QUICK = 60.0
FAILED = re.compile(r"(.*): FAILED(?: open or read)?")
LOST = 255
"""What ssh ends with when it has no connection."""


@dataclass(frozen=True)
class Far:
    """Where copies go: a host (empty for this machine), a folder, an ssh key."""

    host: str
    folder: str
    key: str = ""

    @classmethod
    def of(cls, target: str, key: str) -> Far:
        """Read ``[user@]host:/path`` or a path."""
        host, _, folder = target.rpartition(":")
        return cls(host, folder.rstrip("/"), key)

    def __str__(self) -> str:
        """Name it as the option does."""
        return f"{self.host}:{self.folder}" if self.host else self.folder

    @property
    def ssh(self) -> tuple[str, ...]:
        """Return ssh's command line without the host; it never asks anything."""
        key = ("-i", self.key, "-o", "IdentitiesOnly=yes") if self.key else ()
        alive = ("-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=4")
        return ("ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=15", *alive, *key)

    def ask(self, *words: str, timeout: float = SECONDS) -> Result:
        """Run a command there; another machine gives it to a shell."""
        far = (*self.ssh, self.host, "--", shlex.join(words))
        return run.run(far if self.host else words, timeout=timeout)

    def do(self, *words: str) -> None:
        """Run a command there.

        Raises ControlError when it fails.
        """
        done = self.ask(*words)
        if not done.ok:
            raise ControlError(self.trouble(done))

    def names(self) -> list[str]:
        """Return what lies in the folder, sorted; nothing where it is not there yet.

        Raises ControlError when that place cannot be asked.
        """
        done = self.ask("ls", "-1A", "--", self.folder, timeout=QUICK)
        if done.ok:
            return sorted(done.output.split())
        if done.status != LOST and "No such file" in done.text:
            return []
        raise ControlError(self.trouble(done))

    def copy(
        self, work: Task, sources: Sequence[str], inner: str, like: str, timeout: float
    ) -> None:
        """Copy files, or what lies in a folder, to an inner folder there.

        ``like`` is an inner folder whose files are linked where they are the same.

        Raises ControlError when rsync fails.
        """
        options = ("-aH", "--partial", "--delete")
        links = (f"--link-dest={self.folder}/{like}",) if like else ()
        done = run.work(
            self._rsync(*options, *links, *sources, inner),
            cwd=work.stack.folders.var,
            timeout=timeout,
            keep=(work.lock,),
        )
        if not done.ok:
            raise ControlError(self.trouble(done))

    def differs(self, work: Task, source: str, inner: str) -> str:
        """Say what of a copy differs in name, size or time; empty when nothing does.

        Links are followed here; a pin is no difference.

        Raises ControlError when rsync fails.
        """
        done = run.work(
            self._rsync("-aHLni", "--delete", f"--exclude=/{PINNED}", source, inner),
            cwd=work.stack.folders.var,
            timeout=SECONDS,
            keep=(work.lock,),
        )
        if not done.ok:
            raise ControlError(self.trouble(done))
        # A folder's time changes with what is put into it.
        lines = [one for one in done.output.splitlines() if one[1:2] != "d"]
        return lines[0] if lines else ""

    def listing(self, inner: str) -> dict[str, tuple[str, int]]:
        """Return inode and size in bytes of every file below an inner folder.

        Raises ControlError when that place cannot be asked.
        """
        words = (f"{self.folder}/{inner}", "-type", "f", "-printf", "%i %s %P\\n")
        done = self.ask("find", *words)
        if not done.ok:
            raise ControlError(self.trouble(done))
        lines = (one.split(" ", 2) for one in done.output.splitlines())
        return {path: (inode, int(size)) for inode, size, path in lines}

    def fetch(self, work: Task, pattern: str, into: Path) -> None:
        """Copy what matches a path below the folder, and nothing else, to here.

        Raises ControlError when rsync fails.
        """
        words = pattern.split("/")
        above = ["/" + "/".join(words[: one + 1]) for one in range(len(words))]
        options = [*(f"--include={one}/" for one in above[:-1])]
        options += [f"--include={above[-1]}/***", "--exclude=*"]
        there = f"{self.host}:{self.folder}/" if self.host else f"{self.folder}/"
        shell = ("-s", "-e", shlex.join(self.ssh)) if self.host else ()
        done = run.work(
            ("rsync", "-am", *shell, *options, there, f"{into}/"),
            cwd=work.stack.folders.var,
            timeout=SECONDS,
            keep=(work.lock,),
        )
        if not done.ok:
            raise ControlError(self.trouble(done))

    def changed(
        self, work: Task, sums: Iterable[tuple[str, str]], timeout: float
    ) -> list[str]:
        """Sum files up there; return those whose SHA-256 sum is not the given one.

        ``sums`` are pairs of a sum and a path below the folder.

        Raises ControlError when that cannot be done.
        """
        sums_of = ("nice", "sha256sum", "--check", "--quiet", "-")
        words = ("env", "-C", self.folder, "LC_ALL=C", *sums_of)
        far = (*self.ssh, self.host, "--", shlex.join(words))
        done = run.work(
            far if self.host else words,
            cwd=work.stack.folders.var,
            timeout=timeout,
            text="".join(f"{digest}  {path}\n" for digest, path in sums),
            keep=(work.lock,),
        )
        lines = map(FAILED.fullmatch, done.output.splitlines())
        found = [one[1] for one in lines if one]
        if not done.ok and not (found and done.status == 1):
            raise ControlError(self.trouble(done))
        return found

    def pinned(self) -> list[str]:
        """Return the names of the generations that are never to be deleted.

        Raises ControlError when that place cannot be asked.
        """
        words = ("-mindepth", "2", "-maxdepth", "2", "-name", PINNED)
        done = self.ask("find", self.folder, *words, timeout=QUICK)
        if not done.ok:
            raise ControlError(self.trouble(done))
        return [Path(one).parent.name for one in done.output.splitlines()]

    def keep_pin(self, inner: str, other: str) -> None:
        """Give another inner folder the pin of one that has one."""
        if inner in self.pinned():
            pin = f"{self.folder}/{inner}/{PINNED}"
            self.do("cp", "-p", "--", pin, f"{self.folder}/{other}/{PINNED}")

    def trouble(self, done: Result) -> str:
        """Say why something failed there."""
        lost = self.host and done.status in {LOST, 12, 30, 35, run.TOO_SLOW}
        what = "cannot be reached" if lost else f"refuses (status {done.status})"
        return f"{self} {what}; the last good copy there is untouched.{done.said}"

    def _rsync(self, *words: str) -> tuple[str, ...]:
        *before, inner = words
        target = f"{self.folder}/{inner}/"
        if not self.host:
            return ("rsync", *before, target)
        shell = shlex.join(self.ssh)
        return ("rsync", "-s", "-e", shell, *before, f"{self.host}:{target}")
