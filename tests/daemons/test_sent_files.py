"""Files that Plone names and nginx sends: whole, in parts, to whom Plone says so."""

from __future__ import annotations

import time
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path

import pytest

from collective.recipe.productionstack.model.front import Front
from tests.daemons import stage
from tests.daemons.stage import CACHED
from tests.daemons.stage import FRESH
from tests.daemons.stage import HTML
from tests.daemons.stage import PRIVATE
from tests.daemons.stage import Answer
from tests.daemons.stage import Reply
from tests.daemons.stage import Seen
from tests.daemons.stage import Stage

pytestmark = pytest.mark.usefixtures("daemons")

PREFIX = "/.plone-blobs/"
NAME = "0x00/0x00/0x00/0x00/0x00/0x00/0x12/0x34/0x03f1a2b3c4d5e6f7.blob"
BYTES = bytes(range(256)) * 1024
PLACEHOLDER = b"collective.xsendfile - proxy missing?"
"""What collective.xsendfile puts in the place of a file."""

PDF = ("Content-Type", "application/pdf")
SAVED = ("Content-Disposition", "attachment; filename*=UTF-8''a%20b.pdf")
CHANGED = ("Last-Modified", "Sat, 01 Nov 2025 10:00:00 GMT")
LINK = ("Link", '<http://www.example.com/a>; rel="canonical"')
SESSION = ("Cookie", '__ac="x"')


@pytest.fixture(scope="module")
def running() -> Iterator[Stage]:
    front = Front(xsendfile="on", rate_limits_exempt=("127.0.0.1/32",))
    with Stage(front=front, folder="it's a büildout") as one:
        blob(one).parent.mkdir(parents=True)
        yield one.start()


@pytest.fixture
def chain(running: Stage) -> Stage:
    """Give the whole chain, a client that remembers nothing, and the file."""
    running.plone.forget()
    blob(running).unlink(missing_ok=True)
    blob(running).write_bytes(BYTES)
    return running


def blob(one: Stage) -> Path:
    """Return the path of the one file."""
    return Path(one.stack.blob_dir, NAME)


def secret(one: Stage) -> Path:
    """Return the path of a file beside the blobs."""
    return Path(one.stack.blob_dir).with_name("secret")


def answers(seen: Seen, control: tuple[str, str], named: str = PREFIX + NAME) -> Answer:
    """Answer as Plone with collective.xsendfile does."""
    headers = (PDF, SAVED, CHANGED, LINK, control)
    if seen["X-Forwarded-For"]:
        return Answer((*headers, ("X-Accel-Redirect", named)), body=PLACEHOLDER)
    return Answer(headers, body=BYTES)


def public(seen: Seen) -> Answer:
    return answers(seen, CACHED)


def private(seen: Seen) -> Answer:
    if not seen["Cookie"]:
        return Answer((HTML, PRIVATE), 401, b"log in")
    return answers(seen, PRIVATE)


@pytest.fixture
def path(chain: Stage, page: str) -> str:
    """Give the address of a public file."""
    chain.plone.answers[page] = public
    return page


def is_whole(reply: Reply) -> bool:
    assert reply.status == 200, reply
    assert "X-Accel-Redirect" not in reply.headers
    assert reply["Content-Type"] == "application/pdf"
    return reply.body == BYTES


@pytest.mark.parametrize("who", [(), (SESSION,)])
def test_nginx_sends_the_file_that_plone_names(
    chain: Stage, page: str, who: tuple[tuple[str, str], ...]
) -> None:
    chain.plone.answers[page] = private if who else public
    for _ in range(3):
        reply = chain.get(page, *who)
        assert is_whole(reply)
        assert reply[SAVED[0]] == SAVED[1]
        assert reply["Link"] == LINK[1]
        assert reply["Accept-Ranges"] == "bytes"
        assert reply["Vary"] is None
        assert reply["X-Content-Type-Options"] == "nosniff"
    (first, *_) = chain.plone.seen
    assert first["X-Forwarded-For"] == "127.0.0.1"
    assert first["X-PS-Sendfile"] is None
    assert len(chain.plone.seen) == (3 if who else 1)


def test_who_may_not_have_it_gets_what_plone_says(chain: Stage, page: str) -> None:
    chain.plone.answers[page] = private
    assert is_whole(chain.get(page, SESSION))
    assert chain.get(page).status == 401
    assert chain.get(page).body == b"log in"


@pytest.mark.parametrize("who", [(), (SESSION,)])
def test_parts(chain: Stage, path: str, who: tuple[tuple[str, str], ...]) -> None:
    for _ in range(2):
        part = chain.get(path, ("Range", "bytes=1000-1009"), *who)
        assert (part.status, part.body) == (206, BYTES[1000:1010])
        assert part["Content-Range"] == f"bytes 1000-1009/{len(BYTES)}"
        last = chain.get(path, ("Range", "bytes=-5"), *who)
        assert (last.status, last.body) == (206, BYTES[-5:])
        beyond = chain.get(path, ("Range", "bytes=99999999-"), *who)
        assert beyond.status == 416
        two = chain.get(path, ("Range", "bytes=0-1,5-6"), *who)
        assert two.status == 206
        assert str(two["Content-Type"]).startswith("multipart/byteranges")


@pytest.mark.parametrize("who", [(), (SESSION,)])
def test_conditions(chain: Stage, path: str, who: tuple[tuple[str, str], ...]) -> None:
    whole = chain.get(path, *who)
    tag, changed = whole["ETag"] or "", whole["Last-Modified"] or ""
    assert changed == formatdate(blob(chain).stat().st_mtime, usegmt=True)
    for _ in range(2):
        for header in (("If-None-Match", tag), ("If-Modified-Since", changed)):
            same = chain.get(path, header, *who)
            assert (same.status, same.body) == (304, b""), header
        assert is_whole(chain.get(path, ("If-None-Match", '"other"'), *who))
        # What Plone or the cache would call unchanged was another file's.
        assert is_whole(chain.get(path, ("If-Modified-Since", CHANGED[1]), *who))
        part = ("Range", "bytes=0-9")
        assert chain.get(path, part, ("If-Range", tag), *who).body == BYTES[:10]
        assert is_whole(chain.get(path, part, ("If-Range", '"other"'), *who))


@pytest.mark.parametrize("who", [(), (SESSION,)])
def test_head(chain: Stage, path: str, who: tuple[tuple[str, str], ...]) -> None:
    for _ in range(2):
        reply = chain.get(path, *who, method="HEAD")
        assert (reply.status, reply.body) == (200, b"")
        assert reply["Content-Length"] == str(len(BYTES))
        assert reply["Content-Type"] == "application/pdf"


def test_a_file_that_a_pack_took_away_comes_from_plone(chain: Stage, path: str) -> None:
    assert is_whole(chain.get(path))
    blob(chain).unlink()
    assert is_whole(chain.get(path))
    assert is_whole(chain.get(path))
    part = chain.get(path, ("Range", "bytes=1000-1009"))
    assert (part.status, part.body) == (206, BYTES[1000:1010])
    # Once named, once sent, and then kept by the cache.
    first, second = chain.plone.requests(path)
    # Nobody to Zope: this machine's own address may have rights.
    assert (first["X-Forwarded-For"], second["X-Forwarded-For"]) == ("127.0.0.1", "")
    assert second["X-Real-IP"] == "127.0.0.1"


def test_also_with_a_query_and_letters_that_are_encoded(
    chain: Stage, page: str
) -> None:
    odd = f"{page}-a%3Fb%20c%25d/@@download"
    chain.plone.answers[odd] = private
    asked = f"{odd}?x=1&y=%26"
    assert is_whole(chain.get(asked, SESSION))
    blob(chain).unlink()
    assert is_whole(chain.get(asked, SESSION))
    paths = {seen.path.partition("VirtualHostRoot")[2] for seen in chain.plone.seen}
    assert paths == {asked}


@pytest.mark.parametrize(
    "named",
    [
        "/etc/passwd",
        f"{PREFIX}../../secret",
        f"{PREFIX}%2e%2e/%2e%2e/secret",
        f"{PREFIX}0x00/../../secret",
        f"{PREFIX}tmp/upload",
        f"{PREFIX}0x00/0x1.blob/",
        f"{PREFIX}0x00/0x1.blob?x",
        PREFIX,
        "@told",
        "/.well-known/acme-challenge/x",
        "/other-page",
    ],
)
def test_what_is_no_file_of_plones_is_not_sent(
    chain: Stage, page: str, named: str
) -> None:
    secret(chain).write_text("secret")
    (Path(chain.stack.blob_dir) / "tmp").mkdir(exist_ok=True)
    (Path(chain.stack.blob_dir) / "tmp/upload").write_text("secret")
    order = ("X-Accel-Redirect", named)
    for control in (CACHED, PRIVATE):
        chain.plone.answers[page] = Answer((HTML, control, order), body=b"a page")
        for _ in range(2):
            reply = chain.get(page, SESSION)
            assert (reply.status, reply.body) == (200, b"a page")
            assert chain.get(page, FRESH).body == b"a page"
    page = f"{page}-error"
    chain.plone.answers[page] = Answer((HTML, order), 404, b"not there")
    assert (chain.get(page).status, chain.get(page).body) == (404, b"not there")


def test_a_link_leads_nowhere(chain: Stage, path: str) -> None:
    secret(chain).write_text("secret")
    blob(chain).unlink()
    blob(chain).symlink_to(secret(chain))
    assert is_whole(chain.get(path))


@pytest.mark.parametrize(
    "asked",
    [
        PREFIX + NAME,
        "/.plone-blobs%2f" + NAME,
        "/%2eplone-blobs/" + NAME,
        "/x/../.plone-blobs/" + NAME,
        "//.plone-blobs/" + NAME,
    ],
)
def test_nobody_gets_a_file_by_its_name(chain: Stage, asked: str) -> None:
    chain.plone.default = Answer((HTML, PRIVATE), 404, b"not there")
    for header in ((), (("X-PS-Sendfile", "yes"),), (SESSION,)):
        assert chain.get(asked, *header).status == 404


def test_what_visitors_say_makes_no_difference(chain: Stage, path: str) -> None:
    for value in ("yes", "no", "page", ""):
        asked = ("X-PS-Sendfile", value)
        accel = ("X-Accel-Redirect", "/etc/passwd")
        assert is_whole(chain.get(path, asked, accel, SESSION))
        assert is_whole(chain.get(path, asked, accel))


@pytest.mark.parametrize("first", ["nginx", "cache"])
def test_only_nginx_is_told_a_name(chain: Stage, path: str, first: str) -> None:
    asked = ("X-PS-Sendfile", "yes")
    if first == "nginx":
        assert is_whole(chain.get(path))
    for _ in range(2):
        assert is_whole(chain.cache(path))
        assert is_whole(chain.cache(path, asked))
        assert is_whole(chain.cache(path, asked, SESSION))
        full = f"{chain.stack.sites[0].virtual_host}{path}"
        assert is_whole(stage.ask(chain.stack.chain.balancer, "GET", full))
        assert is_whole(chain.get(path))


def test_a_name_that_nobody_asked_for_is_no_file(chain: Stage, page: str) -> None:
    """A client with other settings: no visitor gets what stands for the file."""
    named = ("X-Accel-Redirect", PREFIX + NAME)
    for one in (page, f"{page}/@@images/x"):
        chain.plone.answers[one] = Answer((PDF, CACHED, named), body=PLACEHOLDER)
    assert is_whole(chain.get(page))
    for reply in (
        chain.cache(page),
        chain.get(f"{page}/@@images/x"),
        chain.get(f"{page}/@@images/x", SESSION),
    ):
        assert reply.status == 503
        assert PLACEHOLDER not in reply.body


def test_images_come_from_the_cache(chain: Stage, page: str) -> None:
    scale = f"{page}/@@images/image-400-0123.png"
    chain.plone.answers[scale] = public
    for _ in range(2):
        assert is_whole(chain.get(scale))
    (seen,) = chain.plone.seen
    assert seen["X-Forwarded-For"] == ""
    assert seen["X-Real-IP"] == "127.0.0.1"
    blob(chain).unlink()
    assert is_whole(chain.get(scale))
    assert len(chain.plone.seen) == 1


def test_an_edit_drops_the_name_too(chain: Stage, path: str) -> None:
    assert is_whole(chain.get(path))
    assert is_whole(chain.cache(path))
    blob(chain).unlink()
    chain.plone.answers[path] = Answer((HTML, PRIVATE), 401, b"retracted")
    assert chain.purge(path).status == 200
    time.sleep(1)
    assert chain.get(path).status == 401
    assert chain.cache(path).status == 401


def test_other_methods_keep_their_address(chain: Stage, page: str) -> None:
    chain.plone.answers[page] = Answer((HTML, PRIVATE), body=b"done")
    assert chain.get(page, method="POST", body=b"x=1").body == b"done"
    (seen,) = chain.plone.seen
    assert seen["X-Forwarded-For"] == "127.0.0.1"


def test_while_the_cache_is_away(chain: Stage, path: str) -> None:
    chain.stop("varnish")
    try:
        assert is_whole(chain.get(path))
        assert chain.get(path, ("Range", "bytes=0-9")).body == BYTES[:10]
        blob(chain).unlink()
        assert is_whole(chain.get(path))
        chain.plone.answers[path] = Answer(
            (HTML, ("X-Accel-Redirect", "/etc/passwd")), body=b"a page"
        )
        assert chain.get(path).body == b"a page"
    finally:
        chain.start("varnish")
