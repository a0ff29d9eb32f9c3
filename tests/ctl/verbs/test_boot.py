"""``boot`` and ``debug``: the user's real crontab, a real unit, the spare client."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
from pathlib import Path

import pytest

from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.daemons.systemd.control import lingers
from collective.recipe.productionstack.machine import run
from tests.support.bench import Bench


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a folder in place of the user's ~/.config."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return tmp_path


def crontab() -> str:
    return run.run(("crontab", "-l")).output


def cron_runs(line: str) -> tuple[str, str]:
    """Run a line of a crontab as cron does; return what it prints."""
    command = line.removeprefix("@reboot ").removeprefix("* * * * * ")
    said = subprocess.run(
        ("/bin/sh", "-c", command.replace(r"\%", "%")),
        env={"PATH": "/usr/bin:/bin"},
        cwd="/",
        capture_output=True,
        check=False,
        text=True,
    )
    return said.stdout, said.stderr


def the_line(begin: str) -> str:
    return next(one for one in crontab().splitlines() if one.startswith(begin))


def test_the_line_starts_everything_as_cron_would(
    bench: Bench, own_crontab: None, home: Path
) -> None:
    before = crontab()
    assert "nothing starts it: bin/stack boot install" in bench.run("boot").output
    assert bench.run("boot", "install").ok
    installed = crontab()
    assert installed.startswith(before)
    assert cron_runs(the_line("@reboot ")) == ("", "")
    shown = bench.run("status")
    assert shown.ok
    assert "after a reboot: the @reboot line of your crontab starts it" in shown.output
    assert bench.run("boot", "install").ok
    assert crontab() == installed
    assert bench.run("boot", "remove").ok
    assert crontab() == before
    assert "after a reboot: nothing starts it" in bench.run("status").output


def test_every_minute_cron_looks_whether_supervisord_was_killed(
    bench: Bench, own_crontab: None, home: Path
) -> None:
    assert bench.run("boot", "install").ok
    look = the_line("* * * * * ")

    def supervisor_after_a_look() -> int:
        assert cron_runs(look) == ("", "")
        return bench.survey().supervisor

    # Never started: nothing is missed.
    assert supervisor_after_a_look() == 0
    bench.up()
    first, client = bench.survey().supervisor, bench.pid("one")
    assert supervisor_after_a_look() == first
    assert bench.pid("one") == client
    os.kill(first, signal.SIGKILL)
    assert supervisor_after_a_look() not in {0, first}
    bench.wait_ok()

    # Its number may be another process' by now, even one of ours.
    killed = bench.survey().supervisor
    os.kill(killed, signal.SIGKILL)
    file = bench.folder / "var/stack/supervisord.pid"
    file.write_text(str(os.getpid()))
    assert supervisor_after_a_look() not in {0, killed}

    # Who stops it means it, also where supervisord was gone before.
    os.kill(bench.survey().supervisor, signal.SIGKILL)
    assert bench.run("down").ok
    assert supervisor_after_a_look() == 0
    file.write_text("")
    assert supervisor_after_a_look() == 0


def test_the_look_leaves_alone_what_another_verb_is_at(bench: Bench) -> None:
    bench.up()
    os.kill(bench.survey().supervisor, signal.SIGKILL)
    with Control(bench.folder, "stack").lock():
        said = bench.run("--quiet", "up", "--if-killed")
        assert (said.status, said.text) == (0, "")
        assert bench.survey().supervisor == 0


def test_a_unit_takes_the_place_of_the_line(
    bench: Bench, own_crontab: None, home: Path
) -> None:
    before = crontab()
    assert bench.run("boot", "install").ok
    said = bench.run("boot", "install", "--systemd")
    assert said.ok, said.text
    assert "your systemd unit stack-" in said.output
    assert crontab() == before
    (unit,) = home.glob("systemd/user/*.service")
    wanted = home / "systemd/user/default.target.wants" / unit.name
    assert wanted.resolve() == unit.resolve()
    if run.find("systemd-analyze"):
        env = {**os.environ, "XDG_RUNTIME_DIR": str(home)}
        command = ("systemd-analyze", "--user", "verify", str(unit))
        verified = run.run(command, env=env)
        assert verified.ok, verified.text
    lines = unit.read_text().splitlines()
    assert f'ExecStart="{bench.folder}/bin/stack" --quiet up --timeout 900' in lines
    assert f"PIDFile={bench.folder}/var/stack/supervisord.pid" in lines
    assert {"OOMPolicy=continue", "Restart=on-failure", "KillMode=process"} < {*lines}
    assert "network.target" not in unit.read_text()  # there is none for a user
    assert "your systemd unit" in bench.run("boot").output

    assert bench.run("boot", "remove").ok
    assert list(home.glob("systemd/user/*.service")) == []
    assert not wanted.is_symlink()


@pytest.mark.skipif(lingers(), reason="this user lingers")
def test_what_a_unit_does_not_do_is_said(
    bench: Bench, own_crontab: None, home: Path
) -> None:
    """No manager answers here; tests/boot has one."""
    bench.up()
    assert "boot" not in bench.status()
    said = bench.run("boot", "install", "--systemd")
    assert said.ok, said.text
    at_logout = "note: without lingering systemd stops the site when you log out; root"
    assert f"{at_logout} runs once: loginctl enable-linger" in said.errors
    outside = "what runs now was not started by the unit"
    assert outside in said.errors
    assert "until bin/stack down, then bin/stack up" in said.errors
    shown = bench.run("status").output
    assert "starts it, but only at your next login" in shown
    assert "boot: without lingering" in shown
    assert f"boot: {outside}" in shown
    assert len(bench.status()["boot"]) == 2
    assert bench.status()["ok"]
    # Where nothing answers that could start it, `up` does so itself.
    assert bench.run("down").ok
    assert "without lingering" in bench.up().errors
    assert bench.status()["ok"]


def test_the_unit_starts_nothing_beside_what_runs(bench: Bench, home: Path) -> None:
    assert bench.run("boot", "may-start").ok
    bench.up()
    said = bench.run("--quiet", "boot", "may-start")
    assert said.status == 1
    assert "not started by the unit" in said.errors
    assert bench.run("down").ok
    assert bench.run("boot", "may-start").ok
    assert "may-start" not in bench.run("boot", "--help").output


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
