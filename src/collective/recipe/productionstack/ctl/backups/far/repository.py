"""A repository of restic: how it is reached, asked, and told secrets."""

from __future__ import annotations

import json
import os
import re
import shlex
import socket
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from collective.recipe.productionstack.ctl.backups.far import noted
from collective.recipe.productionstack.ctl.backups.far import sending
from collective.recipe.productionstack.ctl.backups.far.expiry import PINNED
from collective.recipe.productionstack.ctl.backups.far.remote import Far
from collective.recipe.productionstack.ctl.jobs.task import Task
from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.machine import run
from collective.recipe.productionstack.machine.files import secret_trouble
from collective.recipe.productionstack.machine.run import Result
from collective.recipe.productionstack.model.stack import Stack
from collective.recipe.productionstack.model.storage import RESTIC

ENVIRONMENT = "restic.env"
QUICK = 600.0
OPENING = 60.0
"""Newer ones try for a quarter of an hour where nothing answers."""
MISSING = 10
"""What restic from 0.17 on ends with where there is no repository."""
LOCKED = re.compile(r"(?i)already locked|unable to create lock")
ABSENT = re.compile(r"(?i)no such file|does not exist|NoSuchKey|\b404\b")
SECRET = re.compile(r"(?i).*(key|password|secret|token)")
SHORT = 6
"""What is shorter would be found in words that are none."""

TRACE = re.compile(r"\t|(github\.com|golang\.org|main|runtime)[./]")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A copy: restic's id, the generation that it is, and whether it is pinned."""

    id: str
    name: str
    pinned: bool

    @classmethod
    def of(cls, values: dict[str, Any]) -> Snapshot:
        """Read what restic lists."""
        name = re.sub(r"[T:]", "-", values["time"][:19])
        return cls(values["id"], name, PINNED in (values.get("tags") or ()))


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository as the option names it, and how restic is told about it."""

    work: Task
    target: str
    tag: str
    host: str
    env: Mapping[str, str] = field(repr=False)
    options: tuple[str, ...] = ()

    @classmethod
    def of(cls, work: Task, target: str) -> Repository:
        """Look for restic and its secrets.

        Raises ControlError where restic is not there, or a secret cannot be used.
        """
        if run.find("restic") is None:
            raise ControlError("there is no restic. On Debian: apt-get install restic")
        control = work.control
        return cls(
            work=work,
            target=target,
            tag=f"{control.name}-{sending.identity(control)}",
            host=socket.gethostname(),
            env=environment(work.stack, target.removeprefix(RESTIC)),
            options=_options(work.stack, target.removeprefix(RESTIC)),
        )

    def ask(
        self, *words: str, cwd: Path | None = None, timeout: float = QUICK
    ) -> Result:
        """Run restic: no secret is on its command line, nor in what it returns."""
        done = self._run(*words, cwd=cwd, timeout=timeout)
        if not done.ok and LOCKED.search(done.text):
            # Takes away the locks of runs that were killed, and no other.
            self._run("unlock", cwd=None, timeout=QUICK)
            done = self._run(*words, cwd=cwd, timeout=timeout)
        kept = (one for one in done.errors.splitlines() if not TRACE.match(one))
        errors = self.masked("\n".join(kept))
        return Result(
            status=done.status, output=self.masked(done.output), errors=errors
        )

    def _run(self, *words: str, cwd: Path | None, timeout: float) -> Result:
        return run.work(
            ("restic", *self.options, *words),
            cwd=cwd or self.work.stack.folders.var,
            timeout=timeout,
            keep=(self.work.lock,),
            env=self.env,
        )

    def masked(self, text: str) -> str:
        """Return a text without the values of secret names."""
        for name, value in self.env.items():
            if SECRET.fullmatch(name) and len(value) >= SHORT:
                text = text.replace(value, "…").replace(quote(value, safe=""), "…")
        return text

    def do(self, *words: str, cwd: Path | None = None, timeout: float = QUICK) -> str:
        """Run restic; return its output.

        Raises ControlError where it fails.
        """
        done = self.ask(*words, cwd=cwd, timeout=timeout)
        if not done.ok:
            raise ControlError(self.trouble(words[0], done))
        return done.output

    def trouble(self, verb: str, done: Result) -> str:
        """Say why something failed."""
        what = f"restic {verb} failed (status {done.status})"
        return f"{self.target}: {what}; what was saved there is untouched.{done.said}"

    def snapshots(self, *, make: bool = False) -> list[Snapshot]:
        """Return our snapshots, oldest first; ``make`` the repository where none was.

        Raises ControlError where it cannot be opened.
        """
        words = ("--json", "--tag", self.tag, "--host", self.host)
        done = self.ask("snapshots", *words, timeout=OPENING)
        if not done.ok:
            absent = done.status == MISSING or ABSENT.search(done.text)
            if not (make and absent):
                raise ControlError(self.trouble("snapshots", done))
            self._refuse_gone()
            self.do("init")
            return []
        found: list[dict[str, Any]] = json.loads(done.output or "[]") or []
        return sorted(map(Snapshot.of, found), key=lambda one: one.name)

    def _refuse_gone(self) -> None:
        if held := len(noted.load(self.work.stack, self.target)):
            message = (
                f"{self.target} held {held} copies and is gone. Look at the disk "
                "there, whether it is mounted. If it is to begin anew: restic init."
            )
            raise ControlError(message)

    def check(self, subset: str, timeout: float) -> None:
        """Let restic judge the repository, reading a part of its data.

        Raises ControlError that names the repository where it is not good.
        """
        self.work.steps.begin("copy", f"restic checks {subset} of {self.target}")
        done = self.ask("check", f"--read-data-subset={subset}", timeout=timeout)
        if not done.ok:
            message = f"{self.target} is NOT good: nothing expires there.{done.said}"
            raise ControlError(message)


def environment(stack: Stack, address: str) -> dict[str, str]:
    """Return restic's environment: the user's, ``restic.env``, ours.

    Raises ControlError where a file of secrets is not there, or others may read it.
    """
    secret = stack.data.keeping.sync_password_file
    if trouble := secret_trouble(Path(secret)) if secret else "is not set":
        option = f"sync-password-file = {secret}: " if secret else "sync-password-file "
        raise ControlError(f"[{stack.name}] {option}{trouble}")
    more = Path(stack.folders.var, ENVIRONMENT)
    if more.exists() and (trouble := secret_trouble(more)):
        raise ControlError(f"{more}: {trouble}")
    given = dict(_lines(more)) if more.exists() else {}
    return {
        **os.environ,
        **given,
        "RESTIC_REPOSITORY": _with_user(address, {**os.environ, **given}),
        "RESTIC_PASSWORD_FILE": secret,
        "RESTIC_CACHE_DIR": f"{stack.folders.var}/restic-cache",
        "TZ": "UTC",
    }


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    for line in path.read_text(encoding="utf-8").splitlines():
        name, equals, value = line.strip().removeprefix("export ").partition("=")
        if equals and not name.startswith("#"):
            yield name.strip(), value.strip().strip("'\"")


def _with_user(address: str, given: Mapping[str, str]) -> str:
    """Put a REST server's user into its address, as restic before 0.16.1 needs it."""
    found = re.fullmatch(r"(rest:https?://)([^@]*)", address)
    user = quote(given.get("RESTIC_REST_USERNAME", ""), safe="")
    if not found or not user:
        return address
    word = quote(given.get("RESTIC_REST_PASSWORD", ""), safe="")
    return f"{found[1]}{user}:{word}@{found[2]}"


def _options(stack: Stack, address: str) -> tuple[str, ...]:
    """Let ssh ask nothing, and use the key of sync-key."""
    kind, _, rest = address.partition(":")
    if kind != "sftp" or rest.startswith("//"):
        return ()
    far = Far.of(rest, stack.data.keeping.sync_key)
    command = shlex.join((*far.ssh, far.host, "-s", "sftp"))
    return ("-o", f"sftp.command={command}")
