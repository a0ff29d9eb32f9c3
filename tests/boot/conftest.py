"""A machine for each test; only where `make test-boot` has prepared everything."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.boot.machine import Machine

# Without, there is nothing to collect: pytest tests/boot leaves with 5, never with 0.
collect_ignore_glob = [] if os.environ.get("PRODUCTIONSTACK_BOOT") else ["test_*.py"]


@pytest.fixture
def machine() -> Iterator[Machine]:
    """Give a booted machine with a stack that does not run."""
    with Machine() as one:
        one.boot()
        one.build()
        yield one
