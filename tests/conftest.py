"""What every test may ask for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.buildouts import Buildouts
from tests.support.buildouts import Site
from tests.support.buildouts import a_site


def pytest_addoption(parser: pytest.Parser) -> None:
    """Know how to write the expected trees anew."""
    parser.addoption(
        "--regenerate",
        action="store_true",
        help="write tests/scenarios/*/expected from what comes out now",
    )


@pytest.fixture(scope="session")
def buildouts() -> Iterator[Buildouts]:
    """Start buildout runs from one warm process."""
    one = Buildouts()
    yield one
    one.close()


@pytest.fixture
def site(buildouts: Buildouts) -> Iterator[Site]:
    """Give an empty buildout folder."""
    with a_site(buildouts) as one:
        yield one


@pytest.fixture(scope="module")
def built(buildouts: Buildouts) -> Iterator[Site]:
    """Give a buildout folder with a stack in it that no test may change."""
    from tests.support.buildouts import MINIMAL

    with a_site(buildouts) as one:
        one.built(MINIMAL)
        yield one
