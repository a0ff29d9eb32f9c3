"""One request on every hop: its id, its visitor, its times, and no secret."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from collective.recipe.productionstack.model.front import Front
from tests.daemons import stage
from tests.daemons.stage import Answer
from tests.daemons.stage import Stage
from tests.daemons.stage import ask

pytestmark = pytest.mark.usefixtures("daemons")

VISITOR = "127.0.0.7"
SECRETS = (
    "/passwordreset/S3cret",
    "/%70asswordreset/S3cret",
    "/x?a=b&auth_token=S3cret",
    "/x?%70assword=S3cret",
    "/x?code=S3cret",
)


@pytest.fixture(scope="module")
def chain(web: str) -> Iterator[Stage]:
    front = Front(log_format="json", rate_limits_exempt=("127.0.0.0/8",))
    with Stage(clients=1, front=front, web_server=web) as one:
        yield one.start()


def _lines(one: Stage, name: str) -> list[dict[str, Any]]:
    path = Path(one.stack.folders.log, name)
    lines = path.read_text().splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


def _of(one: Stage, name: str, request: str) -> dict[str, Any]:
    """Return what a log says about the request with that id."""

    def found() -> list[dict[str, Any]]:
        return [line for line in _lines(one, name) if line["id"] == request]

    stage.until(lambda: len(found()) == 1, 5)
    return found()[0]


def test_one_id_the_visitor_and_the_times_are_in_every_log(chain: Stage) -> None:
    chain.plone.answers["/slow"] = Answer(wait=0.3)
    claimed = ("X-Request-ID", "ab" * 16)
    reply = chain.get("/slow", claimed, ("User-Agent", "Some browser"), source=VISITOR)
    assert reply.status == 200
    (seen,) = chain.plone.requests("/slow")
    request = str(seen["X-Request-ID"])
    assert len(request) == 32
    assert request != "ab" * 16
    assert request not in str(reply.headers)
    # Zope writes down who came, by this header, and the browser's name.
    assert seen["X-Forwarded-For"] == VISITOR
    assert seen["User-Agent"] == f"Some browser request/{request}"

    edge = _of(chain, chain.log().name, request)
    haproxy = _of(chain, "haproxy.out", request)
    assert (edge["address"], haproxy["address"]) == (VISITOR, VISITOR)
    # Apache knows the time in all, and that in milliseconds.
    assert float(edge.get("upstream", edge.get("milliseconds", 0) / 1000)) >= 0.3
    assert edge["cache"] == "MISS"
    assert haproxy["answer_ms"] >= 300
    assert haproxy["total_ms"] >= haproxy["answer_ms"]
    assert haproxy["client"] == "instance1"
    assert haproxy["asked"].endswith("/VirtualHostRoot/slow")
    assert haproxy["status"] == edge["status"] == 200


def test_an_id_that_is_none_is_replaced(chain: Stage) -> None:
    address = chain.stack.chain.balancer
    for given in ((), (("X-Request-ID", 'a" b'),), (("X-Request-ID", "AB" * 16),)):
        ask(address, "GET", "/given", given)
        made = str(chain.plone.seen[-1]["X-Request-ID"])
        assert made.isalnum()
        assert len(made) == 32
        assert _of(chain, "haproxy.out", made)["asked"] == "/given"


def test_no_log_holds_a_secret(chain: Stage) -> None:
    for secret in SECRETS:
        chain.get(secret, ("Referer", f"http://www.example.com{secret}"))
    chain.get('/last?b_start:int=20&q="x"')
    stage.until(lambda: "b_start" in chain.said("haproxy"), 5)
    said = chain.said("haproxy") + chain.said("varnish")
    said += chain.log().read_text()
    assert "S3cret" not in said
    assert said.count("[FILTERED]") >= 2 * len(SECRETS)
    (last,) = [
        line for line in _lines(chain, "haproxy.out") if "b_start" in line["asked"]
    ]
    assert last["asked"].endswith('/last?b_start:int=20&q="x"')
