"""Text is compressed once on the way, whoever asks for it."""

from __future__ import annotations

import gzip
from collections.abc import Iterator

import pytest

from collective.recipe.productionstack.model.front import Front
from tests.daemons.stage import CACHED
from tests.daemons.stage import HTML
from tests.daemons.stage import PRIVATE
from tests.daemons.stage import Answer
from tests.daemons.stage import Reply
from tests.daemons.stage import Stage

pytestmark = pytest.mark.usefixtures("daemons")

TEXT = b"<p>much the same</p>\n" * 2000
IMAGE = bytes(range(256)) * 40
ZIPPED = ("Accept-Encoding", "br, gzip, deflate")
PNG = ("Content-Type", "image/png")
CSS = ("Content-Type", "text/css;charset=utf-8")


@pytest.fixture(scope="module", params=["varnish", "none"])
def running(request: pytest.FixtureRequest) -> Iterator[Stage]:
    front = Front(rate_limits_exempt=("127.0.0.0/8",))
    with Stage(clients=1, proxy_cache=request.param, front=front) as one:
        names = ("haproxy", "varnish", "nginx")
        started = [one for one in names if request.param != "none" or one != "varnish"]
        yield one.start(*started)


def _once(reply: Reply, plain: bytes) -> None:
    """See that what came is compressed, once, and says so to caches further out."""
    assert reply.status == 200
    assert reply["Content-Encoding"] == "gzip"
    assert gzip.decompress(reply.body) == plain
    assert "accept-encoding" in (reply["Vary"] or "").lower()


def test_text_is_compressed_once(running: Stage) -> None:
    plone = running.plone
    plone.answers["/page"] = Answer((CACHED, HTML), body=TEXT)
    plone.answers["/mine"] = Answer((PRIVATE, HTML), body=TEXT)
    plone.answers["/css"] = Answer((CACHED, CSS), body=TEXT)
    for path in ("/page", "/page", "/mine", "/css"):
        _once(running.get(path, ZIPPED), TEXT)
        plain = running.get(path)
        assert plain["Content-Encoding"] is None
        assert plain.body == TEXT
        assert "accept-encoding" in (plain["Vary"] or "").lower()


def test_what_is_compressed_already_stays_as_it_is(running: Stage) -> None:
    coded = (("Content-Encoding", "gzip"), ("Vary", "Accept-Encoding"))
    body = gzip.compress(TEXT)
    running.plone.answers["/zipped"] = Answer((PRIVATE, HTML, *coded), body=body)
    _once(running.get("/zipped", ZIPPED), TEXT)


def test_pictures_and_small_texts(running: Stage) -> None:
    running.plone.answers["/picture"] = Answer((CACHED, PNG), body=IMAGE)
    picture = running.get("/picture", ZIPPED)
    assert (picture["Content-Encoding"], picture.body) == (None, IMAGE)
    running.plone.answers["/small"] = Answer((PRIVATE, HTML), body=b"ok")
    small = running.get("/small", ZIPPED)
    body = small.body
    if small["Content-Encoding"] == "gzip":
        body = gzip.decompress(body)
    assert body == b"ok"
