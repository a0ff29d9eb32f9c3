"""Forms on other sites' pages that would lead a visitor into another site of ours."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.daemons import stage
from tests.daemons.stage import Reply
from tests.daemons.stage import Stage

pytestmark = pytest.mark.usefixtures("daemons")

URLENCODED = "application/x-www-form-urlencoded"
ESCAPE = b"../../../evil.example:80/Two/VirtualHostRoot:method=1"
PART = (
    b'--b\r\nContent-Disposition: form-data; name="%s"\r\n\r\n1\r\n--b--\r\n'
    % ESCAPE.removesuffix(b"=1")
)
OURS = (
    *("http://www.example.com", "https://WWW.example.com:8001", "http://example.com"),
    *("https://any.example.org", "http://two.example.com", "http://[::1]:8000"),
)
THEIRS = (
    *("https://evil.example", "null", "https://www.example.com.evil.example"),
    *("https://evilexample.org", "https://evil.example/www.example.com"),
)


@pytest.fixture(scope="module")
def front(daemons: None) -> Iterator[Stage]:
    sites = (
        stage.site(aliases=("example.com", "*.example.org"), redirect=False),
        stage.site("two.example.com", "/Two"),
        stage.site("[::1]", "/Three"),
    )
    with Stage(sites=sites) as one:
        yield one.start()


def send(
    front: Stage, body: bytes, *headers: tuple[str, str], kind: str = URLENCODED
) -> Reply:
    """Send a form through the whole chain."""
    front.plone.forget()
    typed = (("Content-Type", kind), *headers)
    return front.get("/contact", *typed, method="POST", body=body)


@pytest.mark.parametrize("origin", THEIRS)
@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"a=1&" + ESCAPE, URLENCODED),
        (ESCAPE.replace(b":method", b"%3AMethod"), URLENCODED),
        (ESCAPE.replace(b":method", b":default_action"), URLENCODED),
        (ESCAPE.replace(b":method", b":%6dethod"), URLENCODED),
        (PART, "multipart/form-data; boundary=b"),
    ],
)
def test_they_name_no_method(front: Stage, origin: str, body: bytes, kind: str) -> None:
    assert send(front, body, ("Origin", origin), kind=kind).status == 400
    assert front.plone.requests("/contact") == []


@pytest.mark.parametrize("origin", ["", *OURS])
def test_our_own_pages_may(front: Stage, origin: str) -> None:
    headers = (("Origin", origin),) if origin else ()
    assert send(front, b"folder_delete:method=1", *headers).status == 200
    assert front.plone.requests("/contact")


@pytest.mark.parametrize(
    "body", [b"p=" + b"x" * 70_000 + b"&" + ESCAPE, b"p=\0&" + ESCAPE]
)
def test_what_cannot_be_seen_whole_is_refused(front: Stage, body: bytes) -> None:
    assert send(front, body, ("Origin", "https://evil.example")).status == 413
    assert front.plone.requests("/contact") == []


def test_who_logs_in_elsewhere_comes_back_by_a_form(front: Stage) -> None:
    back = b"RelayState=https%3A%2F%2Fwww.example.com%2F&SAMLResponse=" + b"x" * 40_000
    assert send(front, back, ("Origin", "https://login.example")).status == 200


def test_large_files_of_our_own_and_of_scripts_pass(front: Stage) -> None:
    large = b"p=\0" + b"x" * 200_000
    assert send(front, large, ("Origin", OURS[0])).status == 200
    script = (("Origin", "https://app.example"), ("Sec-Fetch-Mode", "cors"))
    assert send(front, large, *script).status == 200


@pytest.mark.parametrize("origin", ["", OURS[0]])
@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"a=1&" + ESCAPE, URLENCODED, 400),
        (b"a=1&..%2F..%2FTwo%2FVirtualHostRoot%3Amethod=1", URLENCODED, 400),
        (b"a=1&%2e%2e%2fTwo:default_method=1", URLENCODED, 400),
        (b"manage_main:method=1", URLENCODED, 404),
        (PART, "multipart/form-data; boundary=b", 400),
        (PART, "Multipart/form-data; boundary=b", 400),
        (PART.replace(ESCAPE[:-2], b"manage_main:method"), "multipart/form-data", 404),
        (ESCAPE, "application/x-url-encoded", 400),
        # Zope takes the first kind that it knows; so do we.
        (ESCAPE, f"{URLENCODED}; multipart/form-data", 400),
    ],
)
def test_no_form_leaves_its_site(
    front: Stage, origin: str, body: bytes, kind: str, status: int
) -> None:
    headers = (("Origin", origin),) if origin else ()
    assert send(front, body, *headers, kind=kind).status == status
    assert front.plone.requests("/contact") == []


@pytest.mark.parametrize(
    "body",
    [
        b"text=see%20%2Fa%3Amethod%20and%20../x:action&form.buttons.save:method=1",
        b"came_from=http%3A%2F%2Fx%2Fa&submit:method=1",
    ],
)
def test_what_people_write_is_no_name(front: Stage, body: bytes) -> None:
    assert send(front, body, ("Origin", OURS[0])).status == 200


def test_files_and_texts_in_parts_are_no_names(front: Stage) -> None:
    kind = "multipart/form-data; boundary=b"
    body = (
        b'--b\r\nContent-Disposition: form-data; name="form.text"\r\n\r\n'
        b"<p>A &nbsp;</p> form:action &a/b method:method\r\n"
        b'--b\r\nContent-Disposition: form-data; name="f"; filename="../a/b..c"\r\n\r\n'
        b'1\r\n--b\r\nContent-Disposition: form-data; name="save:method"\r\n\r\n'
        b"1\r\n--b--\r\n"
    )
    assert send(front, body, ("Origin", OURS[0]), kind=kind).status == 200


def test_a_form_made_to_cost_time_costs_little(front: Stage) -> None:
    begun = time.monotonic()
    for body in (b"/:" * 30_000, b"&/" * 30_000, b"..:" * 20_000):
        send(front, body)
    assert time.monotonic() - begun < 3


@pytest.mark.parametrize("kind", [(), (("Content-Type", ""),)])
def test_what_says_not_what_it_is_is_a_form_for_zope(
    front: Stage, kind: tuple[tuple[str, str], ...]
) -> None:
    front.plone.forget()
    assert front.get("/contact", *kind, method="POST", body=ESCAPE).status == 400
    assert front.plone.requests("/contact") == []


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_zope_reads_forms_of_other_methods_too(front: Stage, method: str) -> None:
    front.plone.forget()
    headers = (("Content-Type", URLENCODED), ("Accept", "application/json"))
    assert front.get("/contact", *headers, method=method, body=ESCAPE).status == 400
    assert front.plone.requests("/contact") == []
