"""The daemons that these tests are about must be there, and not run as root."""

from __future__ import annotations

import os

import pytest

from collective.recipe.productionstack import run

NEEDED = (
    *("nginx", "varnishd", "varnishadm", "haproxy", "logrotate", "crontab"),
    *("openssl", "flock"),
)


@pytest.fixture(scope="session", autouse=True)
def daemons() -> None:
    """Skip where a daemon is missing, or fail where all must be there."""
    reason = ", ".join(name for name in NEEDED if run.find(name) is None)
    if os.getuid() == 0:
        reason = "an unprivileged user"
    if reason and os.environ.get("PRODUCTIONSTACK_REQUIRE_DAEMONS") == "1":
        pytest.fail(f"needed: {reason}")
    if reason:
        pytest.skip(f"needed: {reason}")
