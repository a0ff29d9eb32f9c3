"""``up`` and ``down``: order, waiting, failing, and that nothing runs twice."""

from __future__ import annotations

import dataclasses
import fcntl
import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from collective.recipe.productionstack.daemons import roles
from collective.recipe.productionstack.machine import processes
from collective.recipe.productionstack.machine.own_processes import is_running
from collective.recipe.productionstack.model.folders import Folders
from tests.support.bench import Bench

EVERY = ["zeo", "one", "two", "haproxy", "varnish", "nginx"]


def test_up_serves_a_page_and_down_ends_everything(chain: Bench) -> None:
    result = chain.up()
    assert "up: 6 programs answer, 6 of them started now" in result.output
    assert "plone-caching" in result.errors
    assert chain.get()[0] == 200
    now = is_running(str(chain.folder), "stack", roles.UNMARKED)
    assert now == sorted([*EVERY, "supervisord"])

    again = chain.up()
    assert "nothing was to be started" in again.output

    assert chain.run("down").ok
    assert is_running(str(chain.folder), "stack", roles.UNMARKED) == []
    assert "nothing runs" in chain.run("down").output


def test_quiet_says_nothing(bench: Bench) -> None:
    for verb in ("up", "down"):
        result = bench.run("--quiet", verb)
        assert (result.status, result.text) == (0, "")


@pytest.mark.parametrize("name", ["zeo", "one", "haproxy", "varnish", "nginx"])
def test_a_killed_program_comes_back(chain: Bench, name: str) -> None:
    chain.up()
    before = chain.pid(name)
    os.kill(before, signal.SIGKILL)
    killed = chain.status()
    assert not killed["ok"] or chain.pid(name) != before
    chain.wait_ok()
    assert chain.pid(name) not in {0, before}
    assert chain.get()[0] == 200


def test_up_takes_over_after_a_killed_supervisord(chain: Bench) -> None:
    chain.up()
    seen = chain.survey()
    old = {name: seen.pid(name) for name in EVERY}
    os.kill(seen.supervisor, signal.SIGKILL)
    time.sleep(0.3)
    status = chain.status()
    assert not status["ok"]
    states = {one["name"]: one["state"] for one in status["programs"]}
    assert set(states.values()) == {"UNSUPERVISED", "STOPPED"}
    assert chain.get()[0] == 200

    lost: list[object] = []
    with visitors(chain, lost) as number:
        result = chain.up()
    assert "replacing it" in result.output
    assert lost == []
    assert number[0] > 100
    now = chain.survey()
    assert now.leftovers == {}
    others = [name for name in EVERY if name != "nginx"]
    assert {name: len(now.roots[name]) for name in others} == dict.fromkeys(others, 1)
    assert not {now.pid(name) for name in EVERY} & set(old.values())
    # nginx holds the ports: the old one serves on, and another stands for it.
    alive = {name for name, pid in old.items() if processes.alive(pid)}
    assert alive == {"nginx"}
    assert chain.status()["ok"]
    assert chain.get()[0] == 200


@contextmanager
def visitors(bench: Bench, lost: list[object]) -> Iterator[list[int]]:
    """Let four ask without a pause, each time over a connection of its own."""
    number, over = [0], threading.Event()

    def ask() -> None:
        while not over.is_set():
            try:
                status = bench.get("/?sleep=0.02")[0]
            except (OSError, http.client.HTTPException) as error:
                lost.append(repr(error))
            else:
                number[0] += 1
                if status != 200:
                    lost.append(status)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        yield number
    finally:
        over.set()
        for thread in threads:
            thread.join()


def test_who_stands_for_another_nginx_is_one_in_every_way(chain: Bench) -> None:
    chain.up()
    for _ in range(2):
        os.kill(chain.survey().supervisor, signal.SIGKILL)
        chain.up()
        assert chain.survey().leftovers == {}
    chain.generate("two")
    assert chain.run("reload").ok
    deadline = time.monotonic() + 5
    while chain.header("X-Nginx") != "two":
        assert time.monotonic() < deadline
    # What it stands for is killed: the next one is nginx's own parent again.
    table = processes.table()
    master = next(
        pid
        for pid in processes.holders(f"{chain.folders.var}/nginx.lock")
        if "master" in processes.command(pid)
    )
    os.kill(table[master].parent, signal.SIGKILL)
    chain.wait_ok()
    assert chain.get()[0] == 200
    assert chain.run("down").ok
    assert is_running(str(chain.folder), "stack", roles.UNMARKED) == []


def test_down_ends_what_a_killed_supervisord_left(chain: Bench) -> None:
    chain.up()
    os.kill(chain.survey().supervisor, signal.SIGKILL)
    result = chain.run("down")
    assert result.ok, result.text
    assert is_running(str(chain.folder), "stack", roles.UNMARKED) == []


def test_down_ends_everything_when_supervisord_hangs(bench: Bench) -> None:
    bench.up()
    os.kill(bench.survey().supervisor, signal.SIGSTOP)
    result = bench.run("down")
    assert result.ok, result.text
    assert "hangs" in result.errors
    assert is_running(str(bench.folder), "stack", roles.UNMARKED) == []


def test_a_program_that_does_not_stop_is_killed_and_reported(bench: Bench) -> None:
    bench.up()
    os.kill(bench.pid("one"), signal.SIGSTOP)
    result = bench.run("down")
    assert result.ok, result.text
    assert "one did not end within 5 s: killed" in result.errors


def test_a_foreign_listener_stops_up_before_anything_starts(bench: Bench) -> None:
    port = bench.stack.zope.clients[1].address.port
    with socket.socket() as one:
        one.bind(("127.0.0.1", port))
        one.listen()
        result = bench.run("up")
        check = bench.run("check")
    assert result.status == 1
    assert (
        f"127.0.0.1:{port} (wanted by two) is in use by pid {os.getpid()}"
        in result.errors
    )
    # Another port-base would not move a client.
    assert result.errors.splitlines()[-2:] == [
        "Stop that, or choose another address in its part.",
        "Then run bin/stack up again.",
    ]
    assert is_running(str(bench.folder), "stack", roles.UNMARKED) == []
    assert check.status == 1
    assert str(port) in check.errors


def test_the_debug_client_may_run_by_hand(bench: Bench) -> None:
    client = bench.stack.zope.debug_client
    assert client
    with socket.socket() as one:
        one.bind((client.address.host, client.address.port))
        one.listen()
        bench.up()


def test_a_program_that_cannot_start_is_named_with_its_log(bench: Bench) -> None:
    Path(bench.folders.var).mkdir()
    Path(bench.folders.var, "two.broken").touch()
    result = bench.run("up", "--timeout", "60")
    assert result.status == 1
    assert "two is FATAL" in result.errors
    assert "this client is broken on purpose" in result.errors
    assert "bin/stack up again" in result.errors
    Path(bench.folders.var, "two.broken").unlink()
    bench.up()


def test_the_deadline_ends_the_waiting(bench: Bench) -> None:
    Path(bench.folders.var).mkdir()
    Path(bench.folders.var, "status").write_text("503")
    result = bench.run("up", "--timeout", "4")
    assert result.status == 1
    assert "www.example.com gives no page (status 503)" in result.errors


def test_a_site_that_is_not_there_yet_is_a_warning(bench: Bench) -> None:
    Path(bench.folders.var).mkdir()
    Path(bench.folders.var, "status").write_text("404")
    result = bench.up()
    assert "there is no /Plone in the database yet" in result.errors
    assert "bin/debugger fg" in result.errors
    assert "bin/stack create-site" in result.errors


def test_on_an_empty_database_the_first_client_starts_alone(bench: Bench) -> None:
    bench.up()
    first, second = (_started(bench, name) for name in ("one", "two"))
    assert second - first > 0.1
    bench.run("down")
    Path(bench.folder, "var", "Data.fs").write_bytes(
        b"FS30 cOFS.Application\nApplication"
    )
    bench.up()
    first, second = (_started(bench, name) for name in ("one", "two"))
    assert abs(second - first) < 0.1


def _started(bench: Bench, name: str) -> float:
    process = processes.process(bench.pid(name))
    assert process
    return process.ticks / os.sysconf("SC_CLK_TCK")


def test_a_second_verb_is_refused_while_one_runs(bench: Bench) -> None:
    var = Path(bench.folders.var)
    var.mkdir()
    with (var / "control.lock").open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        stream.write("4711")
        stream.flush()
        for verb in ("up", "down", "reload", "rollback"):
            result = bench.run(verb)
            assert result.status == 1
            assert "(pid 4711)" in result.errors


def test_control_c_ends_with_one_line_and_frees_the_lock(bench: Bench) -> None:
    Path(bench.folders.var).mkdir()
    Path(bench.folders.var, "status").write_text("503")
    process = subprocess.Popen(
        (sys.executable, str(bench.folder / "bin" / "stack"), "up"),
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 20
    while set(bench.states().values()) != {"RUNNING", "STOPPED"}:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    time.sleep(1)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert errors.decode().strip().splitlines() == [
        "Error: interrupted. Run bin/stack status to see what runs now."
    ]
    Path(bench.folders.var, "status").unlink()
    bench.up()


def test_supervisord_gets_no_foreign_environment(bench: Bench) -> None:
    env = {**os.environ, "SECRET": "x", "HTTP_PROXY": "http://proxy:1", "no_proxy": "a"}
    assert bench.run("up", env=env).ok
    found = processes.environment(bench.survey().supervisor)
    assert "SECRET" not in found
    assert found["HTTP_PROXY"] == "http://proxy:1"
    assert found["NO_PROXY"] == found["no_proxy"] == "a,127.0.0.1,localhost"
    assert processes.command(bench.survey().supervisor).endswith(
        "bin/stack supervisord"
    )


def test_folders_are_private(bench: Bench) -> None:
    bench.up()
    assert Path(bench.folders.var).stat().st_mode & 0o777 == 0o700
    assert Path(bench.folder, "var", "zeo").stat().st_mode & 0o777 == 0o700


class Elsewhere(Bench):
    """A stack whose sockets are outside, where something else may delete them."""

    @property
    def folders(self) -> Folders:
        return dataclasses.replace(super().folders, sockets=f"{self.folder}/sockets")


@pytest.fixture
def elsewhere(daemons: None) -> Iterator[Elsewhere]:
    with Elsewhere(tiers=("haproxy", "varnish", "nginx")) as one:
        one.generate()
        yield one


def test_up_makes_the_sockets_again_that_a_logout_took(elsewhere: Elsewhere) -> None:
    sockets = Path(elsewhere.folders.sockets)
    elsewhere.up()
    before = elsewhere.survey().supervisor
    shutil.rmtree(sockets)
    assert elsewhere.run("status").status == 1

    said = elsewhere.up()

    assert "the sockets are gone" in said.errors
    assert elsewhere.status()["ok"]
    assert elsewhere.survey().supervisor not in {0, before}
    assert (sockets / "haproxy.sock").exists()
    assert elsewhere.get()[0] == 200


def test_whatever_starts_a_program_makes_the_folder_again(elsewhere: Elsewhere) -> None:
    elsewhere.up()
    assert elsewhere.run("down").ok
    shutil.rmtree(elsewhere.folders.sockets)
    assert elsewhere.run("up").ok
    assert elsewhere.status()["ok"]


@pytest.mark.parametrize("inside", [True, False])
def test_another_supervisor_is_named_with_the_way_over_where_it_is_of_this_site(
    bench: Bench, tmp_path: Path, *, inside: bool
) -> None:
    """Theirs would start it again, whoever stops it; another site's is left alone."""
    one = bench.stack.zope.clients[0]
    server = Path(__file__).parents[2] / "support/server.py"
    conf = (bench.folder if inside else tmp_path) / "theirs.conf"
    conf.write_text(
        f"[supervisord]\nnodaemon = true\nlogfile = {bench.folder}/theirs.log\n"
        f"pidfile = {conf.parent}/theirs.pid\n[program:instance1]\n"
        f"command = {sys.executable} {server} instance1 {one.address}\n"
        f'environment = PRODUCTIONSTACK="{bench.folder}"\n'
    )
    theirs = subprocess.Popen(
        (sys.executable, "-m", "supervisor.supervisord", "-c", str(conf)),
        stdout=subprocess.DEVNULL,
    )
    try:
        _wait_for(one.address.port)
        said = bench.run("up")
        assert said.status == 1
        assert f"{one.address} (wanted by one) is in use by pid " in said.errors
        way = f"supervisorctl -c {conf} shutdown"
        assert (way in said.errors) == inside
        assert ("supervisorctl" in said.errors) == inside
        assert "port-base" not in said.errors
        assert (way in bench.run("check").errors) == inside
    finally:
        theirs.terminate()
        theirs.wait(30)
    bench.up()


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 30
    while True:
        with socket.socket() as one:
            if one.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert time.monotonic() < deadline
        time.sleep(0.1)
