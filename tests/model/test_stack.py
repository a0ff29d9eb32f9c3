"""The stack as values."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collective.recipe.productionstack.model.address import Address
from collective.recipe.productionstack.model.chain import CACHE
from collective.recipe.productionstack.model.chain import WEB_SERVER
from collective.recipe.productionstack.model.stack import Stack
from collective.recipe.productionstack.plan import announcing
from collective.recipe.productionstack.plan import rendering
from tests.support import samples

HOSTS = st.sampled_from(["127.0.0.1", "localhost", "0.0.0.0", "::1", "::", "10.0.0.1"])
ADDRESSES = st.one_of(
    st.builds(Address, HOSTS, st.integers(8000, 8002)),
    st.builds(lambda path: Address(path=path), st.sampled_from(["/a", "/b"])),
)


@given(samples.stacks())
def test_json_round_trip(stack: Stack) -> None:
    """What is written to stack.json is read back as the same values."""
    text = announcing.complete(stack).to_json()
    again = Stack.from_json(text)
    assert again == announcing.complete(stack)
    assert again.to_json() == text


def test_other_format_is_refused() -> None:
    """A stack.json of another release is no stack."""
    values = json.loads(samples.STACK.to_json()) | {"format": 0}
    with pytest.raises(ValueError, match="format"):
        Stack.from_json(json.dumps(values))
    with pytest.raises(ValueError, match="format"):
        Stack.from_json("[]")


def test_frozen() -> None:
    """Nobody changes a stack on the way."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        samples.STACK.name = "other"  # type: ignore[misc]


@given(ADDRESSES, ADDRESSES)
def test_clashes_are_mutual(one: Address, other: Address) -> None:
    """If one is in the way of the other, the other is in the way of it."""
    assert one.clashes_with(other) is other.clashes_with(one)
    assert one.clashes_with(one)


@pytest.mark.parametrize(
    ("one", "other", "clash"),
    [
        (Address("127.0.0.1", 80), Address("127.0.0.1", 81), False),
        (Address("127.0.0.1", 80), Address("10.0.0.1", 80), False),
        (Address("127.0.0.1", 80), Address("0.0.0.0", 80), True),
        (Address("127.0.0.1", 80), Address("localhost", 80), True),
        (Address("::1", 80), Address("::", 80), True),
        (Address("127.0.0.1", 80), Address("::1", 80), False),
        (Address(path="/a"), Address(path="/a"), True),
        (Address(path="/a"), Address(path="/b"), False),
        (Address(path="/a"), Address("127.0.0.1", 80), False),
    ],
)
def test_clashes(one: Address, other: Address, *, clash: bool) -> None:
    """Two listeners are in each other's way where the kernel says so."""
    assert one.clashes_with(other) is clash


@pytest.mark.parametrize(
    ("without", "nginx", "varnish"),
    [
        ((), ["/s/varnish.sock"], ["127.0.0.1:8004"]),
        (("proxy_cache",), ["127.0.0.1:8004"], ["127.0.0.1:8004"]),
        (("load_balancer",), ["/s/varnish.sock"], ["127.0.0.1:8081", "127.0.0.1:8082"]),
        (
            ("proxy_cache", "load_balancer"),
            ["127.0.0.1:8081", "127.0.0.1:8082"],
            ["127.0.0.1:8081", "127.0.0.1:8082"],
        ),
    ],
)
def test_upstreams(
    without: tuple[str, ...], nginx: list[str], varnish: list[str]
) -> None:
    """A tier that is left out is passed over by the one in front of it."""
    left_out: dict[str, Any] = dict.fromkeys(without, "none")
    stack = samples.changed(samples.STACK, **left_out)
    assert [str(one) for one in stack.upstream_of(WEB_SERVER)] == nginx
    assert [str(one) for one in stack.upstream_of(CACHE)] == varnish


def test_upstream_of_a_piece() -> None:
    """A single piece reaches its neighbour over TCP: it does not know its sockets."""
    alone = dataclasses.replace(samples.STACK, alone=True, services=("nginx",))
    assert [str(one) for one in alone.upstream_of(WEB_SERVER)] == ["127.0.0.1:8002"]


@pytest.mark.parametrize(("threads", "maxconn"), [(1, 1), (2, 1), (3, 2), (8, 7)])
def test_maxconn(threads: int, maxconn: int) -> None:
    """One worker is kept for the health check, and one request always gets in."""
    client = dataclasses.replace(samples.STACK.zope.clients[0], threads=threads)
    assert client.maxconn == maxconn


def test_same_input_same_bytes() -> None:
    """Nothing in a tree depends on when or how often it is made."""
    stack = announcing.complete(samples.STACK)
    assert rendering.tree_of(stack).digest == rendering.tree_of(stack).digest
