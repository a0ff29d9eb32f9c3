"""The web server: what visitors read when nothing else can be shown."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from collective.recipe.productionstack.model.front import Front
from tests.daemons import stage
from tests.daemons.stage import Answer
from tests.daemons.stage import Reply
from tests.daemons.stage import Stage
from tests.daemons.stage import site

pytestmark = pytest.mark.usefixtures("daemons")

ODD = "Ours: \"$request_uri\" \\n $1 ${host} <!--# echo var='host' --> 100 % 'ä' "
LONG = "<i>€</i>" * 1500
TWO = ("Host", "two.example.com")
THREE = ("Host", "three.example.com")
QUICK = {
    "nginx": (("proxy_read_timeout 310s", "proxy_read_timeout 1s"),),
    "apache": (("timeout=310", "timeout=1"),),
}
AWAY = {"nginx": (504, 502), "apache": (502, 503)}
"""What a visitor gets where nobody answers in time, and where nobody listens."""


def _pages(folder: Path, **pages: str) -> str:
    folder.mkdir()
    for name, text in pages.items():
        path = folder / f"{name.strip('_').replace('_', '.')}.html"
        path.write_text(text, encoding="utf-8")
    return str(folder)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, web: str) -> Iterator[Stage]:
    """Give three sites: with our pages, with the part's, with some of its own."""
    top = tmp_path_factory.mktemp("pages")
    own = _pages(top / "own", _503=f"{ODD}[request-id]|{LONG}", _503_pl="Po polsku")
    other = _pages(top / "other", _413="Three 413", _503_de="Drei")
    front = Front(rate_limits_exempt=("127.0.0.1/32",), max_upload=5000)
    sites = (
        site(),
        site("two.example.com", "/Site2", error_pages=own),
        site("three.example.com", "/Site3", error_pages=other),
    )
    with Stage(
        sites=sites,
        clients=1,
        proxy_cache="none",
        front=front,
        changes=QUICK[web],
        web_server=web,
    ) as one:
        yield one.start("haproxy", web)


@pytest.fixture
def front(running: Stage) -> Stage:
    running.plone.forget()
    return running


@pytest.fixture
def away(front: Stage) -> Iterator[Stage]:
    """Give the stage without its client."""
    port = front.plone.stop("instance1")
    stage.until(lambda: front.up() == 0)
    yield front
    front.plone.start("instance1", port)
    stage.until(lambda: front.up() == 1)


def _reference(one: Stage, reply: Reply) -> str:
    """Return the id on a page; it must be in the log, and in no header."""
    (found,) = re.findall(r"[0-9a-f]{32}", reply.body.decode())
    assert found not in str(reply.headers)
    stage.until(lambda: f" {found}\n" in one.log().read_text(), 5)
    return str(found)


TOLD = (
    ("", "en", "Back soon"),
    ("de-AT,de;q=0.9,en;q=0.8", "de", "Gleich wieder da"),
    ("pt-BR, pt;q=0.9 , FR;q=0.8, de", "fr", "De retour bientôt"),
    ("en-GB,de", "en", "Back soon"),
    ("denmark", "en", "Back soon"),
    ("*", "en", "Back soon"),
    ("es", "es", "Volvemos enseguida"),
    ("it", "it", "Torniamo subito"),
    ("nl", "nl", "Zo weer terug"),
    ("xx," * 2500 + "de", "de", "Gleich wieder da"),
)


def test_visitors_are_told_in_their_language(away: Stage) -> None:
    for asked, language, text in TOLD:
        wanted = (("Accept-Language", asked), ("X-Request-ID", "0" * 32))
        reply = away.get("/x", *wanted)
        shown = reply.body.decode()
        assert reply.status == 503
        assert f"<html lang='{language}'>" in shown
        assert f"<h1>{text}</h1>" in shown
        assert (reply["Retry-After"], reply["Cache-Control"]) == ("10", "no-store")
        assert reply["Content-Type"] == "text/html; charset=utf-8"
        assert _reference(away, reply) != "0" * 32
        program = away.get("/x", *wanted, ("Accept", "application/json"))
        values = json.loads(program.body)
        assert program["Content-Type"] == "application/json"
        assert values["type"] == "ServiceUnavailable"
        assert values["message"] in shown
        assert values["reference"] == _reference(away, program)


def test_the_status_stays_and_forms_are_told_too(front: Stage) -> None:
    front.plone.answers["/late"] = Answer(wait=3)
    late = front.get("/late")
    large = front.get("/x", method="POST", body=b"x" * 6000)
    front.plone.default = Answer(status=429)
    many = front.get("/x")
    front.stop("haproxy")
    gone = front.get("/x", method="POST", body=b"x")
    program = front.get("/x", ("Accept", "application/json"))
    front.start("haproxy")
    shown = [one.status for one in (late, large, many, gone, program)]
    slow, nobody = AWAY[front.web]
    assert shown == [slow, 413, 429, nobody, nobody]
    titles = ("Back soon", "Too large", "Too many requests", "Back soon")
    for reply, title in zip((late, large, many, gone), titles, strict=True):
        assert f"<h1>{title}</h1>" in reply.body.decode()
        assert len(_reference(front, reply)) == 32
    assert many["Retry-After"] == "60"
    assert large["Retry-After"] is None


def test_other_errors_are_those_of_plone(front: Stage) -> None:
    for status in (400, 401, 403, 404, 500):
        front.plone.default = Answer(status=status, body=b"Plone's own")
        reply = front.get("/x")
        assert (reply.status, reply.body) == (status, b"Plone's own")


def test_pages_of_a_site_are_shown_as_they_are(away: Stage) -> None:
    reply = away.get("/x", TWO, ("Accept-Language", "de"))
    reference = _reference(away, reply)
    assert reply.status == 503
    assert reply.body.decode() == f"{ODD}{reference}|{LONG}"
    assert reply["Content-Type"] == "text/html; charset=utf-8"
    assert away.get("/x", TWO, method="POST", body=b"x").status == 503
    assert away.get("/", TWO, ("Accept-Language", "pl")).body == b"Po polsku"
    program = away.get("/x", TWO, ("Accept", "application/json"))
    assert json.loads(program.body)["type"] == "ServiceUnavailable"
    # What a folder has not is ours.
    assert away.get("/", THREE, ("Accept-Language", "de")).body == b"Drei"
    assert b"De retour" in away.get("/", THREE, ("Accept-Language", "fr")).body
    large = away.get("/x", THREE, method="POST", body=b"x" * 6000)
    assert (large.status, large.body) == (413, b"Three 413")
    assert b"Back soon" in away.get("/x", ("Accept-Language", "pl")).body
