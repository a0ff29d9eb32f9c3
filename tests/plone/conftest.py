"""One real Plone site with two clients behind the whole chain, for all tests here."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from collective.recipe.productionstack.machine import locks
from tests.support import exchanging
from tests.support import plonesite
from tests.support import ports
from tests.support.plonesite import Editor
from tests.support.plonesite import PloneSite

collect_ignore = [] if os.environ.get("PRODUCTIONSTACK_STYLES") else ["test_styles.py"]
"""A Plone for each style of buildout is too much for every run: make test-styles."""

PROGRAMS = ("nginx", "varnishd", "haproxy", "logrotate", "crontab", "prlimit", "flock")
PACKAGES = ("Products.CMFPlone", "ZEO", "lxml")


def _refuse_lacking() -> None:
    if lacking := _lacking():
        if os.environ.get("PRODUCTIONSTACK_REQUIRE_DAEMONS") == "1":
            pytest.fail(lacking)
        pytest.skip(lacking)


def _lacking() -> str:
    if os.getuid() == 0:
        return "this must not run as root: dev/as-user runs it as an ordinary user"
    gone = plonesite.missing(PROGRAMS)
    for name in PACKAGES:
        try:
            found = find_spec(name)
        except ModuleNotFoundError:
            found = None
        gone += [] if found else [name]
    return f"not installed: {', '.join(gone)}" if gone else ""


@pytest.fixture(scope="session")
def plone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PloneSite]:
    """Give a site of this worker; all that runs for it ends with the tests.

    The first worker does what a new user does, and keeps the database for the others.
    """
    _refuse_lacking()
    base = tmp_path_factory.getbasetemp()
    model = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "model"
    with _running() as site:
        with locks.held(model.with_suffix(".lock"), "", str, seconds=300):
            if first := not model.exists():
                _begin(site, model)
        if not first:
            _begin_with(site, model)
        yield site


@pytest.fixture(scope="session")
def new(plone: PloneSite) -> Iterator[PloneSite]:
    """Give a site that was made step by step, as a new user does it."""
    if "create" in plone.took:
        yield plone
        return
    with _running() as site:
        _begin(site)
        yield site


@contextmanager
def _running() -> Iterator[PloneSite]:
    site = PloneSite(plonesite.new_folder(), ports.take()[0])
    try:
        yield site
    finally:
        left = site.end()
    assert not left, f"bin/stack down left: {left}"


def _begin(site: PloneSite, model: Path | None = None) -> None:
    """Do what a new user does, and keep what each step said.

    The database is copied to ``model`` as long as no address of this site is in it.
    """
    site.bootstrap()
    took = site.took
    took["buildout"] = site.buildout().good()
    took["up"] = site.stack("up").good()
    took["caching too early"] = site.stack("plone-caching")
    took["create"] = site.create().good()
    script = str(plonesite.ROOT / "tests/support/open_api.py")
    site.run("bin/instance", "run", script, "Plone", "Two").good()
    took["up without caching"] = site.stack("up").good()
    if model:
        site.keep_data(model)
    took["caching"] = site.stack("plone-caching").good()


def _begin_with(site: PloneSite, model: Path) -> None:
    """Begin with the database of a site that another worker has made."""
    site.bootstrap()
    site.buildout().good()
    site.take_data(model)
    site.stack("up").good()
    site.stack("plone-caching").good()


@pytest.fixture
def live(plone: PloneSite, request: pytest.FixtureRequest) -> PloneSite:
    """Give the site, running and configured as at first, or as the test's mark says."""
    mark = request.node.get_closest_marker("configured")
    plone.settle(**(mark.kwargs if mark else {}))
    return plone


@pytest.fixture(scope="session")
def editor_account(plone: PloneSite) -> tuple[str, str]:
    """Give name and password of an editor."""
    account = {
        "username": "edith",
        "email": "edith@example.com",
        "password": "Another-Word-9",
        "roles": ["Contributor", "Editor", "Reviewer", "Member"],
    }
    plone.settle()
    made = plone.api("POST", "/@users", account)
    assert made.status == 201, made.text
    return "edith", "Another-Word-9"


@pytest.fixture
def editor(live: PloneSite, editor_account: tuple[str, str]) -> Editor:
    """Give an editor who has just logged in."""
    return Editor(live, *editor_account)


@pytest.fixture(scope="module")
def behind_apache(plone: PloneSite) -> Iterator[PloneSite]:
    """Give that site to a whole file."""
    with exchanging.apache(plone) as site:
        yield site


@pytest.fixture(scope="module")
def one_tool(plone: PloneSite) -> Iterator[PloneSite]:
    """Give that site to a whole file."""
    with exchanging.nginx_alone(plone) as site:
        yield site


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand the times from a worker to its controller."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["plone"] = TIMES


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take the times of a worker."""
    TIMES.update(getattr(node, "workeroutput", {}).get("plone", {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show how long a new user waits for what."""
    for name, seconds in TIMES.items():
        terminalreporter.write_line(f"plone: {name} {seconds:.1f} s")


TIMES: dict[str, float] = {}


@pytest.fixture(scope="session", autouse=True)
def _times(plone: PloneSite) -> Iterator[None]:
    yield
    TIMES.update({name: one.seconds for name, one in plone.took.items()})
