"""Every combination of the three roles: refused in one line, or it serves a page."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

import pytest

from collective.recipe.productionstack.daemons import cannot
from collective.recipe.productionstack.model.chain import NOBODY
from collective.recipe.productionstack.options.load import OPTIONS
from collective.recipe.productionstack.tree import check
from tests.daemons import stage
from tests.daemons.stage import Stage
from tests.daemons.stage import ask
from tests.support import samples

WEB_SERVERS = ("nginx", "apache", "none")
CACHES = BALANCERS = ("varnish", "haproxy", "nginx", "apache", "none")
EVERY = [
    chain
    for chain in itertools.product(WEB_SERVERS, CACHES, BALANCERS)
    if chain[1] != "haproxy" and chain[2] != "varnish"
]
GOOD = {
    *itertools.product(
        ("nginx",), ("varnish", "nginx", "none"), ("haproxy", "nginx", "none")
    ),
    *itertools.product(("apache", "none"), ("varnish", "none"), ("haproxy", "none")),
}
SERVING = sorted(GOOD - {(NOBODY,) * 3})


def test_all_values_are_here() -> None:
    for option, values in (
        ("web-server", WEB_SERVERS),
        ("proxy-cache", {one[1] for one in EVERY}),
        ("load-balancer", {one[2] for one in EVERY}),
    ):
        kind = str(OPTIONS[option].metadata["kind"])
        assert all(value in kind for value in values), kind


@pytest.mark.parametrize("chain", EVERY, ids="-".join)
def test_what_does_not_go_together_is_said(chain: tuple[str, str, str]) -> None:
    web, cache, balancer = chain
    stack = samples.changed(web_server=web, proxy_cache=cache, load_balancer=balancer)
    found = list(cannot.misfits(stack.chain))
    assert bool(found) is (chain not in GOOD)
    for option, value, why, remedy in found:
        assert value in chain
        assert option in {"proxy-cache", "load-balancer"}
        assert why
        assert "Write: " in remedy


@pytest.mark.usefixtures("daemons")
@pytest.mark.parametrize("chain", SERVING, ids="-".join)
def test_it_is_accepted_and_serves_a_page(chain: tuple[str, str, str]) -> None:
    web, cache, balancer = chain
    with Stage(web_server=web, proxy_cache=cache, load_balancer=balancer) as one:
        folder = Path(one.stack.folders.applied)
        asked = dataclasses.replace(
            one.stack.announced,
            # It would compile for seconds what it compiles once more as it starts.
            checks=tuple(
                each for each in one.stack.announced.checks if each.service != "varnish"
            ),
        )
        checked = dataclasses.replace(one.stack, announced=asked)
        verdicts = {each.service: each for each in check.verdicts(checked, folder)}
        refused = {name: each.text for name, each in verdicts.items() if not each.ok}
        assert refused == {}
        assert set(verdicts) >= set(one.tiers) - {"varnish"}
        one.start()
        site, listening = one.stack.sites[0], one.stack.chain
        if web == NOBODY:
            address = listening.balancer if cache == NOBODY else listening.cache
            path, host = f"{site.virtual_host}/page", "www.example.com"
            replies = [ask(address, "GET", path, (("Host", host),)) for _ in range(2)]
        else:
            replies = [one.get("/page") for _ in range(2)]
        assert stage.statuses(replies) == {200: 2}
        assert len(one.plone.seen) == (2 if cache == NOBODY else 1)
        for _ in range(20):
            if web != NOBODY:
                one.get("/page", method="POST", body=b"x")
        if web != NOBODY:
            assert {seen.server for seen in one.plone.seen} == {
                "instance1",
                "instance2",
            }
