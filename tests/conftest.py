"""What every test may ask for."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck
from hypothesis import settings

from collective.recipe.productionstack.machine import run
from tests.support import crontab
from tests.support.buildouts import Buildouts
from tests.support.buildouts import Site
from tests.support.buildouts import a_site

# How long an example takes says nothing while other tests run beside it.
settings.register_profile(
    "beside others", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("beside others")

STARTERS = {"bench", "daemons", "plone"}
"""Fixtures behind everything that starts programs."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Know how to write the expected trees anew, and how to mix up the order."""
    parser.addoption(
        "--shuffle",
        type=int,
        metavar="NUMBER",
        help="run files, and the tests of each, in the order of this number",
    )
    parser.addoption(
        "--regenerate",
        action="store_true",
        help="write tests/scenarios/*/expected from what comes out now",
    )


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Mix up the order if asked to; keep together what shares something dear."""
    number = config.getoption("--shuffle")
    if number is not None:
        items[:] = shuffled(items, random.Random(number))
    for item in items:
        if STARTERS & names(item):
            item.add_marker(pytest.mark.daemon)
        if group := shared(item):
            item.add_marker(pytest.mark.xdist_group(group))
    if hasattr(config, "workerinput"):
        items.sort(key=turn)


LONGEST = ("test_backups", "test_caching", "test_restart")
"""Of the files that need a Plone site."""


def turn(item: pytest.Item) -> int:
    """Say when workers begin a test: what takes long before what fills the gaps."""
    if "plone" in names(item):
        # It makes the site step by step, and the others take its database.
        first = item.path.stem == "test_first_start"
        return 0 if first else 2 if item.path.stem in LONGEST else 3
    if not item.get_closest_marker("daemon"):
        return 1
    return 4 if item.get_closest_marker("xdist_group") else 5


def shuffled(items: list[pytest.Item], chance: random.Random) -> list[pytest.Item]:
    """Return the tests in another order, those of a file after one another."""
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    order = list(files.values())
    chance.shuffle(order)
    for one in order:
        chance.shuffle(one)
    return [item for one in order for item in one]


def shared(item: pytest.Item) -> str:
    """Name what a test shares with others, for which one worker runs them all.

    That is a fixture of a module, or a Plone site, which serves a file of tests after
    the other; "" for a test that shares nothing.
    """
    if item.get_closest_marker("xdist_group"):
        return ""
    if "plone" in names(item):
        return f"plone-{item.path.stem}"
    found = sorted(name for name in names(item) if is_of_module(item, name))
    place = item.path.parent.name
    return f"{place}-{item.path.stem}-{'-'.join(found)}" if found else ""


def names(item: pytest.Item) -> set[str]:
    """Return the fixtures that a test gets, those of its fixtures too."""
    return set(getattr(item, "fixturenames", ()))


def is_of_module(item: pytest.Item, name: str) -> bool:
    """Whether a fixture is made once for all tests of a module."""
    known = item._fixtureinfo.name2fixturedefs  # type: ignore[attr-defined]
    return any(one.scope == "module" for one in known.get(name, ()))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Leave dev/test one line on what was counted."""
    path = os.environ.get("PRODUCTIONSTACK_SUMMARY")
    if not path or hasattr(terminalreporter.config, "workerinput"):
        return
    counted = [
        f"{len(reports)} {kind}"
        for kind, reports in sorted(terminalreporter.stats.items())
        if kind in {"passed", "failed", "error", "skipped", "xfailed", "xpassed"}
    ]
    Path(path).write_text(", ".join(counted) or "no tests", "utf-8")


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


@pytest.fixture
def own_crontab() -> Iterator[None]:
    """Give an empty crontab; the user's own comes back."""
    if run.find("crontab") is None:
        if os.environ.get("PRODUCTIONSTACK_REQUIRE_DAEMONS") == "1":
            pytest.fail("crontab is not installed")
        pytest.skip("crontab is not installed")
    with crontab.emptied():
        yield
