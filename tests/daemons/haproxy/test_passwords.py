"""Who guesses passwords anywhere but on the login page, where nginx counts."""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.daemons.stage import Reply
from tests.daemons.stage import Stage

pytestmark = pytest.mark.usefixtures("daemons")

FORM = ("Content-Type", "application/x-www-form-urlencoded")
PARTS = ("Content-Type", "multipart/form-data; boundary=b")
JSON = ("Content-Type", "application/json")
MEMBER = ("Cookie", "__ac=x")
"""What keeps nginx from counting a form."""

PART = '--b\r\nContent-Disposition: form-data; name="__ac_password"\r\n\r\n{}\r\n--b--'
NUMBERS = itertools.count(2)


@pytest.fixture(scope="module")
def chain() -> Iterator[Stage]:
    with Stage() as one:
        yield one.start()


@pytest.fixture
def address() -> str:
    """Give an address of a visitor's own."""
    return f"127.0.77.{next(NUMBERS)}"


def in_cookie(name: str, password: str) -> str:
    """Return the cookie of PAS's CookieAuthHelper."""
    text = f"{name.encode().hex()}:{password.encode().hex()}"
    return base64.b64encode(text.encode()).decode()


def guesses(kind: str, number: int) -> dict[str, Any]:
    """Return how a guess is sent; each has a password of its own."""
    word, path = f"guess{number}", f"/front-page?{number}"
    posted: dict[str, Any] = {"method": "POST", "headers": [MEMBER, FORM]}
    known: dict[str, dict[str, Any]] = {
        "query": {"path": f"{path}&__ac_name=admin&__ac_password={word}"},
        "query in other letters": {
            "path": f"{path}&%5f_%61c_name=admin&__ac_passw%6Frd:utf8:string={word}"
        },
        "a session in the query": {"path": f"{path}&__ac={in_cookie('admin', word)}"},
        "form": {**posted, "body": f"__ac_name=a&__ac_password={word}".encode()},
        "form in other letters": {
            **posted,
            "body": f"x=%zz&_%5Fac_n%61me=a&__%61c%5Fpassword={word}".encode(),
        },
        "form with a NUL before it": {
            **posted,
            "body": f"x=\0&__ac_name=a&__ac_password={word}".encode(),
        },
        "form of parts with a NUL before it": {
            **posted,
            "headers": [MEMBER, PARTS],
            "body": b"--b\r\nX: y\r\n\r\n\0\r\n" + PART.format(word).encode(),
        },
        "form of parts": {
            **posted,
            "headers": [MEMBER, PARTS],
            "body": PART.format(word).encode(),
        },
        "JSON": {
            **posted,
            "headers": [MEMBER, JSON],
            "body": json.dumps({"login": "admin", "password": word}).encode(),
        },
        "JSON with escapes": {
            **posted,
            "headers": [MEMBER, JSON],
            "body": f'{{"l\\u006Fgin":"a","p\\u0061ssword":"{word}"}}'.encode(),
        },
        "JSON in UTF-16": {
            **posted,
            "headers": [MEMBER, JSON],
            "body": json.dumps({"login": "a", "password": word}).encode("utf-16"),
        },
        "cookie": {"headers": [("Cookie", f"a=b; __ac={in_cookie('admin', word)}")]},
        "cookie in quotes": {
            "headers": [("Cookie", f'__ac="{in_cookie("admin", word)}"')]
        },
        "cookie with what base64 skips": {
            "headers": [("Cookie", f"__ac=*{in_cookie('admin', word)}")]
        },
        "cookie with a ticket behind it": {
            "headers": [("Cookie", f"__ac={in_cookie('adm', f'{number:08}')}aSE=")]
        },
        **{
            kind: {
                **posted,  # what is not plainly a session, the cache takes from a GET
                "headers": [("Cookie", text.format(in_cookie("admin", word)))],
                "body": b"x=y",
            }
            for kind, text in ODD_COOKIES.items()
        },
    }
    return {"path": path, **known[kind]}


TICKET = base64.b64encode(b"\x9f" * 32 + b"65a1b2c3admin!").decode()
ODD_COOKIES = {
    "a ticket after it": f"__ac={{}}; __ac={TICKET}",
    "a ticket before it": f"x__ac={TICKET}; __ac={{}}",
    "an open quote": f'a="x; __ac={{}}; b={TICKET}',
    "a ticket in quotes": f'a="x; __ac={TICKET}"; __ac={{}}',
    "a comma": f'a="b",__ac={{}}; b=__ac={TICKET}',
}
"""Whatever HAProxy takes for the cookie, Zope takes the first that it sees."""

KINDS = (
    *("query", "query in other letters", "a session in the query"),
    *("form", "form in other letters", "form of parts", "form with a NUL before it"),
    "form of parts with a NUL before it",
    *("JSON", "JSON with escapes", "JSON in UTF-16"),
    *("cookie", "cookie in quotes", "cookie with what base64 skips"),
    "cookie with a ticket behind it",
    *ODD_COOKIES,
)


def send(chain: Stage, source: str, asked: dict[str, Any]) -> Reply:
    values = {"method": "GET", "headers": [], **asked}
    path, headers = values.pop("path"), values.pop("headers")
    return chain.get(path, *headers, source=source, **values)


@pytest.mark.parametrize("kind", KINDS)
def test_guesses_are_counted_wherever_zope_takes_them(
    chain: Stage, address: str, kind: str
) -> None:
    said = [send(chain, address, guesses(kind, one)) for one in range(24)]

    # nginx lets no password in an address pass at all.
    refused = kind.startswith("query")
    expected = [400] * 24 if refused else [200] * 20 + [429] * 4
    assert [one.status for one in said] == expected
    assert refused or said[-1]["Retry-After"]
    # Pages go on, for this address too, and others may log in.
    assert chain.get("/front-page", source=address).status == 200
    assert refused or send(chain, "127.0.77.1", guesses(kind, 99)).status == 200


def test_a_page_view_is_never_counted(chain: Stage, address: str) -> None:
    """Neither with a session's ticket, nor with a cookie that an add-on made."""
    for cookie in (TICKET, f'"{TICKET}"', in_cookie("editor", "x"), "something-else"):
        for one in range(30):
            headers = [("Cookie", f'_ga={one}; s="a b"; __ac={cookie}; _gid=GA1.{one}')]
            assert chain.get("/a", *headers, source=address).status == 200, cookie
    for one in range(30):  # thirty people of one office, after a reload of HAProxy
        theirs = base64.b64encode(b"\x9f" * 32 + b"65a1b2c3%02dadmin!" % one).decode()
        headers = [("Cookie", f"__ac={theirs}")]
        assert chain.get("/a", *headers, source=address).status == 200


def test_what_an_editor_saves_is_not_counted(chain: Stage, address: str) -> None:
    page = json.dumps({"title": "A password", "login": "no", "image": "x" * 70_000})
    for headers, body in (
        ((MEMBER, JSON), page.encode()),
        ((MEMBER, FORM), b"form.widgets.title=Passwords+and+login"),
        ((MEMBER, ("Content-Type", "application/octet-stream")), b"\0password" * 9),
    ):
        for _ in range(25):
            asked = {"method": "POST", "body": body, "source": address}
            assert chain.get("/edit", *headers, **asked).status == 200


def test_who_is_exempt_is_not_counted(chain: Stage) -> None:
    for one in range(30):
        assert send(chain, "127.0.0.1", guesses("cookie", one)).status == 200
