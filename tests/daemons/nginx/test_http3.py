"""HTTP/3: the same pages, the same refusals."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from collective.recipe.productionstack.daemons.nginx.process import Nginx
from collective.recipe.productionstack.machine import run
from collective.recipe.productionstack.model.front import Front
from collective.recipe.productionstack.tree import check
from tests.daemons import stage
from tests.daemons.stage import CACHED
from tests.daemons.stage import HTML
from tests.daemons.stage import Answer
from tests.daemons.stage import Stage
from tests.daemons.stage import site
from tests.support import certificate
from tests.support import http3
from tests.support.http3 import Visitor

pytestmark = pytest.mark.usefixtures("daemons")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Give the whole chain, where nginx is built with it (Debian 13 and later)."""
    built = subprocess.run(
        (run.find("nginx") or "nginx", "-V"), capture_output=True, text=True, check=True
    ).stderr
    if "--with-http_v3_module" not in built:
        pytest.skip("this nginx is built without HTTP/3")
    pair = certificate.own(tmp_path_factory.mktemp("certificate"))
    served = site("www.example.com", scheme="https", url_port=443, **pair)
    other = site("other.example.com", "/Other", scheme="https", url_port=443, **pair)
    with Stage(sites=(served, other), tls=True, front=Front(http3="on")) as one:
        one.plone.default = Answer((CACHED, HTML), body=b"a page")
        yield one.start()


@pytest.fixture
def chain(running: Stage) -> Stage:
    running.plone.forget()
    running.plone.default = Answer((CACHED, HTML), body=b"a page")
    return running


def test_a_page_comes_from_the_cache_and_says_how_to_come_again(
    chain: Stage, page: str
) -> None:
    assert chain.stack.chain.https
    for result in ("MISS", "HIT"):
        answer = http3.get(chain.stack.chain.https, page)
        assert (answer.status, answer.body) == (200, b"a page")
        assert answer.headers["x-cache"] == result
    assert answer.headers["alt-svc"] == 'h3=":443"; ma=86400'
    assert answer.headers["x-content-type-options"] == "nosniff"
    (seen,) = chain.plone.seen
    assert seen["X-Forwarded-Proto"] == "https"
    assert seen["X-Real-IP"] == "127.0.0.1"


def test_a_form_reaches_the_client(chain: Stage, page: str) -> None:
    assert chain.stack.chain.https
    body = b"x=" + b"y" * 100_000
    kind = ("content-type", "application/x-www-form-urlencoded")
    answer = http3.get(chain.stack.chain.https, page, kind, method="POST", body=body)
    assert answer.status == 200
    assert chain.plone.seen[0].body == body


@pytest.mark.parametrize(
    ("path", "named", "status"),
    [
        ("/x/VirtualHostBase/http/a:80/Other/VirtualHostRoot/", {}, 404),
        ("/%56irtualHostRoot/x", {}, 404),
        ("/Other/x", {}, 404),
        ("/manage_main", {}, 404),
        ("/../../etc/passwd", {}, 400),
        ("/x?../../evil:80/Two/VirtualHostRoot:method=", {}, 400),
        ("/%00", {}, 400),
        ("/%ff", {}, 400),
        ("/x", {"method": "PURGE"}, 405),
        ("/x", {"method": "CONNECT"}, 405),
        ("/x", {"host": "elsewhere.example.net"}, 421),
    ],
)
def test_what_is_refused_is_refused_here_too(
    chain: Stage, path: str, named: dict[str, str], status: int
) -> None:
    assert chain.stack.chain.https
    answer = http3.get(chain.stack.chain.https, path, **named)
    assert answer.status == status
    assert chain.plone.seen == []


def test_a_name_that_no_site_has_gets_no_connection(chain: Stage) -> None:
    async def never(one: Visitor) -> http3.Answer:
        return await one.ask("/")

    assert chain.stack.chain.https
    with pytest.raises(ConnectionError):
        http3.visit(chain.stack.chain.https, never, "elsewhere.example.net")


@pytest.mark.parametrize("said", ["3", "30"])
def test_a_body_of_another_length_than_it_claims_reaches_nobody(
    chain: Stage, page: str, said: str
) -> None:
    assert chain.stack.chain.https
    length = ("content-length", said)
    answer = http3.get(
        chain.stack.chain.https, page, length, method="POST", body=b"0123456789"
    )
    assert answer.status in {0, 400, 413}
    assert chain.plone.seen == []


@pytest.mark.parametrize("name", ["transfer-encoding", "connection"])
def test_fields_of_http_1_do_not_reach_the_next_hop(
    chain: Stage, page: str, name: str
) -> None:
    assert chain.stack.chain.https
    http3.get(chain.stack.chain.https, page, (name, "chunked"))
    assert all(seen[name] in {None, "close"} for seen in chain.plone.seen)


def test_rapid_resets_leave_visitors_in_peace(chain: Stage, page: str) -> None:
    async def attack(one: Visitor) -> None:
        for number in range(1_000):
            one.give_up(one.send(f"{page}-{number}"))
            if number % 50 == 0:
                await asyncio.sleep(0)

    assert chain.stack.chain.https
    with stage.load(2, lambda: chain.get("/plain", ("Host", "other"))) as replies:
        http3.visit(chain.stack.chain.https, attack)
    assert len(replies) > 2
    answer = http3.get(chain.stack.chain.https, page)
    assert answer.status == 200


def test_after_a_reload_a_new_connection_is_served(chain: Stage, page: str) -> None:
    nginx = Nginx(chain.stack, 30)
    nginx.reload(lambda: os.kill(nginx.master(), signal.SIGHUP))
    assert chain.stack.chain.https
    assert http3.get(chain.stack.chain.https, page).status == 200


def test_checking_opens_no_port(chain: Stage) -> None:
    """It would say "Address already in use"."""
    verdicts = list(check.verdicts(chain.stack, Path(chain.stack.folders.applied)))
    assert {one.service: one.text for one in verdicts if not one.ok} == {}
