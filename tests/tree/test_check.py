"""How the daemons are asked, with small scripts in their place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from collective.recipe.productionstack.machine import run
from collective.recipe.productionstack.plan import announcing
from collective.recipe.productionstack.plan import rendering
from collective.recipe.productionstack.tree import check
from collective.recipe.productionstack.tree.check import Verdict
from tests.support import samples

Daemon = Callable[[str, str], None]


@pytest.fixture
def daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Daemon:
    """Give a way to put a script in a daemon's place; there is no other one."""
    folder = tmp_path / "daemons"
    folder.mkdir()
    monkeypatch.setattr(run, "SYSTEM_FOLDERS", ())
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")

    def put(name: str, script: str) -> None:
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)

    return put


def asked(tmp_path: Path, service: str) -> Verdict:
    """Return one service's verdict on the sample stack."""
    stack = announcing.complete(samples.STACK)
    folder = tmp_path / "tree"
    folder.mkdir()
    rendering.tree_of(stack).write(folder, durable=False)
    (found,) = (v for v in check.verdicts(stack, folder) if v.service == service)
    return found


def test_missing(tmp_path: Path, daemon: Daemon) -> None:
    """A daemon that is not there is named with its package."""
    found = asked(tmp_path, "varnish")
    assert found.state == "missing"
    assert found.text.endswith("is not installed; on Debian: apt-get install varnish")


@pytest.mark.parametrize("said", ["nginx version: nginx/1.17.9", "nonsense"])
def test_old(tmp_path: Path, daemon: Daemon, said: str) -> None:
    """A version that is too low, or cannot be read, is too old."""
    daemon("nginx", f"echo {said} >&2")
    found = asked(tmp_path, "nginx")
    assert found.state == "old"
    assert "at least 1.18 is needed" in found.text


def test_nothing_real_is_touched(tmp_path: Path, daemon: Daemon) -> None:
    """nginx is asked about a copy without any real port, log or folder."""
    seen = tmp_path / "seen"
    daemon(
        "nginx",
        'if [ "$1" = -v ]; then echo nginx/1.22.1 >&2; exit; fi\n'
        'for file; do :; done; folder=$(dirname "$file")\n'
        f'cat "$folder"/*.conf "$folder"/sites/* >{seen}',
    )
    assert asked(tmp_path, "nginx").ok
    text = seen.read_text()
    assert "listen 127.0.0.1:8000" not in text
    assert "/b/var/log/" not in text


def test_origin_of_a_refused_line(tmp_path: Path, daemon: Daemon) -> None:
    """The option behind the refused line is named."""
    daemon(
        "haproxy",
        'if [ "$1" = -v ]; then echo HAProxy version 2.6.12; exit; fi\n'
        "for file; do :; done\n"
        'n=$(grep -n "maxconn 2" "$file" | head -1 | cut -d: -f1)\n'
        'echo "[ALERT] (1) : config : parsing [$file:$n] : bad" >&2; exit 1',
    )
    found = asked(tmp_path, "haproxy")
    assert found.state == "refused"
    assert found.text.endswith("That line comes from [instance1] threads.")
    assert "parsing [haproxy/haproxy.cfg:" in found.text


def test_refusal_without_a_word(tmp_path: Path, daemon: Daemon) -> None:
    """A daemon that only fails is quoted with its status."""
    daemon("haproxy", '[ "$1" = -v ] && echo HAProxy version 2.6.12 && exit; exit 3')
    assert asked(tmp_path, "haproxy").text == "haproxy ended with status 3"


@pytest.mark.parametrize("level", ["error", "warning"])
def test_complaint_with_status_0(tmp_path: Path, daemon: Daemon, level: str) -> None:
    """logrotate reports most faults and is content; some are warnings since 3.22."""
    daemon(
        "logrotate",
        '[ "$1" = --version ] && echo logrotate 3.21.0 && exit\n'
        f"echo \"{level}: x:7 unknown option 'rotat' -- ignoring line\" >&2\n"
        'echo "warning: x: the errors directive is deprecated" >&2',
    )
    found = asked(tmp_path, "logrotate")
    assert found.state == "refused"
    assert found.text.startswith(f"{level}: x:7 unknown option 'rotat'")
    assert "deprecated" not in found.text


def test_a_warning_that_changes_nothing_is_no_complaint(
    tmp_path: Path, daemon: Daemon
) -> None:
    """logrotate warns of its debug mode whenever it is asked."""
    daemon(
        "logrotate",
        '[ "$1" = --version ] && echo logrotate 3.22.0 && exit\n'
        'echo "warning: logrotate in debug mode does nothing" >&2',
    )
    assert asked(tmp_path, "logrotate").ok


VERSIONED = {"nginx": ("nginx", "-v"), "varnish": ("varnishd", "-V")}


def test_versions_are_remembered(tmp_path: Path, daemon: Daemon) -> None:
    """A daemon whose file is the same is not run again for its version."""
    daemon("nginx", f"echo x >>{tmp_path}/runs; echo nginx/1.22.1 >&2")
    first = check.versions(VERSIONED, {})
    assert first == {"nginx": (1, 22, 1)}
    identity = run.identity(str(tmp_path / "daemons/nginx"))
    known = {"daemons": {"nginx": identity}, "versions": {"nginx": [1, 22, 1]}}
    assert check.versions(VERSIONED, known) == first
    assert (tmp_path / "runs").read_text() == "x\n"
