"""nginx: what visitors may ask, and what reaches the next tier."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from collective.recipe.productionstack.daemons import roles
from collective.recipe.productionstack.model.stack import Maintenance
from collective.recipe.productionstack.plan import rendering
from tests.daemons import stage
from tests.daemons.stage import HTML
from tests.daemons.stage import PRIVATE
from tests.daemons.stage import Answer
from tests.daemons.stage import Stage
from tests.daemons.stage import ask
from tests.daemons.stage import site
from tests.support import samples

pytestmark = pytest.mark.usefixtures("daemons")

JSON = ("Accept", "application/json")
PAGE = "text/html; charset=utf-8"
PREFIX = "/VirtualHostBase/http/www.example.com:80/Plone/VirtualHostRoot"
INSIDE = "http://inside"


@pytest.fixture(scope="module")
def running(web: str) -> Iterator[Stage]:
    """Give it right in front of the clients: nothing else changes a request."""
    with _alone(web_server=web) as one:
        yield one.start(web)


def _alone(**values: Any) -> Stage:
    """Return a stack of nginx alone."""
    return Stage(proxy_cache="none", load_balancer="none", **values)


@pytest.fixture
def front(running: Stage) -> Stage:
    """Give that nginx with clients that remember nothing."""
    running.plone.forget()
    return running


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    folder = tmp_path_factory.mktemp("it's a certificate")
    certificate, key = str(folder / "cert.pem"), str(folder / "key.pem")
    command = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2")
    named = ("-subj", "/CN=www.example.com", "-keyout", key, "-out", certificate)
    subprocess.run((*command, *named), check=True, capture_output=True)
    return certificate, key


REFUSED = (
    # Words of the virtual host monster, in any case and encoding.
    *("/_vh_foo/@@x", "/a/_vh_b", "/%5fvh_foo", "/_VH_foo"),
    *("/VirtualHostBase/https/evil:443/x", "/VirtualHostRoot", "/virtualhostroot/x"),
    *(
        "/%56irtualHostBase/http/evil/x",
        "/a/VirtualHostRoot/b",
        "/x/../VirtualHostBase",
    ),
    *("/%0aVirtualHostRoot", "/VirtualHostRoot%0a", "/a%0d%0ab", "/a%01"),
    "/..%2fVirtualHostBase",
    # The management interface.
    *("/manage", "/manage_main", "/%6danage_main", "/a/manage_workspace", "/@@manage"),
    *("/++view++manage_main", "/Control_Panel", "/error_log/x", "/virtual_hosting"),
    *("/aq_parent", "/a/aq_parent/b", "/acl_users", "/acl_users/manage_main"),
    *("/acl_users/credentials_cookie_auth/require_login/x", "/++api++/acl_users/users"),
    "/manage_main/acl_users/credentials_cookie_auth/require_login",
    "/acl_users/credentials_cookie_auth/require_login/../../users",
    # Sites, by acquisition.
    *("/Plone", "/Plone/", "/Plone/page", "/Site2", "/Site2/@@x", "/%53ite2"),
    *("/sub", "/sub/x", "/Site.3/x", "/a/Site2", "/a/Site2/b", "/a/b/Site.3"),
    *("/a/Plone/Site2", "/++api++/Site2", "/a/Site2/Plone", "/a/sub/Plone"),
    *("/Site2/@@fileUpload", "/Plone/Site2/@@fileUpload", "/sub/Plone/@@fileUpload"),
    *("/Plone/@@fileUpload/x", "/Plone/x@@fileUpload", "/Plone/sub/@@fileUpload"),
)
SERVED = (
    *("/", "/page", "/acl_users/credentials_cookie_auth/require_login"),
    "/a/acl_users/credentials_cookie_auth/require_login?came_from=x",
    *("/@@manage-portlets", "/a/@@manage-viewlets", "/manager", "/management/x"),
    *("/a/Plone", "/Plone2", "/a/Site22", "/Site2.pdf", "/SiteX3", "/a_vh_b"),
    *("/?x=VirtualHostRoot", "/VirtualHostRooted", "/a/aq", "/subpage"),
    # Plone's dialog of images uploads there.
    *("/Plone/@@fileUpload", "/Plone/news/a/@@fileUpload"),
)


@pytest.mark.parametrize("path", REFUSED)
def test_what_leads_out_of_the_site_is_refused(front: Stage, path: str) -> None:
    reply = front.get(path)

    assert reply.status in {400, 404}
    assert not front.plone.seen


@pytest.mark.parametrize("path", SERVED)
def test_what_merely_looks_like_it_is_served(front: Stage, path: str) -> None:
    assert front.get(path).status == 200


def test_pictures_are_uploaded_to_a_site_in_a_folder_of_zope(front: Stage) -> None:
    host = ("Host", "three.example.com")
    assert front.get("/sub/Site.3/a/@@fileUpload", host).status == 200
    for path in ("/Site.3/@@fileUpload", "/sub/@@fileUpload", "/sub/Site.3/x"):
        assert front.get(path, host).status == 404


@pytest.mark.parametrize("path", ["/../x", "/..%2fx", "/%2e%2e/x", "/%00", "/%zz"])
def test_malformed_paths_are_refused(front: Stage, path: str) -> None:
    assert front.get(path).status in {400, 404}
    assert not front.plone.seen


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/%ff", 400),
        ("/a%c3", 400),
        ("/%c0%af", 400),
        ("/%ed%a0%80", 400),
        ("/%f4%90%80%80", 400),
        ("/%e4/x", 400),
        ("/%c3%a4", 200),
        ("/%ed%9f%bf%ee%80%80", 200),
        ("/%f0%9f%90%8d%f4%8f%bf%bf", 200),
        ("/" + "%c3%a4" * 2000, 200),
        ("/" + "a" * 12000, 200),
    ],
)
def test_a_path_must_be_utf_8(front: Stage, path: str, status: int) -> None:
    assert front.get(path).status == status
    assert len(front.plone.seen) == (status == 200)


@pytest.mark.parametrize(
    ("asked", "passed"),
    [
        ("/", "/"),
        ("/a%20b/c+d;e=1", "/a%20b/c+d;e=1"),
        ("/%c3%a4%F0%9F%90%8D", "/%C3%A4%F0%9F%90%8D"),
        ("/a%2Fb", "/a/b"),
        ("//a///b", "/a/b"),
        ("/a/./b/../c", "/a/c"),
        ("/@@view/++resource++x/++api++/@search", None),
        ("/a%3Fb%23c%25d", "/a%3Fb%23c%25d"),
        ("/a?b=%2f&c=%zz&d=a+b&e=[1]&=&f=http://x/?y", None),
        ("/a?", "/a"),
        ("/a%252e%252e/b", "/a%252e%252e/b"),
        ("/it's(1),2$@!*~=", None),
    ],
)
def test_the_path_is_the_literal_prefix_and_what_was_asked(
    front: Stage, asked: str, passed: str | None
) -> None:
    front.get(asked)

    # Apache leaves a question mark that nothing stands behind.
    (seen,) = front.plone.seen
    assert seen.path.removesuffix("?") == PREFIX + (passed or asked)


HOSTS = ("www.example.com", "example.com", "zwei.example.com", "three.example.com")


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize(
    "method", ["PURGE", "BAN", "PROPFIND", "MKCOL", "LOCK", "TRACE", "CONNECT", "FOO"]
)
def test_unknown_methods_are_refused_in_every_server(
    front: Stage, host: str, method: str
) -> None:
    assert front.get("/", ("Host", host), method=method).status in {400, 405}
    assert not front.plone.seen


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS"])
@pytest.mark.parametrize(
    ("accept", "path", "status"),
    [
        ("text/html", "/a", 405),
        ("*/*", "/++api++/a", 405),
        ("application/jsonp", "/a", 405),
        ("application/json", "/a", 200),
        ("application/json;q=1, */*", "/++api++/a", 200),
    ],
)
def test_writing_methods_are_for_the_rest_api(
    front: Stage, method: str, accept: str, path: str, status: int
) -> None:
    if method == "OPTIONS" and "++api++" in path:
        status = 200
    assert front.get(path, ("Accept", accept), method=method).status == status


AXIOS = "application/json, text/plain, */*"


@pytest.mark.parametrize(
    ("method", "sent", "passed"),
    [
        ("PATCH", AXIOS, "application/json"),
        ("DELETE", AXIOS, "application/json"),
        ("PUT", "application/json;q=1", "application/json"),
        ("GET", AXIOS, AXIOS),
        ("POST", AXIOS, AXIOS),
        ("GET", "text/html", "text/html"),
    ],
)
def test_who_writes_names_one_type_as_the_rest_api_wants(
    front: Stage, method: str, sent: str, passed: str
) -> None:
    assert front.get("/a", ("Accept", sent), method=method).status == 200
    assert front.plone.seen[0]["Accept"] == passed


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("SearchableText=%ff", 400),
        ("a=b&SearchableText=x%FF", 400),
        ("%e4=1", 400),
        ("a=%c0%af", 400),
        ("a=%ed%a0%80", 400),
        ("a=%f4%90%80%80", 400),
        ("a=%c3", 400),
        ("a=%c3&b=%a4", 400),
        ("a=%c3%a4%E2%82%ac%f0%9f%90%8d&b[]=%25%26", 200),
        ("a=%zz&=&&b&%", 200),
        ("a=b+c%20d%00", 200),
        ("utm_campaign=fr%FChling&a=b", 200),
        ("a=b&mtm_kwd=%FC", 200),
        ("?utm_source=%FC", 200),
        ("autm_x=%FC", 400),
        ("utm_source=x&a=%FC", 400),
        ("a=" + "%c3%a4" * 2000, 200),
        ("a" * 12000, 200),
        ("a=&" * 4000, 200),
        ("a=&" * 4000 + "%ff", 400),
        ("", 200),
    ],
)
def test_a_query_must_be_utf_8(front: Stage, query: str, status: int) -> None:
    assert front.get(f"/@@search?{query}").status == status
    assert len(front.plone.seen) == (status == 200)


@pytest.mark.parametrize(("raw", "status"), [(b"a=\xc3\xa4", 200), (b"a=\xff", 400)])
def test_a_query_may_hold_bytes_as_they_are(
    front: Stage, raw: bytes, status: int
) -> None:
    assert front.get("/x?" + raw.decode("latin-1")).status == status


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE"])
@pytest.mark.parametrize(
    ("sent", "passed"),
    [
        ("Basic YWRtaW46YWRtaW4=", None),
        ("basic YWRtaW46YWRtaW4=", None),
        ("Digest x", None),
        ("Bearer a.b.c", "Bearer a.b.c"),
        ("bearer a.b.c", "bearer a.b.c"),
        ("Basic Bearer x", None),
    ],
)
def test_only_a_token_may_log_in_from_outside(
    front: Stage, method: str, sent: str, passed: str | None
) -> None:
    front.get("/createObject", ("Authorization", sent), JSON, method=method)

    assert front.plone.seen[0]["Authorization"] == passed


TOLD = ("X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-For", "X-Real-IP")
CLAIMS = (
    *("Forwarded", "X-Forwarded-By", "X-Forwarded-Path", "X-Forwarded-Port"),
    *("X-Forwarded-Prefix", "X-Forwarded-Scheme", "X-Forwarded-Server"),
    *("X-Forwarded-Ssl", "X-Forwarded-User", "X-Original-URL", "X-Rewrite-URL"),
    *("X-HTTP-Method", "X-HTTP-Method-Override", "Proxy", "Via", "X-Anonymous"),
    *("Remote-User", "X-Host", "X-Scheme", "True-Client-IP", "CF-Connecting-IP"),
    *("X-Cluster-Client-IP", "X-Forwarded", "Forwarded-For", "Fastly-Client-IP"),
)


def test_headers_that_claim_something_never_get_through(front: Stage) -> None:

    front.get("/", *((name, "evil") for name in (*CLAIMS, *TOLD)))

    (seen,) = front.plone.seen
    assert {name: seen[name] for name in CLAIMS} == dict.fromkeys(CLAIMS)
    assert [seen[name] for name in ("Host", *TOLD)] == [
        *("www.example.com", "www.example.com", "http", "127.0.0.1", "127.0.0.1")
    ]


def test_nobody_takes_away_what_is_said_by_naming_it(front: Stage) -> None:
    """A header that Connection names is for one hop alone (RFC 9110 7.6.1)."""
    named = ", ".join(("close", *TOLD, "X-Request-ID", "Host", "Authorization"))
    token = ("Authorization", "Bearer a.b")
    assert front.get("/", ("Connection", named), token).status == 200
    (seen,) = front.plone.seen
    assert [seen[name] for name in ("Host", *TOLD)] == [
        *("www.example.com", "www.example.com", "http", "127.0.0.1", "127.0.0.1")
    ]
    assert len(str(seen["X-Request-ID"])) == 32
    assert seen["Authorization"] == "Bearer a.b"


def test_no_internal_redirect_by_a_response_header(front: Stage) -> None:
    front.plone.default = Answer((("X-Accel-Redirect", "/other"), HTML), body=b"mine")

    assert front.get("/x").body == b"mine"
    assert len(front.plone.seen) == 1


def test_what_the_public_need_not_know_is_hidden(front: Stage) -> None:
    front.plone.default = Answer((("X-Powered-By", "Zope"), ("X-Cache", "HIT"), HTML))

    reply = front.get("/", ("X-Forwarded-For", "1.2.3.4"))

    assert (reply["Server"] or "").lower() == front.web
    assert (reply["X-Powered-By"], reply.result) == (None, None)


@pytest.mark.parametrize("host", ["evil.example.org", "www.example.com.evil", "a", "_"])
def test_an_unknown_host_gets_no_answer(front: Stage, host: str) -> None:
    front.plone.forget()
    assert front.get("/", ("Host", host)).status == stage.UNKNOWN[front.web]
    assert not front.plone.seen


@pytest.mark.parametrize(
    ("host", "path", "target"),
    [
        ("example.com", "/a%20b?c=%2f&d", "http://www.example.com/a%20b?c=%2f&d"),
        ("old.example.com", "//evil.org/..", "http://www.example.com//evil.org/.."),
        ("EXAMPLE.com:8080", "/", "http://www.example.com/"),
    ],
)
def test_aliases_lead_to_the_canonical_host(
    front: Stage, host: str, path: str, target: str
) -> None:
    reply = front.get(path, ("Host", host))

    assert (reply.status, reply["Location"]) == (301, target)


def test_an_alias_without_redirect_is_served_under_the_canonical_address(
    front: Stage,
) -> None:
    assert front.get("/a", ("Host", "zwei.example.com")).status == 200
    assert front.plone.seen[0].path == (
        "/VirtualHostBase/http/two.example.com:80/Site2/VirtualHostRoot/a"
    )


@pytest.mark.parametrize(("size", "status"), [(2_900_000, 200), (3_100_000, 413)])
def test_uploads_pass_up_to_what_the_clients_take(
    front: Stage, size: int, status: int
) -> None:
    reply = front.get("/upload", method="POST", body=b"x" * size)

    assert reply.status == status
    assert [len(seen.body) for seen in front.plone.seen] == [size] * (status == 200)


@pytest.mark.parametrize(
    "status", [200, 400], ids=["as much as all tiers take", "more than that"]
)
def test_large_cookies_pass(front: Stage, status: int) -> None:
    size = 8192 if status == 200 else 20_000

    assert front.get("/", ("Cookie", "a=" + "b" * size)).status == status


def test_slow_senders_starve_nobody(front: Stage) -> None:
    with contextlib.ExitStack() as opened:
        slow = [
            opened.enter_context(stage.connect(front.stack.chain.http))
            for _ in range(600)
        ]
        for connection in slow:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: www.example.com\r\nX: ")
        begin, meanwhile = time.monotonic(), 0
        for _ in range(20):
            assert front.get("/victim").status == 200
            # Whoever had to wait for them would be served when they are gone.
            meanwhile += not any(map(_is_closed, slow))
        assert meanwhile > 1
        stage.until(lambda: all(map(_is_closed, slow)), 60)
        assert time.monotonic() - begin > 5


def _is_closed(connection: socket.socket) -> bool:
    connection.settimeout(0)
    try:
        while connection.recv(1024):
            pass  # a word of farewell
    except BlockingIOError:
        return False
    except ConnectionError:
        pass
    return True


def test_all_clients_down_is_a_friendly_page(front: Stage) -> None:
    ports = {name: front.plone.stop(name) for name in list(front.plone.servers)}
    try:
        reply = front.get("/x")
    finally:
        for name, port in ports.items():
            front.plone.start(name, port)
    assert reply.status in {502, 503}
    assert reply["Retry-After"] == "10"
    assert (reply["Cache-Control"], reply["Content-Type"]) == ("no-store", PAGE)
    assert front.web.encode() not in reply.body.lower()
    assert re.search(b"Back soon.*Reference: [0-9a-f]{32}<", reply.body)


def test_a_reload_loses_no_request_and_takes_the_new_tree(front: Stage) -> None:
    with stage.load(8, lambda: front.get("/x")) as replies:
        for number in range(3):
            front.install([("strict-origin-when", f"strict-{number}")])
            front.reload_web()
            wanted = f"strict-{number}-cross-origin"
            assert front.get("/")["Referrer-Policy"] == wanted
            time.sleep(0.3)
    front.install()
    front.reload_web()

    assert stage.statuses(replies) == {200: len(replies)}
    assert len(replies) > 100


@pytest.fixture(scope="module")
def with_tls(certificate: tuple[str, str], web: str) -> Iterator[Stage]:
    pair: dict[str, Any] = {"certificate": certificate[0], "key": certificate[1]}
    seen: dict[str, Any] = {"scheme": "https", "url_port": 443}
    sites = (
        site(aliases=("example.com",), **pair, **seen),
        site(
            "two.example.com",
            "/Two",
            aliases=("b.org",),
            redirect=False,
            **pair,
            **seen,
        ),
        site("plain.example.com", "/Plain"),
    )
    with _alone(sites=sites, tls=True, web_server=web) as one:
        yield one.start(web)


def _tls(name: str, **versions: ssl.TLSVersion) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    for attribute, version in versions.items():
        setattr(context, attribute, version)
    return context


def _secure(
    stack: Stage, host: str, path: str = "/", asked: str = "", **values: Any
) -> stage.Reply:
    assert stack.stack.chain.https
    context = _tls(host, **values)
    return ask(
        stack.stack.chain.https,
        "GET",
        path,
        (("Host", asked or host),),
        wrap=lambda one: context.wrap_socket(one, server_hostname=host),
    )


@pytest.mark.parametrize("asked", ["evil.org", "plain.example.com", "localhost"])
@pytest.mark.parametrize("path", ["/", "/index.html", "/maintenance.map"])
def test_another_host_over_a_known_handshake_is_misdirected(
    with_tls: Stage, asked: str, path: str
) -> None:
    html = Path(with_tls.stack.folders.var, "html")
    html.mkdir(exist_ok=True)
    (html / "index.html").write_text("not for you")
    with_tls.plone.forget()

    reply = _secure(with_tls, "www.example.com", path, asked=asked)

    assert reply.status == 421
    assert b"not for you" not in reply.body
    assert re.search(b"Not here.*Reference: [0-9a-f]{32}<", reply.body)
    assert reply["Cache-Control"] == "no-store"
    assert not with_tls.plone.seen


def test_tls_pages_tell_zope_so(with_tls: Stage) -> None:
    with_tls.plone.forget()

    assert _secure(with_tls, "www.example.com", "/a").status == 200
    (seen,) = with_tls.plone.seen
    assert seen.path.startswith("/VirtualHostBase/https/www.example.com:443/Plone/")
    assert seen["X-Forwarded-Proto"] == "https"


@pytest.mark.parametrize(
    ("host", "target"),
    [
        ("www.example.com", "https://www.example.com/a?b"),
        ("example.com", "https://www.example.com/a?b"),
        ("b.org", "https://b.org/a?b"),
        ("plain.example.com", None),
    ],
)
def test_a_site_with_tls_sends_plain_requests_there(
    with_tls: Stage, host: str, target: str | None
) -> None:
    assert with_tls.get("/a?b", ("Host", host))["Location"] == target


@pytest.mark.parametrize("host", ["www.example.com", "b.org", "plain.example.com"])
@pytest.mark.parametrize("method", ["PURGE", "BAN", "FOO"])
def test_servers_that_only_redirect_refuse_unknown_methods_too(
    with_tls: Stage, method: str, host: str
) -> None:
    assert with_tls.get("/", ("Host", host), method=method).status == 405


def test_aliases_are_led_over_tls_as_well(with_tls: Stage) -> None:
    reply = _secure(with_tls, "example.com", "/a?b")

    assert (reply.status, reply["Location"]) == (301, "https://www.example.com/a?b")


@pytest.mark.parametrize("host", ["evil.org", "plain.example.com"])
def test_an_unknown_name_gets_no_handshake(with_tls: Stage, host: str) -> None:
    """Apache cannot refuse it: no site is served over it, nor its own certificate."""
    if with_tls.web == "apache":
        with_tls.plone.forget()
        assert _secure(with_tls, host).status == 421
        assert not with_tls.plone.seen
        return
    with pytest.raises(ssl.SSLError, match=r"(?i)unrecognized.name"):
        _secure(with_tls, host)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1:DeprecationWarning")
@pytest.mark.parametrize(
    ("version", "works"),
    [
        (ssl.TLSVersion.TLSv1_1, 0),
        (ssl.TLSVersion.TLSv1_2, 1),
        (ssl.TLSVersion.TLSv1_3, 1),
    ],
)
def test_tls_is_1_2_or_1_3(
    with_tls: Stage, version: ssl.TLSVersion, works: int
) -> None:
    bounds: dict[str, Any] = {"minimum_version": version, "maximum_version": version}

    with contextlib.nullcontext() if works else pytest.raises(OSError):  # noqa: PT011
        assert _secure(with_tls, "www.example.com", **bounds).status == 200


@pytest.mark.parametrize("cipher", ["AES128-SHA", "ECDHE-RSA-AES128-SHA256"])
def test_weak_ciphers_are_refused(with_tls: Stage, cipher: str) -> None:
    assert with_tls.stack.chain.https
    context = _tls("x", maximum_version=ssl.TLSVersion.TLSv1_2)
    context.set_ciphers(f"{cipher}:@SECLEVEL=0")
    with (
        pytest.raises(ssl.SSLError),
        stage.connect(with_tls.stack.chain.https) as plain,
    ):
        context.wrap_socket(plain, server_hostname="www.example.com")


def test_http_2_is_offered(with_tls: Stage) -> None:
    assert with_tls.stack.chain.https
    context = _tls("x")
    context.set_alpn_protocols(["h2", "http/1.1"])
    with (
        stage.connect(with_tls.stack.chain.https) as plain,
        context.wrap_socket(plain, server_hostname="www.example.com") as secure,
    ):
        assert secure.selected_alpn_protocol() == "h2"


def test_ipv6_serves_redirects_and_shows_the_result_to_this_machine(web: str) -> None:
    with _alone(bind="::1", web_server=web).start(web) as one:
        one.plone.default = Answer((("X-Cache", "HIT"), PRIVATE, HTML))
        assert one.get("/").result == "HIT"
        assert one.plone.seen[0]["X-Forwarded-For"] == "::1"
        assert one.get("/", ("Host", "example.com")).status == 301
        assert one.get("/", ("Host", "evil.org")).status == stage.UNKNOWN[web]


def test_only_the_loopback_sees_the_result(web: str) -> None:
    # 127.0.0.1 counts as far away here: what decides is the list of near addresses.
    before, after = {
        "nginx": ("127.0.0.0/8 1;", "127.0.0.2/32 1;"),
        "apache": ("'127.0.0.0/8'", "'127.0.0.2/32'"),
    }[web]
    with _alone(changes=[(before, after)], web_server=web).start(web) as one:
        one.plone.default = Answer((("X-Cache", "HIT"), PRIVATE, HTML))
        host = ("Host", "www.example.com")
        forwarded = ("X-Forwarded-For", "")

        def result(source: str, *headers: tuple[str, str]) -> str | None:
            reply = ask(
                one.stack.chain.http, "GET", "/", (host, *headers), source=source
            )
            return reply.result

        assert result("127.0.0.2") == "HIT"
        assert result("127.0.0.1") is None
        assert result("127.0.0.2", ("X-Forwarded-For", "127.0.0.2")) is None
        assert result("127.0.0.2", forwarded) == "HIT"


def test_sites_by_the_hundred_stay_apart() -> None:
    sites = tuple(site(f"www{n}.example.com", f"/Site{n}") for n in range(150))
    with _alone(sites=sites).start("nginx") as one:
        host = ("Host", "www77.example.com")
        assert one.get("/a/Site77", host).status == 200
        assert {one.get(path, host).status for path in ("/Site149", "/a/Site3")} == {
            404
        }


def test_older_and_newer_versions_get_words_that_they_know() -> None:
    with Stage(tls=True, sites=(site(certificate="/c", key="/k"),)) as one:
        texts = {}
        for version in ((1, 18, 0), (1, 22, 1), (1, 27, 0)):
            versions = (("nginx", version),)
            tree = rendering.tree_of(samples.changed(one.stack, versions=versions))
            nginx, page = "nginx/nginx.conf", "nginx/sites/www.example.com.conf"
            texts[version] = tree.text_of(nginx), tree.text_of(page)

    assert "ssl_reject_handshake" not in texts[1, 18, 0][0]
    assert "ssl_reject_handshake" in texts[1, 22, 1][0]
    assert "ssl http2;" in texts[1, 22, 1][1]
    assert "ssl;" in texts[1, 27, 0][1]
    assert "http2 on;" in texts[1, 27, 0][1]


@pytest.fixture(scope="module")
def behind(web: str) -> Iterator[Stage]:
    """Give one that believes a proxy at 127.0.0.2."""
    shown = Maintenance(allow=("127.0.0.1/32", "203.0.113.9/32"))
    trusted = ("127.0.0.2/32",)
    with _alone(trusted_proxies=trusted, maintenance=shown, web_server=web) as one:
        yield one.start(web)


@pytest.mark.parametrize(
    ("source", "claimed", "visitor"),
    [
        ("127.0.0.2", "203.0.113.9", "203.0.113.9"),
        # What the visitor claims himself stands before what the proxy adds.
        ("127.0.0.2", "192.0.2.1, 203.0.113.9", "203.0.113.9"),
        ("127.0.0.2", "192.0.2.1, 127.0.0.2", "192.0.2.1"),
        ("127.0.0.2", "rubbish", "127.0.0.2"),
        ("127.0.0.2", "", "127.0.0.2"),
        ("127.0.0.1", "203.0.113.9", "127.0.0.1"),
    ],
)
def test_a_trusted_proxy_names_the_visitor(
    behind: Stage, source: str, claimed: str, visitor: str
) -> None:
    behind.plone.forget()
    headers = [("X-Forwarded-For", claimed)] if claimed else []
    path = f"/{source}-{claimed.encode().hex()}"
    reply = behind.get(path, *headers, source=source)
    assert reply.status == 200
    (seen,) = behind.plone.seen
    assert seen["X-Forwarded-For"] == seen["X-Real-IP"] == visitor
    # What only somebody at this very machine sees.
    assert reply["X-Cache"] is None
    log = behind.log()
    # A line is written when the answer is gone.
    stage.until(lambda: f"{path} " in log.read_text("utf-8"))
    line = next(one for one in log.read_text("utf-8").splitlines() if f"{path} " in one)
    assert line.startswith(f"{visitor} ")


def test_in_maintenance_the_visitor_counts_not_the_proxy(behind: Stage) -> None:
    behind.maintain("www.example.com")
    try:
        for claimed, status in (("203.0.113.9", 200), ("203.0.113.8", 503)):
            header = ("X-Forwarded-For", claimed)
            assert behind.get("/", header, source="127.0.0.2").status == status
    finally:
        behind.maintain()


def test_a_reload_is_over_when_no_old_worker_takes_visitors(front: Stage) -> None:
    server: Any = roles.web_server(front.stack)
    slow = min(server.workers())
    done = threading.Event()

    def reload() -> None:
        front.reload_web()
        done.set()

    thread = threading.Thread(target=reload)
    os.kill(slow, signal.SIGSTOP)
    try:
        thread.start()
        stage.until(lambda: len(server.workers()) > 1, 10)
        assert not done.wait(1)
    finally:
        os.kill(slow, signal.SIGCONT)
        thread.join()
    assert done.is_set()


@pytest.mark.parametrize("own", [False, True])
def test_maintenance(tmp_path: Path, own: bool, web: str) -> None:  # noqa: FBT001
    page = tmp_path / "it's down.html"
    page.write_text("<p>Own page")
    page.parent.chmod(0o755)
    shown = Maintenance(page=str(page) if own else "", allow=("127.0.0.2/32",))
    with _alone(maintenance=shown, web_server=web).start(web) as one:
        two = ("Host", "two.example.com")
        assert one.get("/").status == 200
        one.maintain("www.example.com", "example.com")
        for method in ("GET", "HEAD", "POST"):
            body = b"x" if method == "POST" else b""
            reply = one.get("/a/b?c=d", method=method, body=body)
            assert (reply.status, reply["Retry-After"]) == (503, "300")
            assert reply["Cache-Control"] == "no-store"
        reply = one.get("/a/b")
        assert (b"Own page" if own else b"working on this site") in reply.body
        assert reply["Content-Type"] == PAGE
        assert one.get("/", two).status == 200
        assert one.get("/", source="127.0.0.2").status == 200
        assert one.get("/manage", source="127.0.0.2").status == 404

        one.maintain()
        assert one.get("/").status == 200
