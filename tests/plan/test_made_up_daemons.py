"""A web server and a cache that only this test knows take their places in a stack."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest

from collective.recipe.productionstack.ctl.watching.topology import topology
from collective.recipe.productionstack.daemons import registry
from collective.recipe.productionstack.daemons import roles
from collective.recipe.productionstack.model.announced import Health
from collective.recipe.productionstack.model.announced import Program
from collective.recipe.productionstack.model.chain import CACHE
from collective.recipe.productionstack.model.chain import WEB_SERVER
from collective.recipe.productionstack.model.stack import Stack
from collective.recipe.productionstack.plan import announcing
from collective.recipe.productionstack.plan import rendering
from tests.support import samples


@dataclass(frozen=True)
class MadeUp:
    """A daemon that fills one role, and writes where it listens and who comes next."""

    NAME: str
    ROLES: tuple[str, ...]
    NEEDS: tuple[str, ...] = ()
    COLLECTS: str = ""
    VERSIONED: tuple[str, str] = ("", "")

    def files(self, stack: Stack) -> tuple[tuple[str, str, dict[str, Any]], ...]:
        upstream = stack.upstream_of(self.ROLES[0])
        return ((f"{self.NAME}/conf", "cron/crontab.j2", {"lock": upstream}),)

    def programs(self, stack: Stack) -> tuple[Program, ...]:
        address = stack.chain.http if self.ROLES[0] == WEB_SERVER else stack.chain.purge
        health = Health(address=address, path="/")
        kind, reload = self.NAME, "HUP"
        return (
            Program(
                name=kind, kind=kind, command=(kind,), health=health, reload=reload
            ),
        )

    def logs(self, stack: Stack) -> tuple[()]:
        return ()

    def jobs(self, stack: Stack) -> tuple[()]:
        return ()

    def checks(self, stack: Stack) -> tuple[()]:
        return ()


class Squid:
    """The made-up cache as it runs."""

    def __init__(self, stack: Stack, timeout: float) -> None:
        self.banned: list[str] = []

    def reload(self, send: Callable[[], None]) -> None:
        send()

    def master(self) -> int:
        return 7

    def ban(self, *words: str) -> None:
        self.banned += words


class Lighty(Squid):
    """The made-up web server as it runs."""

    def maintenance_text(self, hosts: list[str]) -> str:
        return " ".join(hosts)

    def maintenance_hosts(self, text: str) -> set[str]:
        return set(text.split())


SQUID = MadeUp("squid", (CACHE,))
LIGHTY = MadeUp("lighty", (WEB_SERVER,))


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Stack:
    """Return a whole stack in which both have their places."""
    haproxy, _, _, _, *others = registry.SERVICES
    monkeypatch.setattr(registry, "SERVICES", (haproxy, SQUID, LIGHTY, *others))
    controls = {
        "squid": SimpleNamespace(TITLE="Squid", FILLS={CACHE: Squid}),
        "lighty": SimpleNamespace(TITLE="lighttpd", FILLS={WEB_SERVER: Lighty}),
    }
    real = roles.control_of
    monkeypatch.setattr(
        roles, "control_of", lambda name: controls.get(name) or real(name)
    )
    return announcing.complete(
        samples.changed(
            web_server="lighty",
            proxy_cache="squid",
            services=tuple(one.NAME for one in registry.SERVICES),
        )
    )


def test_both_are_started_inside_out(stack: Stack) -> None:
    names = [one.name for one in stack.announced.programs if not one.is_client]
    assert names == ["zeoserver", "haproxy", "squid", "lighty", "watchdog"]


def test_each_is_told_who_comes_next(stack: Stack) -> None:
    assert [str(one) for one in stack.upstream_of(WEB_SERVER)] == ["/s/squid.sock"]
    assert [str(one) for one in stack.upstream_of(CACHE)] == ["127.0.0.1:8004"]


def test_the_tree_has_their_files_and_no_others(stack: Stack) -> None:
    paths = {file.path for file in rendering.tree_of(stack).files}
    assert {"squid/conf", "lighty/conf", "haproxy/haproxy.cfg"} <= paths
    assert not [path for path in paths if path.startswith(("nginx/", "varnish/"))]
    supervised = rendering.tree_of(stack).text_of("supervisor/supervisord.conf")
    assert "[program:squid]" in supervised
    assert "[program:lighty]" in supervised


def test_the_roles_ask_them(stack: Stack) -> None:
    told: list[str] = []
    for program in stack.announced.programs:
        if program.kind in {"squid", "lighty"}:
            daemon = roles.of_program(stack, program)
            daemon.reload(lambda name=program.name: told.append(name))  # type: ignore[misc]
    assert told == ["squid", "lighty"]
    assert isinstance(roles.cache(stack), Squid)
    assert roles.web_server(stack).maintenance_hosts("a b") == {"a", "b"}


def test_people_see_their_names(stack: Stack) -> None:
    visitors, below = topology(stack)[0]
    assert visitors == "visitors"
    assert below[-1][0].startswith("lighttpd  http 127.0.0.1:8000")
    assert below[-1][1][0][0].startswith("Squid  ")
