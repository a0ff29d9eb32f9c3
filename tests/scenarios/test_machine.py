"""Runs that need something of the machine: another user's number, a full disk.

User and mount namespaces give both to an ordinary user where the kernel allows.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support.buildouts import MINIMAL
from tests.support.buildouts import PYTHON
from tests.support.buildouts import Run
from tests.support.buildouts import Site
from tests.support.source import SOURCE

BUILDOUT = """
import sys
sys.path[:0] = sys.argv[1:3]
from zc.buildout.buildout import main
from collective.recipe.productionstack.machine import run
run.SYSTEM_FOLDERS = ()
main(["-N", f"buildout:index={sys.argv[3]}"])
"""


def as_root(site: Site, script: str) -> Run:
    """Run a shell script as the root of a namespace; ``$buildout`` runs buildout."""
    folder = site.buildouts.folder
    program = site.root / "buildout.py"
    program.write_text(BUILDOUT, "utf-8")
    command = f"{PYTHON} -I -S {program} {folder}/lean {SOURCE} {folder}/index"
    done = subprocess.run(
        ("unshare", "--map-root-user", "--mount", "sh", "-ec", script),
        capture_output=True,
        check=False,
        cwd=site.folder,
        env={**site.environment, "buildout": command},
        text=True,
    )
    return Run(done.returncode, done.stdout + done.stderr)


@pytest.fixture(autouse=True)
def namespaces(site: Site) -> None:
    """Skip where an ordinary user may not make namespaces."""
    script = f"mount -t tmpfs -o size=1m none {site.folder}"
    if as_root(site, script).status:
        pytest.skip("this kernel gives no user and mount namespaces")


def test_root_is_refused(site: Site) -> None:
    """Root gets one clear line, and nothing of any part is made."""
    site.write(MINIMAL)
    done = as_root(site, "$buildout")
    assert done.status == 1
    assert done.error.startswith("Refusing to run buildout as root")
    assert "Traceback" not in done.output
    left = {path.name for path in site.folder.iterdir()}
    assert left <= {"buildout.cfg", "eggs"}


def test_root_is_refused_without_the_extension(site: Site) -> None:
    """The recipe refuses too, before it makes anything."""
    line = "extensions = collective.recipe.productionstack\n"
    site.write(MINIMAL.replace(line, ""))
    done = as_root(site, "$buildout")
    assert done.status == 1
    assert done.error.startswith("Refusing to run buildout as root")
    assert not (site.folder / "etc").exists()
    assert not (site.folder / "var").exists()


def test_root_may_insist(site: Site) -> None:
    """``allow-root`` lifts that, with a warning."""
    site.write(MINIMAL.replace("parts =", "allow-root = true\nparts =", 1))
    done = as_root(site, "$buildout")
    assert done.status == 0, done.output
    assert "running as root because of [buildout] allow-root" in done.output
    assert (site.etc / "stack.json").is_file()


FULL = """
mkdir etc
mount -t tmpfs -o size=400k none etc
$buildout
cp -rL etc/stack {out}/first
echo 'stats-address = 127.0.0.1:8055' >>buildout.cfg
head -c 1m /dev/zero >etc/filler 2>/dev/null || true
if $buildout >{out}/full 2>&1; then exit 9; fi
cp -rL etc/stack {out}/second
ls -A etc/.stack >{out}/left
rm etc/filler
$buildout
cp -rL etc/stack {out}/third
"""


def test_disk_full(site: Site) -> None:
    """With a full disk the live tree stays whole, and the next run heals."""
    site.write(MINIMAL.replace("parts =", "allow-root = true\nparts =", 1))
    done = as_root(site, FULL.format(out=site.root))
    assert done.status == 0, done.output
    said = (site.root / "full").read_text("utf-8")
    assert "[stack] cannot be written: [Errno 28] No space left on device" in said
    assert "Traceback" not in said
    assert texts(site.root / "first") == texts(site.root / "second")
    assert ".new-" not in (site.root / "left").read_text("utf-8")
    assert "127.0.0.1:8055" in texts(site.root / "third")["haproxy/haproxy.cfg"]


def texts(folder: Path) -> dict[str, str]:
    """Return what lies in a folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_text("utf-8")
        for path in folder.rglob("*")
        if path.is_file()
    }
