"""A running site with other tools, and back to the usual ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.plonesite import PloneSite


@contextmanager
def apache(site: PloneSite) -> Iterator[PloneSite]:
    """Give the site with another web server, exchanged while all else runs."""
    site.settle()
    clients = {name: site.pid(name) for name in ("instance1", "instance2")}
    _exchange(site, "web-server = apache", "apache", "nginx")
    assert {name: site.pid(name) for name in clients} == clients
    yield site
    _exchange(site, "", "nginx", "apache")
    site.settle()


@contextmanager
def nginx_alone(site: PloneSite) -> Iterator[PloneSite]:
    """Give the site with fewer tools, exchanged as reload says."""
    site.settle()
    site.configure(stack="proxy-cache = nginx\nload-balancer = nginx")
    site.buildout().good()
    said = site.stack("reload")
    assert "bin/stack down, then bin/stack up" in said.errors
    assert site.serves()
    site.stack("down").good()
    site.stack("up").good()
    yield site
    site.stack("down").good()
    site.settle()


def _exchange(site: PloneSite, option: str, new: str, old: str) -> None:
    site.configure(stack=option)
    site.buildout().good()
    told = site.stack("reload")
    assert told.status == 1
    assert f"{new} is new: bin/stack up starts it" in told.errors
    assert f"{old} is no longer part of the stack but runs" in told.errors
    site.stack("up").good()
    assert site.pid(new)
    assert site.get("/").status == 200
