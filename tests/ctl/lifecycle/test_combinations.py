"""Other daemons in the same roles: exchanged under load, and what the verbs do then."""

from __future__ import annotations

import contextlib
import http.client
import threading
from collections.abc import Iterator

import pytest

from tests.support.bench import HOST
from tests.support.combined import CombinedBench

pytestmark = pytest.mark.usefixtures("daemons")

Got = list[tuple[str, int, str]]


def asked(bench: CombinedBench, method: str) -> tuple[str, int, str]:
    one = http.client.HTTPConnection("127.0.0.1", bench.ports[0], timeout=60)
    try:
        body = b"x=y" if method == "POST" else None
        headers = {"Host": HOST, "Connection": "close"}
        one.request(method, "/?sleep=0.05", body, headers)
        answer = one.getresponse()
        return method, answer.status, answer.read().decode()
    except (OSError, http.client.HTTPException) as error:
        return method, 0, repr(error)
    finally:
        one.close()


@contextlib.contextmanager
def visitors(bench: CombinedBench) -> Iterator[Got]:
    """Let some ask all the time, and send forms; yields what they got."""
    got: Got = []
    over = threading.Event()

    def ask(method: str) -> None:
        while not over.is_set():
            got.append(asked(bench, method))

    threads = [
        threading.Thread(target=ask, args=(method,))
        for method in ("GET", "GET", "GET", "POST", "POST")
    ]
    for thread in threads:
        thread.start()
    try:
        yield got
    finally:
        over.set()
        for thread in threads:
            thread.join(60)


def bad(got: Got) -> Got:
    return [one for one in got if one[1] != 200]


def switched(bench: CombinedBench, **values: str) -> str:
    """Do what a user does: buildout, reload, and up where reload names it."""
    bench.values = {**bench.values, **values}
    bench.generate()
    said = bench.run("reload")
    assert "took the new configuration in" in said.output, said.text
    up = bench.up()
    assert bench.run("reload").ok
    return said.text + up.text


@pytest.mark.parametrize("cache", ["varnish", "none"])
def test_a_balancer_is_exchanged_without_a_lost_request(cache: str) -> None:
    with CombinedBench(proxy_cache=cache) as bench:
        bench.generate()
        bench.up()
        with visitors(bench) as got:
            said = switched(bench, load_balancer="nginx")
            assert "haproxy is no longer part of the stack but runs" in said
            assert "haproxy" not in bench.states()
            middle = len(got)
            switched(bench, load_balancer="haproxy")
            assert bench.states()["haproxy"] == "RUNNING"
            bench.wait(lambda: len(got) > middle + 50, "visitors")
        assert bad(got) == []


def test_a_cache_is_exchanged_by_down_and_up_as_reload_says() -> None:
    with CombinedBench() as bench:
        bench.generate()
        bench.up()
        bench.values["proxy_cache"] = "nginx"
        bench.generate()
        said = bench.run("reload")
        assert said.status == 1
        assert "where varnish still does; nothing was changed" in said.errors
        assert "bin/stack down, then" in said.errors
        assert asked(bench, "GET")[1] == 200
        assert bench.states()["varnish"] == "RUNNING"
        assert bench.run("down").ok
        bench.up()
        assert asked(bench, "GET")[1] == 200
        assert "varnish" not in bench.states()
        bench.values["proxy_cache"] = "varnish"
        bench.generate()
        assert "where nginx still does" in bench.run("reload").errors


@pytest.fixture(scope="module")
def one_tool() -> Iterator[CombinedBench]:
    with CombinedBench(proxy_cache="none", load_balancer="nginx") as bench:
        bench.generate()
        bench.up()
        yield bench


def test_a_rolling_restart_loses_nothing(one_tool: CombinedBench) -> None:
    before = {name: one_tool.pid(name) for name in ("one", "two")}
    with visitors(one_tool) as got:
        said = one_tool.run("restart")
        one_tool.wait(lambda: len(got) > 50, "visitors")
    assert said.ok, said.text
    assert "2 clients restarted and serving" in said.output
    assert bad(got) == []
    after = {name: one_tool.pid(name) for name in ("one", "two")}
    assert not set(before.values()) & set(after.values())


def test_drain_and_ready(one_tool: CombinedBench) -> None:
    said = one_tool.run("drain", "one")
    assert said.ok, said.text
    assert {asked(one_tool, "GET")[2].split()[0] for _ in range(8)} == {"two"}
    assert "drained" in one_tool.run("status").output
    refused = one_tool.run("drain", "two")
    assert refused.status == 1
    assert "only client that serves" in refused.errors
    said = one_tool.run("ready", "one")
    assert said.ok, said.text
    one_tool.wait(
        lambda: (
            {asked(one_tool, "GET")[2].split()[0] for _ in range(8)} == {"one", "two"}
        ),
        "both",
    )


def test_add_and_remove(one_tool: CombinedBench) -> None:
    assert one_tool.run("remove", "one").ok
    assert "nginx knows no one" in one_tool.run("remove", "one").errors
    assert one_tool.run("add", "one").ok
    assert "nginx knows one already" in one_tool.run("add", "one").errors


def test_visitors_cannot_be_held(one_tool: CombinedBench) -> None:
    said = one_tool.run("restart", "--hold")
    assert said.status == 1
    assert "nginx has no queue" in said.errors
    assert "load-balancer = haproxy" in said.errors
    assert one_tool.status()["ok"]


def test_explain_draws_it(one_tool: CombinedBench) -> None:
    said = one_tool.run("explain").output
    assert "nginx (balancer)" in said
    assert "HAProxy" not in said
    assert "statistics" not in said
