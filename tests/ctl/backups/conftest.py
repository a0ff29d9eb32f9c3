"""A small real database, and another machine for its copies."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support import sshd
from tests.support.kept import Kept


@pytest.fixture
def kept() -> Iterator[Kept]:
    """Give a database without backups."""
    sshd.needed("rsync")
    with Kept() as one:
        one.fill()
        yield one


@pytest.fixture
def far() -> Iterator[dict[str, str]]:
    """Give another machine."""
    with sshd.machine() as one:
        yield one
