"""Real buildout runs for tests: a folder, its configuration, runs, what they left."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support import lean
from tests.support.source import SOURCE

HERE = Path(__file__).parent
FAKE_DAEMONS = HERE / "daemons"
PYTHON = str(Path.cwd() / sys.executable)
SYSTEM = "/usr/bin:/bin"

PARTS = """\
[buildout]
extensions = collective.recipe.productionstack
parts = zeoserver instance stack
eggs =

[zeoserver]
recipe = plone.recipe.zeoserver

[instance]
recipe = plone.recipe.zope2instance
user = admin:choose-one
eggs = ${buildout:eggs}
zeo-client = true
http-address = 127.0.0.1:8080

[stack]
recipe = collective.recipe.productionstack
"""
"""The parts of the smallest buildout, open for more options of [stack]."""

MINIMAL = PARTS + "sites = www.example.com /Plone\nclients = 2\n"

EXTENDS = """\
[buildout]
extends = base.cfg
"""

BUILDOUTS_OWN = (".installed.cfg", "develop-eggs", "eggs")
"""What buildout itself writes, also in a run that fails."""


Snapshot = dict[str, tuple[object, ...]]


@dataclass(frozen=True)
class Run:
    """A buildout run that has ended."""

    status: int
    output: str

    @property
    def error(self) -> str:
        """The text that a person reads as the error, placeholders not yet in."""
        _, _, text = self.output.rpartition("\nError: ")
        return text

    @property
    def ours(self) -> list[str]:
        """The lines that this package said."""
        mark = "productionstack: "
        lines = self.output.splitlines()
        return [line.removeprefix(mark) for line in lines if line.startswith(mark)]


class Buildouts:
    """Starts runs from one process that has everything imported."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="buildouts-"))
        (self.folder / "index").mkdir()
        (self.folder / "lean").mkdir()
        lean.link(self.folder / "lean")
        lean.stand_ins(self.folder / "lean")
        path = (str(self.folder / "lean"), str(SOURCE))
        self.process = subprocess.Popen(
            (PYTHON, "-I", "-S", str(HERE / "zygote.py"), *path),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, request: Mapping[str, Any]) -> dict[str, int]:
        """Send one request and return its answer."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        answer: dict[str, int] = json.loads(self.process.stdout.readline())
        return answer

    def close(self) -> None:
        """End the process and delete its folder."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class Started:
    """A buildout run that may still be going on."""

    def __init__(self, buildouts: Buildouts, pid: int, output: Path) -> None:
        self.buildouts, self.pid, self.output = buildouts, pid, output

    def kill(self) -> None:
        """End it and what it started at once, as a power cut would."""
        os.killpg(self.pid, signal.SIGKILL)

    def wait(self) -> Run:
        """Return how it ended."""
        status = self.buildouts.ask({"wait": self.pid})["status"]
        return Run(status, self.output.read_text(encoding="utf-8"))


@contextlib.contextmanager
def a_site(buildouts: Buildouts, name: str = "site") -> Iterator[Site]:
    """Give an empty buildout folder of that name, and delete it afterwards."""
    one = Site(buildouts, name)
    try:
        yield one
    finally:
        one.clear()


class Site:
    """The folder of one buildout."""

    def __init__(self, buildouts: Buildouts, name: str = "site") -> None:
        self.buildouts = buildouts
        self.root = Path(tempfile.mkdtemp(prefix="b-")).resolve()
        self.folder = self.root / name
        self.folder.mkdir(parents=True)
        self.environment = {
            "HOME": str(self.root),
            "LANG": "C.UTF-8",
            "PATH": f"{FAKE_DAEMONS}:{SYSTEM}",
            "PYTHONWARNINGS": "ignore",
            "TMPDIR": str(self.root / "tmp"),
        }
        (self.root / "tmp").mkdir()
        self.runs = 0

    def clear(self) -> None:
        """Delete it."""
        shutil.rmtree(self.root, ignore_errors=True)

    @property
    def etc(self) -> Path:
        """The live tree."""
        links = [path for path in (self.folder / "etc").glob("*") if path.is_symlink()]
        assert len(links) == 1, links
        return links[0]

    def copy(self, source: Path, *without: str) -> None:
        """Copy what lies in a folder of the tests into the buildout."""
        ignore = shutil.ignore_patterns(*without) if without else None
        shutil.copytree(source, self.folder, ignore=ignore, dirs_exist_ok=True)

    def write(self, text: str, name: str = "buildout.cfg") -> Path:
        """Write a file of the buildout."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return path

    def start(self, *arguments: str) -> Started:
        """Start a run."""
        self.runs += 1
        output = self.root / f"output-{self.runs}"
        index = self.buildouts.folder / "index"
        request = {
            "argv": ["-N", f"buildout:index={index}", *arguments],
            "cwd": str(self.folder),
            "env": self.environment,
            "output": str(output),
        }
        return Started(self.buildouts, self.buildouts.ask(request)["pid"], output)

    def run(self, text: str | None = None, *arguments: str) -> Run:
        """Run buildout, with this configuration if one is given."""
        if text is not None:
            self.write(text)
        return self.start(*arguments).wait()

    def built(self, text: str | None = None, *arguments: str) -> Run:
        """Run buildout, which must succeed."""
        done = self.run(text, *arguments)
        assert done.status == 0, done.output
        return done

    def refused(self, text: str | None = None, *arguments: str) -> str:
        """Run buildout, which must refuse with words alone and change nothing."""
        if text is not None:
            self.write(text)
        for folder in ("bin", "parts", "develop-eggs", "eggs", "eggs/v5"):
            (self.folder / folder).mkdir(exist_ok=True)
        before = self.snapshot()
        done = self.run(None, *arguments)
        assert done.status == 1, done.output
        assert "Traceback" not in done.output, done.output
        assert "internal error" not in done.output, done.output
        touched = changes(before, self.snapshot())
        assert touched == [], touched
        return self.masked(done.error.strip())

    def snapshot(self) -> Snapshot:
        """Return everything that lies in the folder: kind, mode, time and bytes."""
        return dict(sorted(_entries(self.folder, self.folder)))

    def tree(self) -> dict[str, str]:
        """Return the texts of the live tree, this machine's places replaced."""
        files = (path for path in self.etc.rglob("*") if path.is_file())
        return {
            path.relative_to(self.etc).as_posix(): self.masked(path.read_text("utf-8"))
            for path in sorted(files)
        }

    def masked(self, text: str) -> str:
        """Replace this machine's places."""
        known = {
            str(self.folder): "@DIR@",
            # Where letters of the folder's own name are quoted, this is left.
            str(self.root): "@ABOVE@",
            str(SOURCE): "@SOURCE@",
            PYTHON: "@PYTHON@",
            str(Path(__file__).parents[2]): "@CHECKOUT@",
        }
        for place in sorted(known, key=len, reverse=True):
            text = text.replace(place, known[place])
        return text


def changes(before: Snapshot, after: Snapshot) -> list[str]:
    """Return the paths that are new, gone or different."""
    return sorted(
        path
        for path in before.keys() | after.keys()
        if before.get(path) != after.get(path)
    )


def _entries(folder: Path, base: Path) -> list[tuple[str, tuple[object, ...]]]:
    found: list[tuple[str, tuple[object, ...]]] = []
    for entry in os.scandir(folder):
        path = Path(entry.path)
        name = path.relative_to(base).as_posix()
        if name in BUILDOUTS_OWN:
            continue
        stat = entry.stat(follow_symlinks=False)
        if entry.is_symlink():
            found.append((name, ("link", str(path.readlink()), stat.st_mtime_ns)))
        elif entry.is_dir():
            found.append((name, ("folder", stat.st_mode)))
            found += _entries(path, base)
        elif entry.is_file():
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            found.append((name, (stat.st_mode, stat.st_mtime_ns, digest)))
        else:
            found.append((name, ("other", stat.st_mode)))
    return found
