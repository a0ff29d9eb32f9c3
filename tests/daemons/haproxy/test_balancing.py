"""HAProxy: pools, sticky sessions, algorithms, and far too many visitors."""

from __future__ import annotations

import csv
import threading
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from collective.recipe.productionstack.daemons import roles
from collective.recipe.productionstack.daemons.haproxy.control import Haproxy
from collective.recipe.productionstack.model.clients import Balancing
from collective.recipe.productionstack.model.clients import Pool
from tests.daemons import stage
from tests.daemons.stage import Answer
from tests.daemons.stage import Reply
from tests.daemons.stage import Stage
from tests.daemons.stage import ask

pytestmark = pytest.mark.usefixtures("daemons")

ROOT = "/VirtualHostBase/http/www.example.com:80/Plone/VirtualHostRoot"
LOGIN = ("Cookie", "a=b; __ac=one")
QUICK = (("timeout check 3s", "timeout check 1s"),)


def get(one: Stage, path: str = "/x", *headers: tuple[str, str]) -> Reply:
    return ask(one.stack.chain.balancer, "GET", ROOT + path, headers)


def servers(one: Stage, path: str = "/x", *headers: tuple[str, str]) -> set[str]:
    """Ask a dozen times; return who answered."""
    one.plone.forget()
    assert {get(one, path, *headers).status for _ in range(12)} == {200}
    return {seen.server for seen in one.plone.seen}


@pytest.fixture(scope="module")
def pools() -> Iterator[Stage]:
    """Give four clients: two for all, one for editors, one for a path."""
    balancing = Balancing(
        pools=(
            Pool(name="editors", clients=("instance3",)),
            Pool(name="path-1", clients=("instance4",), path="/im.port"),
        )
    )
    with Stage(clients=4, balancing=balancing, changes=QUICK) as one:
        yield one.start("haproxy")


@pytest.mark.parametrize(
    "own",
    [LOGIN, ("Cookie", "auth_token=x"), ("Authorization", "Bearer x.y.z")],
)
def test_editors_have_clients_of_their_own(pools: Stage, own: tuple[str, str]) -> None:
    assert servers(pools, "/x", own) == {"instance3"}
    assert servers(pools) == {"instance1", "instance2"}
    assert servers(pools, "/x", ("Cookie", "x__ac=1")) == {"instance1", "instance2"}


@pytest.mark.parametrize(
    ("path", "there"),
    [
        ("/im.port", True),
        ("/im.port/x?y=z", True),
        ("/++api++/im.port", True),
        ("/imXport", False),
        ("/im.ports", False),
        ("/a/im.port", False),
        ("/x?y=/VirtualHostRoot/im.port", False),
    ],
)
def test_a_path_has_clients_of_its_own(
    pools: Stage,
    path: str,
    there: bool,  # noqa: FBT001 (a parameter of the cases)
) -> None:
    # A path is told from an editor first: an import is mostly an editor's.
    wanted = {"instance4"} if there else {"instance1", "instance2"}
    assert servers(pools, path) == wanted
    if there:
        assert servers(pools, path, LOGIN) == wanted


def test_the_others_serve_while_a_pool_is_away(pools: Stage) -> None:
    port = pools.plone.stop("instance3")
    try:
        # Alone in its pool, the first who asks finds out.
        stage.until(lambda: get(pools, "/x", LOGIN).status == 200, 3)
        assert servers(pools, "/x", LOGIN) == {"instance1", "instance2"}
    finally:
        pools.plone.start("instance3", port)
    stage.until(lambda: servers(pools, "/x", LOGIN) == {"instance3"}, 10)


def test_the_control_script_sees_all_pools(pools: Stage) -> None:
    balancer = roles.balancer(pools.stack)
    assert sorted(balancer.servers()) == [f"instance{n}" for n in range(1, 5)]
    balancer.set_state("instance4", "drain")
    try:
        assert balancer.drained() == ["instance4"]
        assert servers(pools, "/im.port") == {"instance1", "instance2"}
    finally:
        balancer.set_state("instance4", "ready")
    stage.until(lambda: servers(pools, "/im.port") == {"instance4"}, 10)


@pytest.mark.parametrize("name", ["instance1", "instance3"])
def test_who_was_removed_comes_back_as_it_was(pools: Stage, name: str) -> None:
    haproxy = Haproxy(pools.stack, 2)
    client = next(one for one in pools.stack.zope.clients if one.name == name)
    before = haproxy.servers()[name]
    haproxy.remove(name)
    assert name not in haproxy.servers()
    haproxy.add(name, client.address, client.maxconn)
    stage.until(lambda: haproxy.servers()[name].is_up, 10)
    assert haproxy.servers()[name].pool == before.pool
    # It has just come up, and gets its share slowly, as after a restart.
    rows = csv.DictReader(haproxy.ask("show stat").lstrip("# ").splitlines())
    assert next(row["throttle"] for row in rows if row["svname"] == name)
    stage.until(lambda: name in servers(pools) | servers(pools, "/x", LOGIN), 10)


def test_who_is_logged_in_stays_with_one_client_until_it_is_drained() -> None:
    with Stage(clients=3, balancing=Balancing(sticky=True)).start("haproxy") as one:
        homes = {}
        for name in "abcdef":
            found = servers(one, "/x", ("Cookie", f"__ac={name}"))
            assert len(found) == 1
            homes[name] = found.pop()
        assert len(set(homes.values())) == 3
        assert servers(one) == {"instance1", "instance2", "instance3"}

        away = homes["a"]
        roles.balancer(one.stack).set_state(away, "drain")
        assert roles.balancer(one.stack).drained() == [away]
        assert away not in servers(one, "/x", ("Cookie", "__ac=a"))
        roles.balancer(one.stack).set_state(away, "ready")
        stage.until(lambda: away in servers(one), 10)


@pytest.mark.parametrize(
    ("algorithm", "wanted"),
    [
        ("leastconn", {"instance1", "instance2"}),
        ("roundrobin", {"instance1", "instance2"}),
        ("first", {"instance1"}),
    ],
)
def test_algorithms(algorithm: str, wanted: set[str]) -> None:
    with Stage(balancing=Balancing(algorithm=algorithm)).start("haproxy") as one:
        assert servers(one) == wanted


def test_a_visitors_address_decides() -> None:
    with Stage(balancing=Balancing(algorithm="source")).start("haproxy") as one:
        found = []
        for number in range(12):
            own = ("X-Real-IP", f"10.0.{number}.1")
            found.append(servers(one, "/x", own))
        assert {len(one) for one in found} == {1}
        assert set.union(*found) == {"instance1", "instance2"}


def test_ten_times_too_many() -> None:
    """Who is served waits for a bounded time; all others are told at once."""
    with Stage(threads=3, balancing=Balancing(queue_length=16)).start("haproxy") as one:
        one.plone.default = Answer(wait=0.25)
        took: list[tuple[int, float, str | None]] = []

        def visit() -> None:
            begun = time.monotonic()
            reply = get(one)
            seconds = time.monotonic() - begun
            took.append((reply.status, seconds, reply["Retry-After"]))

        # Four at a time: 200 at once are far more than ten times as many.
        visitors = [threading.Thread(target=visit) for _ in range(200)]
        for visitor in visitors:
            visitor.start()
        for visitor in visitors:
            visitor.join()
        counted = Counter(status for status, _, _ in took)
        assert counted.keys() == {200, 503}
        assert counted[200] >= 20
        # Five waves of four, each 0.25 s long, and some time for 200 threads.
        assert max(seconds for status, seconds, _ in took if status == 200) < 3
        refused = sorted(seconds for status, seconds, _ in took if status == 503)
        assert refused[len(refused) // 2] < 1
        assert {wait for status, _, wait in took if status == 503} == {"10"}
        # It is over as soon as they are.
        assert get(one).status == 200
        assert set(roles.balancer(one.stack).servers()) == {"instance1", "instance2"}
        assert {one.is_up for one in roles.balancer(one.stack).servers().values()} == {
            True
        }
