"""nginx as the balancer: clients that come and go, fail and are left out."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from collective.recipe.productionstack.daemons import roles
from collective.recipe.productionstack.daemons.nginx import process
from collective.recipe.productionstack.daemons.nginx import upstreams
from collective.recipe.productionstack.daemons.nginx.control import NginxBalancer
from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.model.chain import BALANCER_HEALTH
from collective.recipe.productionstack.model.clients import Balancing
from tests.daemons import stage
from tests.daemons.stage import Answer
from tests.daemons.stage import Reply
from tests.daemons.stage import Stage
from tests.daemons.stage import ask

pytestmark = pytest.mark.usefixtures("daemons")

LOGIN = ("Cookie", "a=b; __ac=one")
ONE_TOOL = {"proxy_cache": "none", "load_balancer": "nginx"}


@pytest.fixture(scope="module")
def running() -> Iterator[Stage]:
    with Stage(**ONE_TOOL) as one:  # type: ignore[arg-type]
        yield one.start()


@pytest.fixture
def chain(running: Stage) -> Stage:
    running.plone.forget()
    return running


@pytest.fixture
def balancer(chain: Stage) -> NginxBalancer:
    found = roles.balancer(chain.stack)
    assert isinstance(found, NginxBalancer)
    return found


def servers(one: Stage, *headers: tuple[str, str]) -> set[str]:
    """Ask a dozen times; return who answered."""
    one.plone.forget()
    assert {one.get("/x", *headers).status for _ in range(12)} == {200}
    return {seen.server for seen in one.plone.seen}


def inner(one: Stage, method: str = "GET", path: str = "/x") -> Reply:
    path = f"{one.stack.sites[0].virtual_host}{path}"
    return ask(one.stack.chain.balancer, method, path, (("Host", "a.example"),))


def test_all_clients_are_asked_as_a_balancer_asks(chain: Stage) -> None:
    assert servers(chain) == {"instance1", "instance2"}
    chain.get("/a%20b;c=%2525/?q=%41", ("User-Agent", "Browser"))
    seen = chain.plone.seen[-1]
    assert seen.path.endswith("/VirtualHostRoot/a%20b;c=%2525/?q=%41")
    assert seen["X-Forwarded-For"] == seen["X-Real-IP"] == "127.0.0.1"
    assert seen["User-Agent"] == f"Browser request/{seen['X-Request-ID']}"
    assert seen["Host"] == "www.example.com"


def test_a_form_arrives_whole_and_once(chain: Stage) -> None:
    body = os.urandom(300_000)
    for method in ("POST", "PUT", "DELETE"):
        headers = (("Accept", "application/json"),)
        assert chain.get("/f", *headers, method=method, body=body).status == 200
        assert (chain.plone.seen[-1].method, chain.plone.seen[-1].body) == (
            method,
            body,
        )
    assert len(chain.plone.seen) == 3


def test_nobody_is_purged_through_it(chain: Stage) -> None:
    assert [inner(chain, one).status for one in ("PURGE", "BAN")] == [405, 405]
    assert chain.plone.seen == []


def test_a_drained_client_finishes_and_gets_nothing_new(
    chain: Stage, balancer: NginxBalancer
) -> None:
    chain.plone.answers["/slow"] = Answer(wait=3)
    slow: list[Reply] = []
    thread = threading.Thread(target=lambda: slow.append(chain.get("/slow")))
    thread.start()
    stage.until(lambda: bool(chain.plone.seen))
    name = chain.plone.seen[0].server
    other = ({"instance1", "instance2"} - {name}).pop()

    balancer.set_state(name, "drain")

    assert balancer.drained() == [name]
    assert {one.name: one.is_up for one in balancer.servers().values()} == {
        name: False,
        other: True,
    }
    assert not balancer.wait_idle({name}, 0.2)
    assert balancer.busy({name}) == f"{name} still had requests"
    assert servers(chain) == {other}
    assert balancer.wait_idle({name}, 20)
    thread.join()
    assert [one.status for one in slow] == [200]

    balancer.set_state(name, "ready")
    assert servers(chain) == {"instance1", "instance2"}


def test_a_rolling_restart_under_load_loses_nothing(
    chain: Stage, balancer: NginxBalancer
) -> None:
    chain.plone.default = Answer(wait=0.02)
    numbers = iter(range(10**6))

    def visit() -> Reply:
        if next(numbers) % 3:
            return chain.get("/x")
        return chain.get("/form", method="POST", body=b"x=y")

    with stage.load(8, visit) as replies:
        for name in ("instance1", "instance2"):
            balancer.set_state(name, "drain")
            assert balancer.wait_idle({name}, 20)
            port = chain.plone.stop(name)
            begun = len(replies)
            stage.until(lambda begun=begun: len(replies) > begun + 20)  # type: ignore[misc]
            chain.plone.start(name, port)
            balancer.set_state(name, "ready")
            stage.until(
                lambda name=name: chain.plone.seen[-1].server == name  # type: ignore[misc]
            )

    assert stage.statuses(replies) == {200: len(replies)}
    assert len(replies) == len(chain.plone.seen)


def test_one_that_is_gone_is_left_out_and_taken_back(chain: Stage) -> None:
    port = chain.plone.stop("instance1")
    try:
        assert servers(chain) == {"instance2"}
        replies = [chain.get("/f", method="POST", body=b"x") for _ in range(6)]
        assert stage.statuses(replies) == {200: 6}
        assert not roles.balancer(chain.stack).servers()["instance1"].is_up
    finally:
        chain.plone.start("instance1", port)
    stage.until(lambda: servers(chain) == {"instance1", "instance2"})


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_what_may_have_been_done_is_not_done_twice(chain: Stage, method: str) -> None:
    """The client takes the request and ends without an answer."""

    def die(seen: stage.Seen) -> Answer:
        server = chain.plone.servers[seen.server]
        for one in list(server.open):
            one.shutdown(2)
        return Answer()

    chain.plone.answers["/f"] = die
    headers = (("Accept", "application/json"),)
    status = chain.get("/f", *headers, method=method, body=b"x").status
    assert status in {502, 503}
    assert len(chain.plone.seen) == 1
    chain.plone.forget()
    stage.until(lambda: servers(chain) == {"instance1", "instance2"})


def test_without_any_client_visitors_are_told(chain: Stage) -> None:
    ports = {name: chain.plone.stop(name) for name in list(chain.plone.servers)}
    try:
        reply, told = chain.get("/x"), inner(chain)
        path = BALANCER_HEALTH
        health = ask(chain.stack.chain.balancer, "GET", path, (("Host", "x"),))
    finally:
        for name, port in ports.items():
            chain.plone.start(name, port)
    assert (reply.status, reply["Retry-After"]) == (503, "10")
    assert b"Please try again" in reply.body
    assert (told.status, told["Retry-After"], told["Cache-Control"]) == (
        503,
        "10",
        "no-store",
    )
    assert health.status == 503
    stage.until(lambda: chain.get("/x").status == 200)
    health = ask(chain.stack.chain.balancer, "GET", path, (("Host", "x"),))
    assert health.status == 200


def test_who_is_drained_stays_so_over_a_reload_and_a_crash(
    chain: Stage, balancer: NginxBalancer
) -> None:
    balancer.set_state("instance2", "drain")
    chain.reload_web()
    assert servers(chain) == {"instance1"}
    chain.stop("nginx", signal.SIGKILL)
    chain.start("nginx")
    stage.until(lambda: balancer.master() > 0)
    assert servers(chain) == {"instance1"}
    balancer.set_state("instance2", "ready")
    assert servers(chain) == {"instance1", "instance2"}
    left = list(map(str, os.scandir(chain.stack.folders.var)))
    assert not [name for name in left if upstreams.LEFT in name]


def test_clients_come_and_go_until_a_reload(
    chain: Stage, balancer: NginxBalancer
) -> None:
    helper = chain.plone.start("helper", 0)
    balancer.add("helper", helper, 3)
    assert servers(chain) == {"instance1", "instance2", "helper"}
    balancer.remove("instance1")
    assert set(balancer.servers()) == {"instance2", "helper"}
    assert servers(chain) == {"instance2", "helper"}
    chain.reload_web()
    assert servers(chain) == {"instance1", "instance2"}
    chain.plone.stop("helper")


def test_a_refused_change_is_taken_back(
    chain: Stage, balancer: NginxBalancer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "SECONDS", 1.0)
    file = Path(chain.stack.folders.applied, "nginx/tls.conf")
    good = file.read_text()
    file.write_text("nonsense;\n")
    try:
        with pytest.raises(ControlError, match="serves on with the old"):
            balancer.set_state("instance1", "drain")
    finally:
        file.write_text(good)
    assert balancer.drained() == []
    assert servers(chain) == {"instance1", "instance2"}


def test_nobody_can_be_held(balancer: NginxBalancer) -> None:
    with pytest.raises(ControlError, match="load-balancer = haproxy"):
        balancer.holding()


def test_who_is_logged_in_stays_with_one_client() -> None:
    balancing = Balancing(sticky=True)
    with Stage(clients=3, balancing=balancing, **ONE_TOOL) as one:  # type: ignore[arg-type]
        one.start()
        assert len(servers(one)) == 3
        (mine,) = servers(one, LOGIN)
        balancer = roles.balancer(one.stack)
        balancer.set_state(mine, "drain")
        (other,) = servers(one, LOGIN)
        assert other != mine
        balancer.set_state(mine, "ready")
        assert servers(one, LOGIN) == {mine}


def test_an_address_stays_with_one_client() -> None:
    balancing = Balancing(algorithm="source")
    with Stage(clients=3, balancing=balancing, **ONE_TOOL) as one:  # type: ignore[arg-type]
        one.start()
        assert len(servers(one)) == 1
