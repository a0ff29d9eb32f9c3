"""A small real stack: tiny servers as clients, the real daemons around them."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from collective.recipe.productionstack.machine import run
from tests.support.bench import Bench

DAEMONS = ("nginx", "haproxy", "varnishd", "varnishadm")


@pytest.fixture
def daemons() -> None:
    """Skip where a daemon is missing, or fail where all must be there."""
    missing = [name for name in DAEMONS if run.find(name) is None]
    if missing and os.environ.get("PRODUCTIONSTACK_REQUIRE_DAEMONS") == "1":
        pytest.fail(f"not installed: {missing}")
    if missing:
        pytest.skip(f"not installed: {missing}")


@pytest.fixture
def bench() -> Iterator[Bench]:
    """Give a generated stack of two clients alone; all it starts ends with the test."""
    with Bench() as one:
        one.generate()
        yield one


@pytest.fixture
def chain(daemons: None) -> Iterator[Bench]:
    """Give a generated stack with every tier."""
    with Bench(tiers=("haproxy", "varnish", "nginx")) as one:
        one.generate()
        yield one
