"""A disk that fills up and a limit of open files, as they really are."""

from __future__ import annotations

import resource
import subprocess
import sys

import pytest

from collective.recipe.productionstack.ctl.watching import machine
from tests.support.bench import Bench

FULL = """
set -e
mount -t tmpfs -o size=2m tmpfs "$1/var/log"
head -c 1950k /dev/zero >"$1/var/log/filling"
shift
exec env BUILDOUT_ALLOW_ROOT=1 "$@"
"""


def on_a_full_disk(bench: Bench, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a verb where another, tiny disk is mounted for the logs."""
    command = (sys.executable, str(bench.folder / "bin/stack"), *words)
    inside = ("sh", "-c", FULL, "full", str(bench.folder), *command)
    return subprocess.run(
        ("unshare", "--user", "--map-root-user", "--mount", *inside),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(autouse=True, scope="module")
def _namespaces() -> None:
    """Skip where users may not make any."""
    if subprocess.run(("unshare", "-Urm", "true"), check=False).returncode:
        pytest.skip("this kernel lets users make no namespace")


def test_a_full_disk_of_logs_is_red(bench: Bench) -> None:
    bench.up()
    assert "disk" not in bench.run("status").output
    result = on_a_full_disk(bench, "status")
    assert result.returncode == 1, result.stderr
    shown = f"disk: the disk of logs ({bench.folder}/var/log) has only 0 MB left"
    assert shown in result.stdout
    assert '"disks": [' in on_a_full_disk(bench, "status", "--json").stdout


def test_a_full_disk_is_told(bench: Bench) -> None:
    bench.up()
    look = (
        "from pathlib import Path; import sys\n"
        "from collective.recipe.productionstack.ctl.control import Control\n"
        "from collective.recipe.productionstack.ctl.watching.watchdog import Watchdog\n"
        f"Watchdog(Control(Path({str(bench.folder)!r}), 'stack')).turn(100.0)\n"
    )
    inside = ("full", str(bench.folder), sys.executable, "-c", look)
    subprocess.run(
        ("unshare", "-Urm", "sh", "-c", FULL, *inside), check=True, cwd=bench.folder
    )
    (alert,) = bench.status()["alerts"]
    assert alert.startswith("the disk of logs")


def test_a_low_limit_of_open_files_is_said(bench: Bench) -> None:
    script = (sys.executable, str(bench.folder / "bin/stack"), "up")
    subprocess.run(
        ("prlimit", "--nofile=1024:1024", *script), check=True, capture_output=True
    )
    result = bench.run("status")
    assert result.ok, "it is a remark"
    assert "open files: a program may open 1024 files at most: about 512" in (
        result.output
    )
    assert bench.run("down").ok
    bench.up()
    enough = resource.getrlimit(resource.RLIMIT_NOFILE)[1] >= machine.FILES
    assert ("open files" not in bench.run("status").output) == enough
