"""``up`` after a killed supervisord: forms that are on their way arrive."""

from __future__ import annotations

import http.client
import os
import signal
import threading
from collections.abc import Iterator

import pytest

from collective.recipe.productionstack.daemons.varnish.control import Varnish
from tests.ctl.lifecycle.test_version_before import BEFORE
from tests.ctl.lifecycle.test_version_before import LEFT
from tests.ctl.lifecycle.test_version_before import NOW
from tests.ctl.lifecycle.test_version_before import Site
from tests.ctl.lifecycle.test_version_before import a_site
from tests.support.bench import HOST

SENDERS = 6


@pytest.fixture
def site(daemons: None) -> Iterator[Site]:
    with a_site(NOW) as one:
        yield one


@pytest.fixture
def reloaded(daemons: None) -> Iterator[Site]:
    """Give one whose Varnish was started by the first release."""
    with a_site(BEFORE) as one:
        one.up()
        one.trees.install(one.kept(NOW))
        assert one.run("reload").errors == LEFT
        yield one


def test_no_form_is_lost_while_everything_is_replaced(site: Site) -> None:
    """A form is never sent twice, so whoever has it in hand must finish it."""
    site.up()
    loses_nothing(site)


def test_nor_where_varnish_lacks_the_storages_that_its_rules_name(
    reloaded: Site,
) -> None:
    loses_nothing(reloaded)


def test_a_silent_varnish_is_not_one_without_requests(site: Site) -> None:
    site.up()
    varnish = Varnish(site.stack, 1)
    assert varnish._fetches() == 0
    assert site.run("down").ok
    assert varnish._fetches() is None


def loses_nothing(site: Site) -> None:
    """Kill supervisord, and let up replace everything under forms that take a while."""
    os.kill(site.survey().supervisor, signal.SIGKILL)
    over = threading.Event()
    answers: list[object] = []

    def send() -> None:
        while not over.is_set():
            try:
                answers.append(post(site, "/form?sleep=0.3"))
            except (OSError, http.client.HTTPException) as error:
                answers.append(repr(error))

    senders = [threading.Thread(target=send) for _ in range(SENDERS)]
    for one in senders:
        one.start()
    try:
        result = site.up()
    finally:
        over.set()
        for one in senders:
            one.join()
    assert "varnish          runs without supervisord: replacing it" in result.output
    assert [one for one in answers if one != 200] == []
    assert len(answers) > 10 * SENDERS
    assert site.survey().leftovers == {}
    assert site.get()[0] == 200


def post(site: Site, path: str) -> int:
    one = http.client.HTTPConnection("127.0.0.1", site.ports[0], timeout=60)
    try:
        # A member's: those of nobody have a limit.
        one.request("POST", path, "a=b", {"Host": HOST, "Cookie": "__ac=x"})
        answer = one.getresponse()
        answer.read()
        return answer.status
    finally:
        one.close()
