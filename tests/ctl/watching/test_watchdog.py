"""``watch``: real processes that crash and grow, a real webhook."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import threading
import time
from collections.abc import Callable
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from collective.recipe.productionstack.ctl.alerts import KEPT
from collective.recipe.productionstack.ctl.alerts import Alert
from collective.recipe.productionstack.ctl.alerts import Post
from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.ctl.jobs import outcomes
from collective.recipe.productionstack.ctl.jobs.outcomes import Stamp
from collective.recipe.productionstack.ctl.watching import rules
from collective.recipe.productionstack.ctl.watching.watchdog import Watchdog
from collective.recipe.productionstack.daemons.haproxy.control import Haproxy
from collective.recipe.productionstack.machine.files import MEGABYTE
from collective.recipe.productionstack.model.stack import Watching
from tests.support.bench import Bench

SECRET = "/hooks/s3cr3t"
QUICK = ("--interval", "0.3")


class Hook(ThreadingHTTPServer):
    """A webhook; ``status`` is what it answers."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        self.status = 200
        super().__init__(("127.0.0.1", 0), Receiver)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}{SECRET}"

    def subjects(self) -> list[str]:
        return [one["subject"] for one in self.told]


class Receiver(BaseHTTPRequestHandler):
    server: Hook

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.status == 200:
            assert self.path == SECRET
            self.server.told.append(json.loads(body))
        self.send_response(self.server.status)
        self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Stay silent."""


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hook]:
    monkeypatch.setenv("no_proxy", "*")
    with Hook() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def watched(daemons: None, hook: Hook) -> Iterator[Bench]:
    """Give a stack that is up, with HAProxy and a watchdog that looks often."""
    with Bench(tiers=("haproxy",)) as one:
        one.watching = Watching(webhook=hook.url)
        one.watchdog = QUICK
        one.generate()
        one.up()
        yield one


def wait(done: Callable[[], object], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.1)


def mark(bench: Bench, name: str) -> Path:
    path = bench.folder / "var" / bench.name / name
    path.touch()
    return path


def test_a_crash_loop_is_given_up_told_and_forgiven(watched: Bench, hook: Hook) -> None:
    others = {name: watched.pid(name) for name in ("one", "zeo", "haproxy")}
    for _ in range(rules.EXITS):
        wait(lambda: watched.states()["two"] == "RUNNING")
        pid = watched.pid("two")
        time.sleep(0.7)
        os.kill(pid, signal.SIGKILL)
    wait(lambda: watched.states()["two"] == "STOPPED")
    wait(lambda: any("given up" in one for one in hook.subjects()))
    assert "two ended by itself, once in the last hour" in hook.subjects()
    shown = watched.run("status")
    assert shown.status == 1
    assert "watchdog: two ended again and again and was given up" in shown.output
    assert watched.status()["alerts"] == ["two ended again and again and was given up"]
    assert "bin/stack restart two" in hook.told[-1]["advice"]
    time.sleep(3)
    assert watched.states()["two"] == "STOPPED"
    assert {name: watched.pid(name) for name in others} == others

    assert watched.run("restart", "two").ok
    wait(lambda: "two is well again (down)" in hook.subjects())
    assert watched.run("status").ok
    assert "alerts" not in watched.status()
    log = watched.folder.joinpath("var/log/watchdog.out.log").read_text()
    assert "given up" in log
    assert "s3cr3t" not in log


def test_the_last_one_that_serves_is_never_given_up(watched: Bench, hook: Hook) -> None:
    assert watched.run("drain", "one").ok
    for _ in range(rules.EXITS + 1):
        wait(lambda: watched.states()["two"] == "RUNNING")
        time.sleep(0.7)
        os.kill(watched.pid("two"), signal.SIGKILL)
    wait(lambda: watched.states()["two"] == "RUNNING")
    time.sleep(2)
    assert watched.states()["two"] == "RUNNING"
    assert "two ended by itself, 6 times in the last hour" in watched.status()["alerts"]


def test_a_broken_client_is_told(watched: Bench, hook: Hook) -> None:
    mark(watched, "two.broken")
    os.kill(watched.pid("two"), signal.SIGKILL)
    wait(lambda: watched.states()["two"] in {"FATAL", "STOPPED"})
    wait(
        lambda: any(
            one.startswith("two ") and "given" in one for one in hook.subjects()
        )
    )


def test_maintenance_pauses_it(watched: Bench, hook: Hook) -> None:
    (watched.folder / "var/stack/maintenance.map").write_text("www.example.com 1;\n")
    time.sleep(1)
    os.kill(watched.pid("two"), signal.SIGKILL)
    watched.wait_ok()
    time.sleep(1.5)
    assert hook.told == []
    (watched.folder / "var/stack/maintenance.map").unlink()
    time.sleep(1.5)
    assert hook.told == []


def test_visitors_are_let_go_when_the_restart_that_held_them_was_killed(
    watched: Bench,
) -> None:
    haproxy = Haproxy(watched.stack, 2)
    with Control(watched.folder, watched.name).lock():
        haproxy.ask("set server plone/hold-visitors state ready")
        time.sleep(2)  # a verb that still runs holds them on purpose
        assert haproxy.is_holding()
    wait(lambda: not haproxy.is_holding())


def test_it_sees_the_others_as_supervised(watched: Bench, hook: Hook) -> None:
    """It is a child of supervisord, whose other children are no leftovers."""
    assert watched.run("restart").ok
    time.sleep(1.5)
    assert hook.told == []
    assert watched.run("down").ok
    assert watched.run("status").output.startswith("not running")


def test_a_second_one_refuses(watched: Bench) -> None:
    said = watched.run("watch")
    assert said.status == 1
    assert "a watchdog of this stack runs already" in said.errors


def test_a_killed_one_comes_back(watched: Bench, hook: Hook) -> None:
    os.kill(watched.pid("watchdog"), signal.SIGKILL)
    watched.wait_ok()


def test_a_job_that_nobody_runs_is_told(watched: Bench, hook: Hook) -> None:
    outcomes.save(watched.stack, Stamp(name="pack", ok=True, ended=time.time() - 10**7))
    outcomes.save(watched.stack, Stamp(name="up", ok=True, ended=time.time() - 10**7))
    wait(lambda: any(one.startswith("pack: the last good") for one in hook.subjects()))
    shown = watched.run("status")
    assert shown.status == 1
    assert "pack: TOO OLD: 115 d ago: bin/stack pack" in shown.output
    outcomes.save(watched.stack, Stamp(name="pack", ok=True, ended=time.time()))
    wait(lambda: "pack is well again (age)" in hook.subjects())


WITHOUT = "supervisord was killed: nothing that ends is started again until it is back"


def test_a_killed_supervisord_is_told_and_that_it_is_back(
    watched: Bench, hook: Hook
) -> None:
    os.kill(watched.survey().supervisor, signal.SIGKILL)
    wait(lambda: WITHOUT in hook.subjects())
    shown = watched.run("status", "--metrics").output
    assert 'program="supervisord",standby="false"} 0' in shown
    assert WITHOUT in watched.status()["alerts"]
    assert watched.run("--quiet", "up", "--if-killed").text == ""
    wait(lambda: "supervisord is well again (down)" in hook.subjects())
    assert hook.subjects().count(WITHOUT) == 1
    shown = watched.run("status", "--metrics").output
    assert 'program="supervisord",standby="false"} 1' in shown


def test_with_the_watchdog_gone_too_up_tells_it(watched: Bench, hook: Hook) -> None:
    seen = watched.survey()
    for pid in (seen.supervisor, seen.pid("watchdog")):
        os.kill(pid, signal.SIGKILL)
    assert watched.run("--quiet", "up", "--if-killed").ok
    wait(lambda: "supervisord is well again (down)" in hook.subjects())
    assert hook.subjects().count(WITHOUT) == 1


def test_a_frozen_supervisord_is_told(watched: Bench, hook: Hook) -> None:
    pid = watched.survey().supervisor
    os.kill(pid, signal.SIGSTOP)
    wait(lambda: any("supervisord hangs" in one for one in hook.subjects()), 60)
    os.kill(pid, signal.SIGCONT)
    wait(lambda: "supervisord is well again (down)" in hook.subjects())


def test_down_is_no_trouble(watched: Bench, hook: Hook) -> None:
    assert watched.run("down").ok
    assert hook.told == []


def test_what_programs_print_has_room_while_supervisord_is_busy(
    watched: Bench,
) -> None:
    def room(pid: int) -> int:
        with Path(f"/proc/{pid}/fd/1").open("ab", 0) as pipe:
            return fcntl.fcntl(pipe, 1032)  # F_GETPIPE_SZ

    wait(lambda: room(watched.pid("haproxy")) == MEGABYTE)
    os.kill(watched.pid("haproxy"), signal.SIGKILL)
    watched.wait_ok()
    wait(lambda: room(watched.pid("haproxy")) == MEGABYTE)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "AGAIN_SECONDS", 0.5)
    monkeypatch.setattr(rules, "OVER_LOOKS", 2)


def turns(bench: Bench, number: int) -> Watchdog:
    """Let a watchdog in this very process look some times."""
    one = Watchdog(Control(bench.folder, bench.name))
    for _ in range(number):
        time.sleep(0.6)
        one.turn(time.monotonic())
    return one


@pytest.fixture
def hungry(daemons: None, hook: Hook) -> Iterator[Bench]:
    """Give a stack whose client ``two`` uses 200 MB, twice the limit."""
    with Bench(tiers=("haproxy",)) as one:
        one.watching = Watching(memory_limit=100 * MEGABYTE, webhook=hook.url)
        one.generate()
        one.folder.joinpath("var/stack").mkdir(exist_ok=True)
        mark(one, "two.hungry")
        one.up()
        yield one


def test_too_much_memory_is_restarted_without_a_lost_request(
    hungry: Bench, hook: Hook, impatient: None
) -> None:
    one, two = hungry.pid("one"), hungry.pid("two")
    (hungry.folder / "var/stack/two.hungry").unlink()
    turns(hungry, 3)
    assert hungry.pid("two") not in {0, two}
    assert hungry.pid("one") == one
    (said,) = hook.subjects()
    assert said.startswith("two uses more than memory-limit (100 MB) and was restarted")
    assert hungry.run("status").ok


def test_the_last_one_is_not_restarted_for_its_memory(
    hungry: Bench, hook: Hook, impatient: None
) -> None:
    assert hungry.run("drain", "one").ok
    two = hungry.pid("two")
    turns(hungry, 4)
    assert hungry.pid("two") == two
    (said,) = hook.subjects()
    assert "cannot be restarted: two is the only client that serves" in said
    assert any("cannot be restarted" in one for one in hungry.status()["alerts"])


def test_an_alert_waits_for_the_webhook(bench: Bench, hook: Hook) -> None:
    bench.watching = Watching(webhook=hook.url)
    said: list[str] = []
    post = Post(said.append)
    for status in (500, 302, 404):
        hook.status = status
        post.send(bench.stack, Alert("broken"))
        assert f"alert-webhook cannot be used: it answers {status}" in said
    hook.status = 200
    assert post.deliver(bench.stack) == []
    assert hook.subjects() == ["broken"] * 3
    assert "s3cr3t" not in "".join(said)
    bench.watching = Watching(webhook="http://127.0.0.1:9/x")
    for _ in range(KEPT + 5):
        post.send(bench.stack, Alert("nobody there"))
    assert len(post.waiting) == KEPT
    assert "alert-webhook cannot be used: no answer (ConnectionRefusedError)" in said


def test_a_trouble_is_told_though_no_note_of_it_can_be_written(
    watched: Bench, hook: Hook
) -> None:
    """A full disk is told of before anything is written to it."""
    note = Path(watched.folders.var, "watchdog.json")
    note.unlink(missing_ok=True)
    note.mkdir()
    os.kill(watched.pid("one"), signal.SIGKILL)
    wait(lambda: any(one.startswith("one ended") for one in hook.subjects()))
    time.sleep(1)
    assert hook.subjects() == ["one ended by itself, once in the last hour"]


def test_a_failure_is_told_though_no_note_of_it_can_be_written(
    bench: Bench, hook: Hook
) -> None:
    """On a full disk the alert is all that says so before a day is over."""
    bench.watching = Watching(webhook=hook.url)
    bench.generate()
    jobs = Path(bench.folders.var, "jobs")
    jobs.parent.mkdir(parents=True, exist_ok=True)
    jobs.write_text("in the way of a folder")
    said = bench.run("backup")
    assert said.status == 1
    assert "Traceback" not in said.text
    assert "knows no backup part" in said.errors
    assert "its note cannot be written" in said.errors
    (told,) = hook.subjects()
    assert told.startswith("backup failed: [stack] knows no backup part")


@pytest.fixture
def letters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a sendmail first in PATH that keeps what it is given."""
    script = tmp_path / "sendmail"
    script.write_text(f'#!/bin/sh\n(echo "$@"; cat) >{tmp_path}/letter\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return tmp_path / "letter"


def test_the_test_alert_is_a_mail(bench: Bench, letters: Path) -> None:
    said = bench.run("watch", "--test")
    assert said.status == 1
    assert "Set alert-mail or alert-webhook" in said.errors
    bench.watching = Watching(mail=("root", "admin@example.com"))
    bench.generate()
    assert bench.run("watch", "--test").ok
    words, *lines = letters.read_text().splitlines()
    assert words == "-i root admin@example.com"
    assert "To: root, admin@example.com" in lines
    assert "Auto-Submitted: auto-generated" in lines
    assert any(one.startswith("Subject: [stack on ") for one in lines)
    assert "this is a test." in lines


def test_without_a_mail_system_the_remedy_is_named(
    bench: Bench, letters: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    letters.with_name("sendmail").write_text("#!/bin/sh\necho no relay; exit 75\n")
    bench.watching = Watching(mail=("root",))
    bench.generate()
    said = bench.run("watch", "--test")
    assert said.status == 1
    assert "sendmail ended with status 75. no relay" in said.text
