"""The daemons that these tests are about must be there, and not run as root."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator

import pytest

from collective.recipe.productionstack.machine import run
from tests.daemons.stage import Stage

NEEDED = (
    *("nginx", "varnishd", "varnishadm", "haproxy", "logrotate", "crontab"),
    *("openssl", "flock", "apache2"),
)
NUMBERS = itertools.count()
WEB_SERVERS = ("nginx", "apache")


@pytest.fixture(scope="module", params=WEB_SERVERS)
def web(request: pytest.FixtureRequest) -> str:
    """Give the name of each web server: one after the other has the same tests."""
    return str(request.param)


@pytest.fixture(scope="session")
def daemons() -> None:
    """Skip where a daemon is missing, or fail where all must be there."""
    reason = ", ".join(name for name in NEEDED if run.find(name) is None)
    if os.getuid() == 0:
        reason = "an unprivileged user"
    if reason and os.environ.get("PRODUCTIONSTACK_REQUIRE_DAEMONS") == "1":
        pytest.fail(f"needed: {reason}")
    if reason:
        pytest.skip(f"needed: {reason}")


@pytest.fixture(scope="module")
def lone(daemons: None) -> Iterator[Stage]:
    """Give Varnish right in front of one client."""
    quick = (".interval = 2s;", ".interval = 200ms;")
    with Stage(load_balancer="none", clients=1, changes=[quick]) as one:
        yield one.start("varnish")


@pytest.fixture
def cache(lone: Stage) -> Stage:
    """Give that Varnish with a client that remembers nothing."""
    lone.plone.forget()
    return lone


@pytest.fixture
def page() -> str:
    """Give an address that no test has used."""
    return f"/page-{next(NUMBERS)}"
