"""The sdist and the wheel of this checkout: build both, say what is wrong in them."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
PACKAGE = "collective/recipe/productionstack"
GENERATED = ("PKG-INFO", "setup.cfg")
"""What setuptools adds to an sdist, besides src/*.egg-info."""

WRITTEN = {"METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE"}
WRITTEN_OR_NOT = {"top_level.txt"}
"""What a wheel's dist-info consists of."""

BACKEND = "import sys; from setuptools import build_meta as b; {}(sys.argv[1])"
PIP = ("-m", "pip", "--disable-pip-version-check", "--no-input")
OFFLINE = ("--no-index", "--no-cache-dir")


@dataclass(frozen=True)
class Entry:
    """A file in a distribution, or what a file there is expected to be."""

    content: bytes
    executable: bool = False


Entries = dict[str, Entry]


@dataclass(frozen=True)
class Built:
    """What the checkout consists of, and what was built from a copy of it."""

    files: Entries
    sdist: Path
    wheel: Path
    wheel_of_sdist: Path


def build(folder: Path) -> Built:
    """Copy the checkout into a folder and build there; nothing is fetched."""
    checkout = folder / "checkout"
    copy_checkout(checkout)
    files = read_folder(checkout)  # now: building leaves more there
    sdist = make("b.build_sdist", checkout, folder / "sdist")
    wheel = make("b.build_wheel", checkout, folder / "wheel")
    return Built(files, sdist, wheel, wheel_from(sdist, folder / "wheel-of-sdist"))


def copy_checkout(target: Path) -> None:
    """Copy the files of the checkout: without what is ignored, and without git."""
    names = execute((str(CHECKOUT / "dev/work-tree"),)).split("\0")
    for name in filter(None, names):
        place = target / name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(CHECKOUT / name, place)


def make(how: str, checkout: Path, target: Path) -> Path:
    """Let the build backend make one distribution of a copy of the checkout."""
    target.mkdir()
    execute((sys.executable, "-c", BACKEND.format(how), str(target)), checkout)
    return only(target)


def wheel_from(sdist: Path, target: Path) -> Path:
    """Build a wheel as pip does for a user who has the sdist."""
    words = ("wheel", "--no-deps", "--no-build-isolation", *OFFLINE)
    execute((sys.executable, *PIP, *words, "--wheel-dir", str(target), str(sdist)))
    return only(target)


def only(folder: Path) -> Path:
    """Return the one file in a folder."""
    (found,) = folder.iterdir()
    return found


def execute(command: tuple[str, ...], folder: Path = CHECKOUT) -> str:
    """Return what a command says on standard output.

    Raises AssertionError, with all it said, when it fails.
    """
    done = subprocess.run(
        command, cwd=folder, capture_output=True, check=False, text=True, env=bare()
    )
    assert done.returncode == 0, f"{command}:\n{done.stdout}{done.stderr}"
    return done.stdout


def bare() -> dict[str, str]:
    """Return the environment without what could lead Python or pip elsewhere."""
    led = ("PYTHON", "PIP_", "PYTEST", "VIRTUAL_ENV", "PRODUCTIONSTACK_SUMMARY")
    return {name: it for name, it in os.environ.items() if not name.startswith(led)}


def read_folder(folder: Path) -> Entries:
    """Return the files below a folder, by their relative names."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): Entry(
            path.read_bytes(), bool(path.stat().st_mode & stat.S_IXUSR)
        )
        for path in files
    }


def read_sdist(sdist: Path) -> Entries:
    """Return the files of an sdist, without the folder that all lie in."""
    found = {}
    with tarfile.open(sdist) as archive:
        for member in archive:
            if content := archive.extractfile(member):
                name = member.name.partition("/")[2]
                found[name] = Entry(content.read(), bool(member.mode & stat.S_IXUSR))
    return found


def read_wheel(wheel: Path) -> Entries:
    """Return the files of a wheel; modes mean nothing there."""
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/")]
        return {name: Entry(archive.read(name)) for name in names}


def sdist_faults(found: Mapping[str, Entry], wanted: Mapping[str, Entry]) -> list[str]:
    """Say how an sdist differs from the checkout: it holds all, and nothing else."""
    ours = {
        name: entry
        for name, entry in found.items()
        if name not in GENERATED and ".egg-info/" not in name
    }
    return faults("sdist", ours, wanted)


def wheel_faults(found: Mapping[str, Entry], wanted: Mapping[str, Entry]) -> list[str]:
    """Say how a wheel differs from the package in a checkout, and from a wheel."""
    source = {
        name.removeprefix("src/"): Entry(entry.content)
        for name, entry in wanted.items()
        if name.startswith(f"src/{PACKAGE}/")
    }
    about = {
        name.partition("/")[2]: Entry(b"")
        for name in found
        if name.partition("/")[0].endswith(".dist-info")
    }
    package = {
        name: entry for name, entry in found.items() if ".dist-info/" not in name
    }
    written = dict.fromkeys(WRITTEN | (about.keys() & WRITTEN_OR_NOT), Entry(b""))
    return [
        *faults("wheel", package, source),
        *faults("wheel's dist-info", about, written),
    ]


def faults(
    what: str, found: Mapping[str, Entry], wanted: Mapping[str, Entry]
) -> list[str]:
    """Say what is missing in a distribution, what is too much, and what differs."""
    both = sorted(found.keys() & wanted.keys())
    return [
        *(f"the {what} lacks {one}" for one in sorted(wanted.keys() - found.keys())),
        *(f"the {what} has {one} too" for one in sorted(found.keys() - wanted.keys())),
        *(f"the {what} has another {one}" for one in both if found[one] != wanted[one]),
    ]
