"""The web server: limits, what browsers are told, logs, and who manages Zope."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from collective.recipe.productionstack.daemons import cannot
from collective.recipe.productionstack.model.front import Front
from tests.daemons import stage
from tests.daemons.stage import HTML
from tests.daemons.stage import Answer
from tests.daemons.stage import Stage
from tests.daemons.stage import ask
from tests.daemons.stage import site

pytestmark = pytest.mark.usefixtures("daemons")

VISITOR = "127.0.0.7"
"""One whose requests are counted; 127.0.0.1 is not."""

EXEMPT = ("127.0.0.1/32",)


def _front(web: str = "nginx", **values: Any) -> Stage:
    shown = Front(rate_limits_exempt=EXEMPT, **values)
    return Stage(proxy_cache="none", load_balancer="none", front=shown, web_server=web)


@pytest.fixture(scope="module")
def running(web: str) -> Iterator[Stage]:
    allowed = ("127.0.0.9/32",)
    with _front(web, zmi_allow=allowed, csp="frame", max_upload=5000) as one:
        yield one.start(web)


@pytest.fixture
def front(running: Stage) -> Stage:
    running.plone.forget()
    return running


@pytest.fixture
def counting(front: Stage) -> Stage:
    """Give one that counts what an address asks for."""
    lacking = {lack.option for lack in cannot.lacks(front.web)}
    if "rate-limits" in lacking:
        pytest.skip(f"{front.web} counts nothing, and buildout says so")
    return front


LOGINS = (
    *("/login", "/@@login", "/a/b/login", "/%6cogin", "/LOGIN", "/login/"),
    *("/@login", "/++api++/@login", "/failsafe_login_form", "/++view++login"),
    *("/passwordreset", "/mail_password", "/@@register", "/@users"),
    *(
        "/@users/me/reset-password",
        "/contact-info",
        "/sendto_form",
        "/@email-send",
        "/login-help",
        "/@@POST_application_json_@login",
    ),
)


@pytest.mark.parametrize("path", LOGINS)
def test_the_twelfth_password_of_an_address_is_refused(
    counting: Stage, path: str, request: pytest.FixtureRequest
) -> None:
    number = LOGINS.index(path)
    source = f"127.0.1.{number + 1}"
    said = [
        counting.get(path, method="POST", body=b"x", source=source) for _ in range(12)
    ]
    assert [one.status for one in said] == [200] * 11 + [429]
    last = said[-1]
    assert (last["Retry-After"], last["Cache-Control"]) == ("60", "no-store")
    if "api" not in path:
        assert b"<h1>Too many requests</h1>" in last.body
    # Pages, and people elsewhere, are not touched.
    if path != "/mail_password":  # sends its mail for a GET too
        assert counting.get(path, source=source).status == 200
    other = f"127.0.2.{number + 1}"
    assert counting.get(path, method="POST", body=b"x", source=other).status == 200


@pytest.mark.parametrize(
    "path",
    [
        *("/@login-renew", "/edit", "/a/loginx", "/@logout", "/passwordreset/k3y"),
        # Somebody calls a folder so, and works in it.
        *("/register/page/@@fileUpload", "/contact-info/edit", "/news/login/x/edit"),
    ],
)
def test_what_is_no_password_is_not_counted(counting: Stage, path: str) -> None:
    source = f"127.0.3.{sum(path.encode()) % 250 + 1}"
    for _ in range(15):
        one = counting.get(path, method="POST", body=b"x", source=source)
        assert one.status == 200


def test_programs_are_refused_in_json(counting: Stage) -> None:
    asks = {"method": "POST", "body": b"{}", "source": "127.0.4.1"}
    json_please = ("Accept", "application/json")
    for _ in range(11):
        counting.get("/@login", json_please, **asks)
    last = counting.get("/@login", json_please, **asks)
    assert (last.status, last["Content-Type"]) == (429, "application/json")
    assert json.loads(last.body)["type"] == "TooManyRequests"


def test_searches_have_a_limit_far_above_people(counting: Stage) -> None:
    paths = ("/@@search?SearchableText=x", "/%40%40search", "/a/@search", "/search_rss")
    said = [
        counting.get(paths[number % 4], source="127.0.5.1").status
        for number in range(160)
    ]
    assert said[:100] == [200] * 100
    assert 429 in said
    assert counting.get("/page", source="127.0.5.1").status == 200


def test_who_is_exempt_and_who_is_only_noted() -> None:
    with _front(rate_limits="log").start("nginx") as one:
        for _ in range(20):
            found = one.get("/login", method="POST", body=b"x", source=VISITOR)
            assert found.status == 200
        log = Path(one.stack.folders.log, "stack-nginx-error.log").read_text()
        assert "limiting requests, dry run" in log
        exempt = [one.get("/login", method="POST", body=b"x") for _ in range(20)]
        assert {found.status for found in exempt} == {200}
        assert "127.0.0.1" not in log


def test_an_address_counts_as_what_a_customer_has() -> None:
    """One of IPv4, also as a proxy of both kinds writes it; of IPv6 half of it."""

    def status(one: Stage, visitor: str) -> int:
        named = ("X-Forwarded-For", visitor)
        return one.get("/login", named, method="POST", body=b"x").status

    shown = Front()
    values: dict[str, Any] = {"proxy_cache": "none", "load_balancer": "none"}
    trusted = ("127.0.0.1/32",)
    with Stage(front=shown, trusted_proxies=trusted, **values).start("nginx") as one:
        for number in range(15):
            assert status(one, f"::ffff:192.0.2.{number + 1}") == 200
            assert status(one, f"192.0.3.{number + 1}") == 200
        said = [status(one, f"2001:db8:0:1::{number + 1:x}") for number in range(12)]
        assert said == [200] * 11 + [429]
        said = [status(one, "2001:db8::1:0:0:0:9") for _ in range(1)]
        assert said == [429]
        assert status(one, "2001:db8:0:2::1") == 200


def test_too_many_connections_of_one_address_leave_others_alone(
    counting: Stage,
) -> None:
    held: list[socket.socket] = []
    try:
        for _ in range(260):
            one = stage.connect(counting.stack.chain.http, "127.0.6.1")
            one.sendall(
                b"POST /x HTTP/1.1\r\nHost: www.example.com\r\nCookie: __ac=x\r\n"
                b"Content-Length: 10\r\n\r\nx"
            )
            held.append(one)
        stage.until(
            lambda: counting.get("/page", source="127.0.6.1").status == 429,
            10,
        )
        assert counting.get("/page", source="127.0.6.2").status == 200
    finally:
        for one in held:
            one.close()


def test_zope_is_managed_from_allowed_addresses_alone(front: Stage) -> None:
    for path in ("/manage_main", "/acl_users/manage_main", "/error_log/x", "/a/manage"):
        assert front.get(path).status == 404
        assert front.get(path, source="127.0.0.9").status == 200
    for path in ("/virtual_hosting", "/VirtualHostBase/http/x:80/VirtualHostRoot"):
        assert front.get(path, source="127.0.0.9").status == 404


def test_pages_are_told_whom_they_may_obey_and_files_are_not(front: Stage) -> None:
    front.plone.default = Answer((HTML,))
    wanted = "frame-ancestors 'self'; base-uri 'self'; object-src 'none'; "
    assert front.get("/a")["Content-Security-Policy"] == f"{wanted}form-action 'self'"
    assert front.get("/a")["Strict-Transport-Security"] is None
    front.plone.default = Answer((("Content-Type", "image/png"),))
    assert front.get("/b")["Content-Security-Policy"] is None


def test_a_body_that_is_too_large(front: Stage) -> None:
    one = front.get("/x", method="POST", body=b"x" * 5001)
    assert one.status == 413
    assert b"<h1>Too large</h1>" in one.body
    assert front.get("/x", method="POST", body=b"x" * 5000).status == 200
    asked = front.get(
        "/++api++/x", ("Accept", "application/json"), method="POST", body=b"x" * 5001
    )
    assert (asked.status, asked["Content-Type"]) == (413, "application/json")


SECRETS = (
    "/passwordreset/S3cret",
    "/%70asswordreset/S3cret",
    "/@@passwordreset/S3cret?userid=x",
    "/x?auth_token=S3cret",
    "/x?a=b&_authenticator=S3cret",
    "/?__ac_password=S3cret",
    "/x?came_from=/a?token=S3cret",
    "/x?new_password=S3cret",
)


def test_no_secret_is_written_down(front: Stage) -> None:
    for secret in SECRETS:
        front.get(secret, ("Referer", f"http://www.example.com{secret}"))
    front.get("/harmless?b_start=20", ("Referer", "http://www.example.com/a?b=c"))
    path = front.log()
    stage.until(lambda: "/harmless?b_start=20" in path.read_text(), 5)
    text = path.read_text()
    assert "S3cret" not in text
    assert "[FILTERED]" in text
    assert '"http://www.example.com/a?b=c"' in text


def test_a_request_has_one_name_on_every_hop(front: Stage) -> None:
    front.get("/named")
    name = front.plone.seen[-1]["X-Request-ID"]
    assert name
    assert len(name) == 32
    path = front.log()
    stage.until(lambda: name in path.read_text(), 5)
    front.get("/named", ("X-Request-ID", "claimed"))
    assert front.plone.seen[-1]["X-Request-ID"] != "claimed"


def test_a_log_for_programs(web: str) -> None:
    with _front(web, log_format="json").start(web) as one:
        one.get('/a"b?c=\\d', ("User-Agent", 'x"\\y'))
        path = one.log()
        stage.until(lambda: "/a" in path.read_text(), 5)
        (line,) = [text for text in path.read_text().splitlines() if "/a" in text]
        values = json.loads(line)
    assert values["status"] == 200
    assert values["host"] == "www.example.com"
    assert values["agent"] == 'x"\\y'


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    folder = tmp_path_factory.mktemp("certificate")
    pair = str(folder / "cert.pem"), str(folder / "key.pem")
    command = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2")
    named = ("-subj", "/CN=www.example.com", "-keyout", pair[1], "-out", pair[0])
    subprocess.run((*command, *named), check=True, capture_output=True)
    return pair


def test_tls_redirects_challenges_and_promises(
    certificate: tuple[str, str], web: str
) -> None:
    names: dict[str, Any] = {"certificate": certificate[0], "key": certificate[1]}
    seen: dict[str, Any] = {"scheme": "https", "url_port": 443}
    sites = (site(aliases=("example.com",), **names, **seen),)
    shown = Front(hsts=(63072000, True), rate_limits_exempt=EXEMPT)
    values: dict[str, Any] = {"proxy_cache": "none", "load_balancer": "none"}
    values["web_server"] = web
    with Stage(sites=sites, tls=True, front=shown, **values).start(web) as one:
        https = one.stack.chain.https
        assert https
        plain = one.get("/a?b")
        assert (plain.status, plain["Location"]) == (301, "https://www.example.com/a?b")
        form = one.get("/a", method="POST", body=b"x")
        assert (form.status, form["Location"]) == (308, "https://www.example.com/a")
        # Of no use without TLS, and RFC 6797 7.2 forbids it.
        assert plain["Strict-Transport-Security"] is None

        folder = Path(one.stack.folders.var, "acme/.well-known/acme-challenge")
        folder.mkdir(parents=True)
        (folder / "to-ken_1").write_text("the answer")
        one.maintain("www.example.com", "example.com")
        for host in ("www.example.com", "example.com"):
            path = "/.well-known/acme-challenge/to-ken_1"
            found = one.get(path, ("Host", host))
            assert (found.status, found.body) == (200, b"the answer")
        one.maintain()

        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE

        def secure(host: str, path: str, asked: str = "") -> stage.Reply:
            return ask(
                https,
                "GET",
                path,
                (("Host", asked or host),),
                wrap=lambda sock: context.wrap_socket(sock, server_hostname=host),
            )

        promise = "max-age=63072000; includeSubDomains"
        assert secure("www.example.com", "/").status == 200
        for host in ("www.example.com", "example.com"):
            assert secure(host, "/")["Strict-Transport-Security"] == promise
        # Nothing is promised for a host that is not ours.
        other = secure("www.example.com", "/", "other.example.com")
        assert other.status == 421
        assert other["Strict-Transport-Security"] is None
        one.plone.default = Answer((HTML, ("Set-Cookie", "__ac=x; Path=/")))
        cookie = secure("www.example.com", "/login")["Set-Cookie"]
        assert cookie
        for flag in ("secure", "httponly", "samesite=lax"):
            assert flag in cookie.lower()
        one.plone.default = Answer((HTML, ("Set-Cookie", "other=x; Path=/")))
        assert secure("www.example.com", "/")["Set-Cookie"] == "other=x; Path=/; Secure"
        # The next challenge, while all is well.
        assert one.get("/.well-known/acme-challenge/../x").status in {301, 404}


FIELDS = (
    "../../../evil.example:80/Two/VirtualHostRoot:method=",
    "manage_main:method=x",
    "acl_users%2Fmanage_main:method=",
    "a=b&login%3amethod=1",
    "x:default_method=y",
    "x:ACTION=y",
    "x:int:method=1",
    "x:%6dethod=1",
    "__ac_name=admin&__ac_password=x",
    "__ac%5Fpassword=x",
    "%5f_ac_p%61ssword=x",
    ":action=plone.actions.Logger",
)
ADDED = "_authenticator=1a&%3Aaction=plone.actions.Logger&form.button.AddAction=Add"
"""What a form of Plone asks for to add an action to a content rule."""


@pytest.mark.parametrize("query", FIELDS)
def test_no_field_names_another_page_or_a_password(front: Stage, query: str) -> None:
    """Zope appends what stands before :method to the path, and resolves its dots."""
    for method in ("GET", "POST"):
        body = b"x" if method == "POST" else b""
        assert front.get(f"/?{query}", method=method, body=body).status == 400
    assert front.plone.seen == []


@pytest.mark.parametrize(
    "query",
    [
        "review_state:list=published",
        "next=http://a/b:method",
        "a:int=1&b:record=2",
        "SearchableText=method:action",
        "form%2Ewidgets%2Etext%3Alist=x",
        "facet%5B%5D=x",
        "methods:list=a",
    ],
)
def test_other_fields_pass(front: Stage, query: str) -> None:
    assert front.get(f"/?{query}").status == 200


def test_content_rules_get_their_actions_and_nothing_else(front: Stage) -> None:
    rule = "/++rule++rule-1"
    condition = ADDED.replace("action=plone.actions", "action=my.conditions")
    for query in (ADDED, ADDED.replace("=Add", "=Hinzuf%C3%BCgen")):
        assert front.get(f"{rule}/+action?{query}").status == 200
    assert front.get(f"{rule}/+condition?{condition}").status == 200
    front.plone.forget()
    for path, query in (
        (f"{rule}/@@manage-elements", ADDED),
        (f"{rule}/+action", ADDED.replace("plone.actions.Logger", "manage_main")),
        (f"{rule}/+action", ADDED.replace("plone.actions.Logger", "Site.3")),
        (f"{rule}/+action", ADDED.replace("Logger", "../../../x")),
        (f"{rule}/+action", f"{ADDED}&x:method=y"),
        (f"{rule}/+action", f"x:method=y&{ADDED}"),
        (f"/+action%3F{ADDED}", "x:method=y"),
    ):
        assert front.get(f"{path}?{query}").status == 400
    assert front.plone.seen == []


def test_xml_rpc_is_refused(front: Stage) -> None:
    for kind in ("text/xml", "text/xml; charset=utf-8", "Text/XML"):
        named = ("Content-Type", kind)
        assert front.get("/", named, method="POST", body=b"<x/>").status == 400


def test_what_limits_write_down_holds_no_secret(counting: Stage) -> None:
    for _ in range(15):
        counting.get("/mail_password?token=S3cret", source="127.0.8.1")
    log = Path(counting.stack.folders.log, "stack-nginx-error.log")
    assert "S3cret" not in log.read_text()


def test_forms_of_nobody_have_a_limit_and_those_of_members_have_none(
    counting: Stage,
) -> None:
    asks: dict[str, Any] = {"method": "POST", "body": b"x", "source": "127.0.9.1"}
    said = [counting.get("/front-page", **asks).status for _ in range(80)]
    assert said[:60] == [200] * 60
    assert 429 in said
    assert counting.get("/front-page", ("Cookie", "__ac=x"), **asks).status == 200


def test_every_answer_carries_the_headers(front: Stage) -> None:
    for path in ("/manage_main", "/", "/?x:method="):
        for host in ("www.example.com", "example.com"):  # one that is sent on
            found = front.get(path, ("Host", host))
            assert found["X-Content-Type-Options"] == "nosniff"
    large = front.get("/x", method="POST", body=b"x" * 5001)
    assert large["X-Content-Type-Options"] == "nosniff"
