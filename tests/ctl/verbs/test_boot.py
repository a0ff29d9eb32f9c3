"""``boot`` and ``debug``: the user's real crontab, a real unit, the spare client."""

from __future__ import annotations

import http.client
import os
import subprocess
from pathlib import Path

import pytest

from collective.recipe.productionstack.machine import run
from tests.support.bench import Bench


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a folder in place of the user's ~/.config."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return tmp_path


def crontab() -> str:
    return run.run(("crontab", "-l")).output


def test_the_line_starts_everything_as_cron_would(
    bench: Bench, own_crontab: None, home: Path
) -> None:
    before = crontab()
    assert "nothing starts it: bin/stack boot install" in bench.run("boot").output
    assert bench.run("boot", "install").ok
    installed = crontab()
    assert installed.startswith(before)
    line = next(one for one in installed.splitlines() if one.startswith("@reboot "))
    said = subprocess.run(
        ("/bin/sh", "-c", line.removeprefix("@reboot ").replace(r"\%", "%")),
        env={"PATH": "/usr/bin:/bin"},
        cwd="/",
        capture_output=True,
        check=False,
        text=True,
    )
    assert (said.returncode, said.stdout, said.stderr) == (0, "", "")
    shown = bench.run("status")
    assert shown.ok
    assert "after a reboot: the @reboot line of your crontab starts it" in shown.output
    assert bench.run("boot", "install").ok
    assert crontab() == installed
    assert bench.run("boot", "remove").ok
    assert crontab() == before
    assert "after a reboot: nothing starts it" in bench.run("status").output


def test_a_unit_takes_the_place_of_the_line(
    bench: Bench, own_crontab: None, home: Path
) -> None:
    before = crontab()
    assert bench.run("boot", "install").ok
    said = bench.run("boot", "install", "--systemd")
    assert said.ok, said.text
    assert "your systemd unit stack-" in said.output
    assert "loginctl enable-linger" in said.output
    assert crontab() == before
    (unit,) = home.glob("systemd/user/*.service")
    wanted = home / "systemd/user/default.target.wants" / unit.name
    assert wanted.resolve() == unit.resolve()
    if run.find("systemd-analyze"):
        env = {**os.environ, "XDG_RUNTIME_DIR": str(home)}
        command = ("systemd-analyze", "--user", "verify", str(unit))
        verified = run.run(command, env=env)
        assert verified.ok, verified.text
    assert f'ExecStart="{bench.folder}/bin/stack" --quiet up' in unit.read_text()
    assert "your systemd unit" in bench.run("boot").output

    assert bench.run("boot", "remove").ok
    assert list(home.glob("systemd/user/*.service")) == []
    assert not wanted.is_symlink()


def test_the_debug_client_comes_and_goes(bench: Bench) -> None:
    bench.up()
    port = bench.stack.zope.all_clients[-1].address.port
    said = bench.run("debug")
    assert said.ok, said.text
    assert f"ssh -L {port}:127.0.0.1:{port}" in said.output
    one = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    one.request("GET", "/")
    assert one.getresponse().status == 200
    one.close()
    pid = bench.pid("debugger")
    assert bench.run("debug").ok
    assert bench.pid("debugger") == pid
    assert bench.status()["ok"]
    assert bench.run("debug", "--stop").ok
    assert bench.states()["debugger"] == "STOPPED"


def test_without_a_running_stack_it_says_what_to_do(bench: Bench) -> None:
    said = bench.run("debug")
    assert said.status == 1
    assert "Run bin/stack up." in said.errors
