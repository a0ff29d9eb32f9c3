"""dev/test-on: what it refuses, and what a root takes from this machine."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

DEV = Path(__file__).parents[2] / "dev"
ROOT = f". {DEV}/root"

Fake = Callable[[str, str], None]


@pytest.fixture
def fake(tmp_path: Path) -> Fake:
    """Give a way to put a program before those of this machine."""
    (tmp_path / "bin").mkdir()

    def put(name: str, script: str) -> None:
        path = tmp_path / "bin" / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    return put


def bash(
    tmp_path: Path, *words: str, path: str = "/usr/bin:/bin", **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run bash where nothing of this machine's environment is said."""
    environment = {"PATH": f"{tmp_path}/bin:{path}", "HOME": str(tmp_path)}
    return subprocess.run(
        ("/bin/bash", *words),
        env=environment | variables,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def refusal(tmp_path: Path, *arguments: str, path: str = "/usr/bin:/bin") -> str:
    """Return the one line that test-on refuses with, having written nothing."""
    before = sorted(tmp_path.rglob("*"))
    said = bash(tmp_path, f"{DEV}/test-on", *arguments, path=path)
    assert (said.returncode, said.stdout) == (2, ""), said.stderr
    assert sorted(tmp_path.rglob("*")) == before
    (line,) = said.stderr.splitlines()
    return line


@pytest.mark.parametrize(
    ("suite", "message"),
    [
        ("", "Error: on which Debian? make test-on SUITE=trixie, or bookworm"),
        ("test-on", "Error: on which Debian? make test-on SUITE=trixie, or bookworm"),
        ("test-on woody", "Error: test-on knows bookworm and trixie, not woody."),
        ("bookworm trixie", "Error: one suite at a time: make test-on bookworm"),
    ],
)
def test_another_suite(tmp_path: Path, suite: str, message: str) -> None:
    assert refusal(tmp_path, suite) == message


def only(tmp_path: Path, *names: str) -> str:
    """Return a PATH with these programs of this machine alone."""
    folder = tmp_path / "only"
    folder.mkdir()
    for name in names:
        (folder / name).symlink_to(f"/usr/bin/{name}")
    return str(folder)


def test_neither_root_nor_sudo(tmp_path: Path, fake: Fake) -> None:
    fake("id", "echo 1000")
    line = refusal(tmp_path, "trixie", path=only(tmp_path, "dirname"))
    assert line.endswith(
        "neither root nor sudo here. Let one run: make test-on trixie"
    ), line


def test_sudo_that_says_no(tmp_path: Path, fake: Fake) -> None:
    fake("id", "echo 1000")
    fake("sudo", "exit 1")
    assert "sudo says no." in refusal(tmp_path, "trixie")


def test_no_namespaces(tmp_path: Path, fake: Fake) -> None:
    fake("id", "echo 0")
    fake("unshare", "exit 1")
    line = refusal(tmp_path, "trixie")
    assert "no namespaces of its own" in line
    assert line.endswith("start it with: --privileged")


def test_no_unshare(tmp_path: Path, fake: Fake) -> None:
    fake("id", "echo 0")
    line = refusal(tmp_path, "trixie", path=only(tmp_path, "dirname"))
    assert line == "Error: there is no unshare. On Debian: apt-get install util-linux"


def test_no_package(tmp_path: Path, fake: Fake) -> None:
    for name in ("unshare", "ip", "python3", "git"):
        fake(name, "exit 0")
    fake("id", "echo 0")
    path = only(tmp_path, "dirname", "bash", "sort", "tr", "mktemp", "rm")
    line = refusal(tmp_path, "trixie", path=path)
    assert line.startswith("Error: please install: ")
    assert "mmdebstrap" in line


def test_what_boots_is_refused_by_its_own_name(tmp_path: Path, fake: Fake) -> None:
    fake("id", "echo 0")
    fake("unshare", "exit 1")
    line = refusal(tmp_path, "--boot", "test-boot woody")
    assert line == "Error: test-boot knows bookworm and trixie, not woody."
    assert "no namespaces of its own" in refusal(tmp_path, "--boot", "test-boot")
    fake("id", "echo 1000")
    fake("sudo", "exit 1")
    line = refusal(tmp_path, "--boot", "test-boot trixie")
    assert line.endswith("Let an administrator run: make test-boot trixie")


def test_nothing_but_test_boot_collects_what_boots(tmp_path: Path) -> None:
    command = f"{sys.executable} -m pytest -q --collect-only {DEV.parent}/tests/boot"
    nothing = subprocess.run(
        command.split(), cwd=DEV.parent, capture_output=True, text=True, check=False
    )
    assert nothing.returncode == pytest.ExitCode.NO_TESTS_COLLECTED, nothing.stdout


def test_the_mirror_is_this_machines_own(tmp_path: Path, fake: Fake) -> None:
    own = platform.freedesktop_os_release().get("VERSION_CODENAME", "")
    targets = (
        f"http://mirror.example/debian|{own}|main|Debian",
        f"http://mirror.example/debian|{own}|contrib|Debian",
        f"http://mirror.example/debian|{own}-updates|main|Debian",
        f"http://mirror.example/security|{own}-security|main|Debian",
        f"http://packages.example/apt|{own}|main|Another",
        "http://packages.example/apt|nodistro|main|$(ORIGIN)",
    )
    fake("apt-get", "\n".join(f"echo '{line}'" for line in targets))
    said = bash(tmp_path, "-euc", f"{ROOT}; mirrors trixie").stdout.splitlines()
    assert {line.partition("] ")[2] for line in said} == {
        "http://mirror.example/debian trixie main",
        "http://mirror.example/debian trixie-updates main",
        "http://mirror.example/security trixie-security main",
    }
    assert all("signed-by=/usr/share/keyrings/debian-archive" in line for line in said)


def test_how_apt_fetches_is_taken_over_and_its_hooks_are_not(
    tmp_path: Path, fake: Fake
) -> None:
    taken = [
        'Acquire::http::Proxy "http://proxy.example:3128";',
        'Acquire::https::CAInfo "/etc/ssl/x.pem";',
        'Acquire::Retries "3";',
    ]
    left = [
        'Acquire::http "";',
        'Acquire::http::Proxy-Auto-Detect "/usr/bin/find-proxy";',
        'DPkg::Post-Invoke:: "rm -f /x";',
        'Acquire::cdrom::mount "/media/cdrom/";',
    ]
    fake("apt-config", "\n".join(f"echo '{line}'" for line in taken + left))
    said = bash(tmp_path, "-euo", "pipefail", "-c", f"{ROOT}; fetching")
    assert said.stdout.splitlines() == taken


def test_what_pip_is_told_of_can_be_read_in_the_root(tmp_path: Path) -> None:
    wheels, index, named = (tmp_path / name for name in ("a", "b", "c"))
    for folder in (wheels, index, named, tmp_path / ".config/pip"):
        folder.mkdir(parents=True)
    (tmp_path / ".config/pip/pip.conf").write_text(
        f"[global]\nfind-links =\n    {wheels}\n    /not/there\n"
        f"extra-index-url = file://{index}\ntimeout = 30\n"
    )
    script = f"{ROOT}; pip_places {tmp_path}; pip_configuration {tmp_path}"
    said = bash(tmp_path, "-euc", script, PIP_FIND_LINKS=str(named)).stdout
    places, _, configuration = said.partition("[")
    assert {str(wheels), str(index), str(named)} <= set(places.splitlines())
    assert "/not/there" not in places.splitlines()
    assert "timeout = 30" in configuration


def test_the_work_tree_of_another_user_is_listed(tmp_path: Path) -> None:
    said = bash(tmp_path, f"{DEV}/work-tree").stdout.split("\0")
    assert {"Makefile", "dev/test-on", "setup.py"} <= set(said)
    assert not [name for name in said if "__pycache__" in name]
    assert said[:-1] == sorted(said[:-1], key=os.fsencode)
