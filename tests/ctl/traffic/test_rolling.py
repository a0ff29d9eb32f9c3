"""``restart``, ``drain``, ``ready``, ``add``, ``remove`` with small clients."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path

import pytest

from collective.recipe.productionstack.daemons import roles
from collective.recipe.productionstack.daemons.haproxy.control import Haproxy
from tests.support.bench import Bench


@pytest.fixture
def pair(daemons: None) -> Iterator[Bench]:
    """Give two clients behind HAProxy, all running."""
    with Bench(tiers=("haproxy",)) as one:
        one.generate()
        one.up()
        until(lambda: set(states(one).values()) == {"UP"})
        yield one


def states(bench: Bench) -> dict[str, str]:
    return {
        one.name: one.status for one in roles.balancer(bench.stack).servers().values()
    }


def until(done: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def asked(bench: Bench, path: str = "/", body: bytes = b"") -> tuple[int, str]:
    """Ask HAProxy for a page; status 0 when the connection breaks."""
    port = bench.stack.chain.balancer.port
    one = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        method = "POST" if body else "GET"
        one.request(method, path, body or None, headers={"Connection": "close"})
        answer = one.getresponse()
        return answer.status, answer.read().decode()
    except (OSError, http.client.HTTPException) as error:
        return 0, repr(error)
    finally:
        one.close()


@contextlib.contextmanager
def visitors(
    bench: Bench, path: str = "/?sleep=0.1", number: int = 8
) -> Iterator[list[tuple[int, str]]]:
    """Let some ask all the time; yields what they got."""
    got: list[tuple[int, str]] = []
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            got.append(asked(bench, path))

    threads = [threading.Thread(target=ask) for _ in range(number)]
    for thread in threads:
        thread.start()
    try:
        yield got
    finally:
        over.set()
        for thread in threads:
            thread.join(40)


def start(bench: Bench, *words: str) -> subprocess.Popen[str]:
    """Begin bin/stack without waiting for its end."""
    script = str(bench.folder / "bin" / bench.name)
    return subprocess.Popen(
        (sys.executable, script, *words),
        cwd=bench.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_all_clients_are_new_and_no_request_is_lost(pair: Bench) -> None:
    before = {name: pair.pid(name) for name in ("one", "two")}
    with visitors(pair) as got:
        time.sleep(0.5)
        said = pair.run("restart")
        time.sleep(0.3)
    assert said.ok, said.text
    assert "2 clients restarted and serving" in said.output
    assert not set(before.values()) & {pair.pid(name) for name in ("one", "two")}
    assert len(got) > 20
    assert [one for one in got if one[0] != 200] == []
    assert states(pair) == {"one": "UP", "two": "UP"}


def test_a_request_that_runs_is_waited_for(pair: Bench) -> None:
    answers: list[tuple[int, str]] = []
    slow = [
        threading.Thread(target=lambda: answers.append(asked(pair, "/?sleep=3")))
        for _ in range(4)
    ]
    for one in slow:
        one.start()
    time.sleep(0.3)
    assert pair.run("restart").ok
    for one in slow:
        one.join()
    assert [status for status, _ in answers] == [200] * 4


def test_a_balancer_that_is_silent_is_not_taken_for_one_without_requests(
    pair: Bench,
) -> None:
    """A client is only stopped when its requests are known to have ended."""
    before, haproxy = pair.pid("one"), pair.pid("haproxy")
    worker = Haproxy(pair.stack, 2).worker()
    balancer = roles.balancer(pair.stack, 0.3)
    assert balancer.wait_idle({"one"}, 1)
    for pid in (haproxy, worker):
        os.kill(pid, signal.SIGSTOP)
    try:
        assert not balancer.wait_idle({"one"}, 1)
        done = pair.run("restart", "one")
        assert done.status == 1
        assert "HAProxy does not answer" in done.errors
    finally:
        for pid in (worker, haproxy):
            os.kill(pid, signal.SIGCONT)
    assert pair.pid("one") == before


def test_only_the_named_ones(pair: Bench) -> None:
    before = {name: pair.pid(name) for name in ("one", "two")}
    assert pair.run("restart", "--only", "two").ok
    assert pair.pid("one") == before["one"]
    assert pair.pid("two") != before["two"]


def test_what_does_not_end_is_left_running(pair: Bench) -> None:
    before = {name: pair.pid(name) for name in ("one", "two")}
    slow = [threading.Thread(target=asked, args=(pair, "/?sleep=8")) for _ in range(4)]
    for one in slow:
        one.start()
    time.sleep(0.3)
    said = pair.run("restart", "--timeout", "1")
    assert said.status == 1
    assert "still had requests after 1 s" in said.errors
    assert "Serving: one, two." in said.errors
    assert {name: pair.pid(name) for name in ("one", "two")} == before
    assert states(pair) == {"one": "UP", "two": "UP"}

    forced = pair.run("restart", "--timeout", "0", "--force", "one")
    assert forced.ok, forced.text
    assert pair.pid("one") != before["one"]
    for one in slow:
        one.join()


def test_the_last_client_is_taken_with_force_only(pair: Bench) -> None:
    assert pair.run("drain", "two").ok
    for words in (("restart", "one"), ("drain", "one"), ("remove", "one")):
        said = pair.run(*words)
        assert said.status == 1
        assert "one is the only client that serves" in said.errors
        assert ("wait for it with --hold" in said.errors) == (words[0] == "restart")
        assert '"Back soon" (503)' in said.errors
        assert asked(pair)[0] == 200
    both = pair.run("restart", "--parallel", "2")
    assert "one is the only client" in both.errors
    before = pair.pid("one")
    assert pair.run("restart", "one", "--force").ok
    assert pair.pid("one") != before


def test_it_halts_at_a_client_that_does_not_start(pair: Bench) -> None:
    broken = Path(pair.folders.var, "one.broken")
    broken.touch()
    with visitors(pair) as got:
        said = pair.run("restart", "--start-timeout", "20")
    assert said.status == 1
    assert "broken on purpose" in said.errors
    assert "Without visitors now: one" in said.errors
    assert "Serving: two." in said.errors
    assert "Not restarted: two." in said.errors
    assert [one for one in got if one[0] != 200] == []
    assert roles.balancer(pair.stack).drained() == ["one"]
    shown = pair.run("status")
    assert shown.status == 1
    assert "one: drained, no visitors" in shown.output

    broken.unlink()
    assert pair.run("restart", "one").ok
    assert states(pair) == {"one": "UP", "two": "UP"}
    assert "drained" not in pair.run("status").output


def test_it_halts_at_a_page_that_is_wrong(pair: Bench) -> None:
    Path(pair.folders.var, "status").write_text("500")
    said = pair.run("restart")
    assert said.status == 1
    assert "one answers http://www.example.com" in said.errors
    assert "status 500" in said.errors
    assert "Serving: two." in said.errors


def test_pages_to_warm_up_are_fetched_first(pair: Bench) -> None:
    log = Path(pair.folders.log, "one.out.log")
    assert pair.run("restart", "one", "--warm", "/?sleep=0", "--warm", "/?x").ok
    assert log.exists()
    said = pair.run("restart", "one", "--warm", "/?status=500")
    assert said.status == 1
    assert "status 500" in said.errors
    assert pair.run("ready", "one").ok


def test_commands_before_and_after(pair: Bench) -> None:
    seen = pair.folder / "seen"
    script = pair.folder / "note"
    script.write_text(f'#!/bin/sh\necho "$1 $PRODUCTIONSTACK_CLIENTS" >>{seen}\n')
    script.chmod(0o755)
    note = str(script)
    said = pair.run("restart", "--before", f"{note} 'be fore'", "--after", note)
    assert said.ok, said.text
    assert seen.read_text().splitlines() == [
        "be fore one",
        " one",
        "be fore two",
        " two",
    ]
    before = pair.pid("one")
    failed = pair.run("restart", "--before", "false")
    assert failed.status == 1
    assert "'false' ended with status 1" in failed.errors
    assert pair.pid("one") == before
    assert states(pair)["one"] == "UP"
    missing = pair.run("restart", "--before", "/nowhere")
    assert "there is no program /nowhere" in missing.errors


def test_two_at_the_same_time(pair: Bench) -> None:
    # The first one goes on when the file is there.
    begun, go_on = pair.folder / "begun", pair.folder / "go-on"
    wait = f"touch {begun}; until test -e {go_on}; do sleep 0.1; done"
    first = start(pair, "restart", "--before", f"sh -c '{wait}'")
    until(begun.exists)
    second = pair.run("restart")
    go_on.touch()
    assert second.status == 1
    assert "another bin/stack is changing this stack" in second.errors
    first.communicate(timeout=60)
    assert first.returncode == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP, signal.SIGTERM])
def test_interrupted_while_requests_run(pair: Bench, number: int) -> None:
    before = pair.pid("one")
    slow = [threading.Thread(target=asked, args=(pair, "/?sleep=5")) for _ in range(4)]
    for one in slow:
        one.start()
    time.sleep(0.3)
    process = start(pair, "restart")
    until(lambda: "one" in roles.balancer(pair.stack).drained())
    process.send_signal(number)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "one was not stopped and serves again" in errors
    assert roles.balancer(pair.stack).drained() == []
    assert pair.pid("one") == before
    for one in slow:
        one.join()


def test_interrupted_halfway_the_client_comes_back(pair: Bench) -> None:
    before = {name: pair.pid(name) for name in ("one", "two")}
    Path(pair.folders.var, "one.slow").touch()
    process = start(pair, "restart")
    until(lambda: pair.pid("one") not in {0, before["one"]})
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "Restarted: one." in errors
    assert "Not restarted: two." in errors
    assert pair.pid("one") != before["one"]
    assert pair.pid("two") == before["two"]
    assert states(pair) == {"one": "UP", "two": "UP"}


def test_killed_halfway_the_client_is_named_and_comes_back(pair: Bench) -> None:
    process = start(pair, "restart")
    until(lambda: "one" in roles.balancer(pair.stack).drained())
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=10)
    assert "one: drained, no visitors" in pair.run("status").output
    assert pair.run("restart").ok
    assert states(pair) == {"one": "UP", "two": "UP"}


def test_drained_stays_so_over_a_reload(pair: Bench) -> None:
    assert pair.run("drain", "two").ok
    pair.generate("two")
    assert pair.run("reload").ok
    assert roles.balancer(pair.stack).drained() == ["two"]
    assert {asked(pair)[1].split()[0] for _ in range(6)} == {"one"}
    assert pair.run("ready", "two").ok
    assert {asked(pair)[1].split()[0] for _ in range(8)} == {"one", "two"}


def test_add_and_remove_until_the_next_reload(pair: Bench) -> None:
    said = pair.run("remove", "two")
    assert said.ok, said.text
    assert states(pair).keys() == {"one"}
    assert {asked(pair)[1].split()[0] for _ in range(6)} == {"one"}
    assert "HAProxy knows no two, only one" in pair.run("remove", "two").errors
    said = pair.run("add", "two")
    assert said.ok, said.text
    assert {asked(pair)[1].split()[0] for _ in range(8)} == {"one", "two"}
    assert "knows two already" in pair.run("add", "two").errors

    helper = f"127.0.0.1:{pair.stack.zope.clients[0].address.port}"
    assert pair.run("add", "helper", helper).ok
    assert states(pair).keys() == {"one", "two", "helper"}
    pair.generate("two")
    assert pair.run("reload").ok
    assert states(pair).keys() == {"one", "two"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("restart", "onee"), "Did you mean one?"),
        (("restart", "debugger"), "debugger is the debug client"),
        (("restart", "haproxy"), "haproxy is no client"),
        (("drain", "nobody"), "there is no client nobody"),
        (("add", "helper"), "needs an address such as 127.0.0.1:8099.\n"),
        (("add", "helper", "127.0.0.1:99999"), "needs an address"),
        (("add", "a;b", "127.0.0.1:1"), "no name for a client"),
        (("add", "helper", "127.0.0.1:1; shutdown"), "needs an address"),
        (("restart", "--warm", "news"), "not a path"),
        (("restart", "--before", "a 'b"), "Close its quotes"),
    ],
)
def test_mistakes_change_nothing(
    pair: Bench, words: tuple[str, ...], said: str
) -> None:
    before = pair.pid("one")
    result = pair.run(*words)
    assert result.status == 1
    assert said in result.errors
    assert "Traceback" not in result.errors
    assert states(pair) == {"one": "UP", "two": "UP"}
    assert pair.pid("one") == before


def test_while_nothing_runs(bench: Bench) -> None:
    said = bench.run("restart")
    assert said.status == 1
    assert "bin/stack up" in said.errors


@pytest.mark.alone
def test_held_visitors_wait_for_the_only_client(pair: Bench) -> None:
    assert pair.run("drain", "two").ok
    before = pair.pid("one")
    Path(pair.folders.var, "one.slow").write_text("2")
    posts: list[tuple[int, str]] = []

    def form() -> None:
        posts.append(asked(pair, "/?sleep=0.1", b"x"))

    with visitors(pair) as got:
        time.sleep(0.3)
        process = start(pair, "restart", "one", "--hold")
        until(lambda: "DRAIN" in states(pair)["one"], 20)
        forms = [threading.Thread(target=form) for _ in range(4)]
        for one in forms:
            one.start()
        _, errors = process.communicate(timeout=60)
        for one in forms:
            one.join()
        time.sleep(0.3)
    assert process.returncode == 0, errors
    assert pair.pid("one") != before
    assert {status for status, _ in (*got, *posts)} == {200}
    # Each POST was done once, by the new process.
    assert {text for _, text in posts} == {f"one {pair.pid('one')}"}
    assert states(pair).keys() == {"one", "two"}
    assert roles.balancer(pair.stack).drained() == ["two"]
    assert not Path(pair.stack.socket("hold").path).exists()


def test_who_was_held_is_served_though_nobody_comes_after(pair: Bench) -> None:
    assert pair.run("drain", "two").ok
    got: list[tuple[int, str]] = []
    # HAProxy has found out that it answers when it may send visitors again.
    process = start(pair, "restart", "one", "--hold", "--warm", "/?sleep=2")
    until(lambda: "DRAIN" in states(pair)["one"], 20)
    held = [threading.Thread(target=lambda: got.append(asked(pair))) for _ in range(3)]
    for one in held:
        one.start()
    _, errors = process.communicate(timeout=60)
    for one in held:
        one.join()
    assert process.returncode == 0, errors
    assert got == [(200, f"one {pair.pid('one')}")] * 3


def test_held_visitors_are_told_when_nothing_comes(pair: Bench) -> None:
    assert pair.run("drain", "two").ok
    Path(pair.folders.var, "one.broken").touch()
    with visitors(pair, number=2) as got:
        said = pair.run("restart", "one", "--hold", "--start-timeout", "20")
        until(lambda: bool(got) and got[-1][0] == 503, 40)
    assert said.status == 1
    assert "broken on purpose" in said.errors
    assert {status for status, _ in got} == {200, 503}
    # Nobody was sent to the server that answers nothing.
    assert asked(pair)[0] == 503
