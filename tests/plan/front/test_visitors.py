"""What the front makes of who stands before it."""

from __future__ import annotations

import pytest

from collective.recipe.productionstack.daemons import registry
from collective.recipe.productionstack.errors import Problem
from collective.recipe.productionstack.model.stack import Stack
from collective.recipe.productionstack.plan import stacks
from collective.recipe.productionstack.plan.facts import Facts
from collective.recipe.productionstack.plan.stacks import Part
from tests.support import samples

ELSEWHERE = "www.example.com /Plone url=https://www.example.com"


def planned(sites: str, **options: str) -> tuple[Stack, list[Problem]]:
    return planned_on((), sites, options)


def planned_on(
    versions: tuple[tuple[str, tuple[int, ...]], ...],
    sites: str,
    options: dict[str, str],
) -> tuple[Stack, list[Problem]]:
    named = {name.replace("_", "-"): value for name, value in options.items()}
    section = {"sites": sites, "clients": "instance1", **named}
    clients = {"instance1": samples.client(1)}
    facts = Facts(directory="/b", bin="/b/bin", clients=clients, versions=versions)
    part = Part(name="stack", entry=registry.WHOLE, section=section)
    built, problems = stacks.stacks([part], facts)
    return built["stack"][0], problems


@pytest.mark.parametrize(
    ("sites", "options", "limits"),
    [
        ("www.example.com /Plone", {}, "on"),
        # All visitors have the address of whoever ends TLS: none of them is limited.
        (ELSEWHERE, {}, "off"),
        (ELSEWHERE, {"rate_limits": "on"}, "on"),
        (ELSEWHERE, {"rate_limits": "log"}, "log"),
        (ELSEWHERE, {"trusted_proxies": "10.0.0.1"}, "on"),
        # Only the port is another: forwarded by the machine, with the address kept.
        ("www.example.com /Plone url=http://www.example.com", {}, "on"),
    ],
)
def test_limits_never_meet_all_visitors_together(
    sites: str, options: dict[str, str], limits: str
) -> None:
    stack, problems = planned(sites, **options)
    assert problems == []
    assert stack.front.rate_limits == limits


@pytest.mark.parametrize("network", ["0.0.0.0/0", "::/0"])
def test_not_everybody_is_believed(network: str) -> None:
    _, (problem,) = planned(ELSEWHERE, trusted_proxies=network)
    assert "is everybody, so visitors could claim any address" in problem.message
    assert problem.remedy == "Write for example: trusted-proxies = 127.0.0.1 10.0.0.0/8"


def test_who_speaks_the_proxy_protocol_has_to_be_named() -> None:
    _, (problem,) = planned(ELSEWHERE, proxy_protocol="on")
    assert problem.option == "proxy-protocol"
    stack, problems = planned(
        ELSEWHERE, proxy_protocol="on", trusted_proxies="10.0.0.1"
    )
    assert problems == []
    assert stack.chain.proxy_protocol
    health = {one.name: one.health for one in stack.announced.programs}
    assert health["nginx"].proxied
    assert not health["varnish"].proxied


TLS = "www.example.com /Plone certificate=/c.pem key=/k.pem"
GREETED = {"proxy_protocol": "on", "trusted_proxies": "10.0.0.1"}


@pytest.mark.parametrize(
    ("sites", "options", "version", "words"),
    [
        ("www.example.com /Plone", {}, (1, 26, 3), "no site has a certificate"),
        (TLS, GREETED, (1, 26, 3), "passes no UDP on"),
        (TLS, {}, (1, 22, 1), "the nginx here (1.22.1) is too old"),
        (TLS, {}, (1, 26, 3), ""),
        (TLS, {}, None, ""),
    ],
)
def test_http3_is_refused_where_nobody_could_come_by_it(
    sites: str, options: dict[str, str], version: tuple[int, ...] | None, words: str
) -> None:
    versions = (("nginx", version),) if version else ()
    _, problems = planned_on(versions, sites, {"http3": "on", **options})
    told = [one for one in problems if one.option == "http3"]
    assert [one.value for one in told] == ["on"] * bool(words)
    assert all(words in one.message and one.remedy for one in told)
