"""nginx and Varnish: which site a request belongs to, and that no other answers it."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import ssl
import subprocess
from collections.abc import Iterator

import pytest

from tests.daemons import stage
from tests.daemons.stage import Reply
from tests.daemons.stage import Stage
from tests.daemons.stage import ask
from tests.daemons.stage import site

pytestmark = pytest.mark.usefixtures("daemons")

ALIASES = ("example.com", "*.example.com")
SITES = (
    site("www.example.com", "/Plone", aliases=ALIASES),
    site("www.example.com", "/Intranet", folder="/intranet", aliases=ALIASES),
    site("www.example.com", "/Plone2/Site", folder="/a/b", aliases=ALIASES),
    site("shop.example.com", "/mount/shop/Plone", redirect=False),
    site("below.example.org", "/Below", folder="/only"),
    site("org.example", "/Org", aliases=("*.org.example",), redirect=False),
    site("xn--bcher-kva.example", "/Plone"),
)
ROOTS = {
    "www.example.com": "/Plone/VirtualHostRoot/",
    "/intranet": "/Intranet/VirtualHostRoot/_vh_intranet/",
    "/a/b": "/Plone2/Site/VirtualHostRoot/_vh_a/_vh_b/",
}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, web: str) -> Iterator[Stage]:
    """Give the whole chain; one site has TLS."""
    folder = tmp_path_factory.mktemp("certificate")
    pair = str(folder / "cert.pem"), str(folder / "key.pem")
    command = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2")
    named = ("-subj", "/CN=tls.example", "-keyout", pair[1], "-out", pair[0])
    subprocess.run((*command, *named), check=True, capture_output=True)
    secure = site(
        "tls.example",
        "/Plone",
        aliases=("*.tls.example",),
        certificate=pair[0],
        key=pair[1],
        scheme="https",
        url_port=443,
    )
    with Stage(sites=(*SITES, secure), tls=True, web_server=web) as one:
        yield one.start()


@pytest.fixture
def front(running: Stage) -> Stage:
    running.plone.forget()
    return running


def served(front: Stage, host: str, path: str) -> str:
    """Return where Zope was asked, without its query; nothing where it was not."""
    front.plone.forget()
    front.get(
        f"{path}{'&' if '?' in path else '?'}n={os.urandom(8).hex()}", ("Host", host)
    )
    found = {seen.path.partition("?")[0] for seen in front.plone.seen}
    assert len(found) < 2
    return "".join(found).partition(":80")[2]


@pytest.mark.parametrize(
    ("host", "path", "where"),
    [
        ("www.example.com", "/", "/Plone/VirtualHostRoot/"),
        ("www.example.com", "/page", "/Plone/VirtualHostRoot/page"),
        ("www.example.com", "/intranet", "/Intranet/VirtualHostRoot/_vh_intranet/"),
        ("www.example.com", "/intranet/", "/Intranet/VirtualHostRoot/_vh_intranet/"),
        ("www.example.com", "/intranet/p", "/Intranet/VirtualHostRoot/_vh_intranet/p"),
        ("www.example.com", "/intranetx", "/Plone/VirtualHostRoot/intranetx"),
        ("www.example.com", "/a", "/Plone/VirtualHostRoot/a"),
        ("www.example.com", "/a/b", "/Plone2/Site/VirtualHostRoot/_vh_a/_vh_b/"),
        ("www.example.com", "/a/b/c", "/Plone2/Site/VirtualHostRoot/_vh_a/_vh_b/c"),
        ("shop.example.com", "/x", "/mount/shop/Plone/VirtualHostRoot/x"),
        ("below.example.org", "/only/x", "/Below/VirtualHostRoot/_vh_only/x"),
        ("below.example.org", "/", ""),
        ("below.example.org", "/onlyx", ""),
        ("org.example", "/x", "/Org/VirtualHostRoot/x"),
        ("any.org.example", "/x", "/Org/VirtualHostRoot/x"),
        ("a.b.org.example", "/x", "/Org/VirtualHostRoot/x"),
        ("xn--bcher-kva.example", "/x", "/Plone/VirtualHostRoot/x"),
        # As browsers and programs may write a host.
        ("WWW.Example.COM", "/x", "/Plone/VirtualHostRoot/x"),
        ("www.example.com:8000", "/x", "/Plone/VirtualHostRoot/x"),
        ("www.example.com.", "/x", "/Plone/VirtualHostRoot/x"),
        ("www.example.com.:80", "/x", "/Plone/VirtualHostRoot/x"),
    ],
)
def test_which_site_answers(front: Stage, host: str, path: str, where: str) -> None:
    assert served(front, host, path) == where


def test_a_host_that_is_sent_elsewhere_keeps_the_path(front: Stage) -> None:
    for host in ("example.com", "old.example.com", "a.b.example.com"):
        reply = front.get("/intranet/a%20b?c=d", ("Host", host))
        assert reply.status == 301
        assert reply["Location"] == "http://www.example.com/intranet/a%20b?c=d"
    assert front.plone.seen == []


def test_a_site_of_many_names_has_one_in_the_cache(front: Stage) -> None:
    """What a visitor writes as host is neither in links nor in the key."""
    path = f"/{os.urandom(8).hex()}"
    first = front.get(path, ("Host", "one.org.example"))
    second = front.get(path, ("Host", "evil.org.example"))
    assert (first.result, second.result) == ("MISS", "HIT")
    (seen,) = front.plone.seen
    assert seen.path.startswith("/VirtualHostBase/http/org.example:80/")
    assert (seen["Host"], seen["X-Forwarded-Host"]) == ("org.example", "org.example")


TRICKS = (
    *("/intranet/../page", "/intranet/%2e%2e/page", "/intranet/.%2e/page"),
    *("/intranet/..%2fpage", "/intranet%2f..%2fpage", "//intranet//..//page"),
    *("/intranet/x/../../page", "/intranet/./../page", "/a/b/../../page"),
    *("/intranet/..;/page", "/intranet/%252e%252e/page", "/intranet/..%5cpage"),
    *("/page/../intranet", "/page/..%2fintranet/x", "//intranet", "/./intranet/y"),
    *("/intranet%00/../page", "/intranet/%c0%ae%c0%ae/page", "/INTRANET/../page"),
    *("/intranet?/../page", "/intranet#/../page", "/intranet/;/../../page"),
    *("/intranet/...//page", "/a/../intranet/../a/b/x", "/a//b//../b/x"),
    *("/intranet/%2e%2e%2f%2e%2e%2fPlone", "/intranet/..%00/page"),
)


@pytest.mark.parametrize("path", TRICKS)
def test_no_way_of_writing_climbs_out_of_a_folder(front: Stage, path: str) -> None:
    """Zope is asked for the site whose folder the address has, and without dots."""
    where = served(front, "www.example.com", path)
    begin = [root for root in ROOTS.values() if where.startswith(root)]
    assert where == "" or begin
    inside = where.partition("/VirtualHostRoot")[2]
    assert "/.." not in inside.replace("/...", "").replace("/..;", "").replace(
        "/..%5C", ""
    )
    assert inside.count("_vh_") in {0, 1, 2}
    assert "VirtualHost" not in inside


@pytest.mark.parametrize(
    "path",
    [
        # The ids of all sites: found by acquisition, from wherever.
        *(
            "/Intranet",
            "/Intranet/x",
            "/Plone",
            "/intranet/Plone",
            "/intranet/Intranet",
        ),
        *("/intranet/x/Plone/y", "/x/Intranet", "/a/b/Plone2", "/a/b/x/Org/y"),
        *("/intranet/%50lone/x", "/intranet//Plone", "/mount/shop/Plone"),
        *("/intranet/shop", "/a/b/Site", "/intranet/x/../Plone"),
        # Words that make links, or change whose site Zope believes to serve.
        *("/_vh_intranet/x", "/intranet/_vh_evil/x", "/intranet/%5fvh_evil/x"),
        *("/intranet/VirtualHostRoot/x", "/intranet/VirtualHostBase/http/evil:80/x"),
        *("/_VH_x", "/intranet/_vh_", "/intranet/manage_main", "/intranet/acl_users"),
    ],
)
def test_ids_and_words_of_zope_are_refused_in_folders(front: Stage, path: str) -> None:
    assert front.get(path).status == 404
    assert front.plone.seen == []


def test_a_folder_of_the_name_of_a_site(front: Stage) -> None:
    """Only what lies below the folder is looked at for ids."""
    named = site("www.example.com", "/Plone", folder="/Plone")
    values = {"proxy_cache": "none", "load_balancer": "none", "web_server": front.web}
    with Stage(sites=(named,), **values) as one:  # type: ignore[arg-type]
        one.start(one.web)
        for path in ("/Plone", "/Plone/x", "/Plone/x/Plone/y"):
            assert one.get(path).status == 200
        assert one.get("/Plone/Plone/x").status == 404


def test_pages_of_a_folder_are_stored_and_purged_as_plone_asks(front: Stage) -> None:
    def fresh(asked: str) -> str | None:
        """Ask past what nginx itself keeps for a second."""
        return front.get(asked, stage.FRESH).result

    page = f"/{os.urandom(8).hex()}"
    path = f"/intranet{page}"
    assert [fresh(path) for _ in range(2)] == ["MISS", "HIT"]
    # Its neighbour's page of that name is another.
    assert [fresh(page) for _ in range(2)] == ["MISS", "HIT"]
    base = "/VirtualHostBase/http/www.example.com/Intranet/VirtualHostRoot/_vh_intranet"
    for purged in (f"{base}{page}", f"/Intranet{page}", f"{base}{page}/view"):
        assert fresh(path) == "HIT"
        assert front.purge(purged).status == 200
        if not purged.endswith("view"):
            assert [fresh(path) for _ in range(2)] == ["MISS", "HIT"]
        assert fresh(page) == "HIT"
    # The front page has no slash at its end in links.
    assert fresh("/intranet") == "MISS"
    assert fresh("/intranet/") == "HIT"
    assert front.purge(f"{base}/").status == 200
    assert fresh("/intranet") == "MISS"


def test_a_login_holds_in_its_folder(front: Stage) -> None:
    named = ("Set-Cookie", "__ac=x; Path=/")
    front.plone.default = stage.Answer((stage.HTML, named))
    assert "Path=/intranet" in str(front.get("/intranet/login")["Set-Cookie"])
    assert str(front.get("/login")["Set-Cookie"]).startswith("__ac=x; Path=/; ")


def raw(front: Stage, text: str) -> int:
    """Send a request as it stands; 0 is no answer."""
    with stage.connect(front.stack.chain.http) as one:
        one.sendall(text.replace("\n", "\r\n").encode("latin-1"))
        one.settimeout(5)
        with contextlib.suppress(Exception):
            return stage.read(one).status
    return 0


@pytest.mark.parametrize(
    "text",
    [
        "GET / HTTP/1.1\nHost: unknown.example.net\n\n",
        "GET / HTTP/1.1\nHost: evilwww.example.com.evil.net\n\n",
        "GET / HTTP/1.1\nHost: notorg.example\n\n",
        "GET / HTTP/1.1\nHost: .below.example.org\n\n",
        "GET / HTTP/1.1\nHost: 127.0.0.1\n\n",
        "GET / HTTP/1.1\nHost: _\n\n",
        "GET / HTTP/1.1\nHost:\n\n",
        "GET / HTTP/1.1\n\n",
        "GET / HTTP/1.0\n\n",
        "GET / HTTP/1.1\nHost: www.example.com\nHost: www.example.com\n\n",
        "GET / HTTP/1.1\nHost: www.example.com\nHost: evil.example\n\n",
        "GET / HTTP/1.1\nHost: www.example.com/../x\n\n",
        "GET / HTTP/1.1\nHost: evil.net@below.example.org\n\n",
        "GET / HTTP/1.1\nHost: b\xc3\xbccher.example\n\n",
        f"GET / HTTP/1.1\nHost: {'a' * 9000}\n\n",
        # Absolute form: what it names counts, whatever Host says (RFC 9112 3.2.2).
        "GET http://unknown.example/ HTTP/1.1\nHost: www.example.com\n\n",
        "GET https://unknown.example:443/ HTTP/1.1\nHost: www.example.com\n\n",
        "CONNECT www.example.com:80 HTTP/1.1\nHost: www.example.com\n\n",
    ],
)
def test_a_host_that_no_site_has_is_served_nothing(front: Stage, text: str) -> None:
    assert raw(front, text) in {0, 400, 405, 421}
    assert front.plone.seen == []


@pytest.mark.parametrize(
    "text",
    [
        "GET /n HTTP/1.0\nHost: www.example.com\n\n",
        "GET http://www.example.com/n HTTP/1.1\nHost: unknown.example\n\n",
        "GET http://WWW.example.com:8000/n HTTP/1.1\nHost: www.example.com\n\n",
        "GET http://www.example.com HTTP/1.1\nHost: www.example.com\n\n",
    ],
)
def test_a_host_that_a_site_has_is_served_however_it_is_named(
    front: Stage, text: str
) -> None:
    assert raw(front, text) == 200
    assert {seen["Host"] for seen in front.plone.seen} <= {"www.example.com"}


def secure(front: Stage, name: str, host: str, path: str = "/") -> Reply | None:
    """Ask over TLS for one name, then for a host; nothing where TLS ends it."""
    https = front.stack.chain.https
    assert https
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with contextlib.suppress(ssl.SSLError):
        return ask(
            https,
            "GET",
            path,
            (("Host", host),),
            wrap=lambda one: context.wrap_socket(one, server_hostname=name or None),
        )
    return None


def test_over_tls_an_unknown_name_gets_an_alert_and_another_host_421(
    front: Stage,
) -> None:
    found = secure(front, "tls.example", "tls.example")
    assert found
    assert found.status == 200
    for name in ("unknown.example", "", "www.example.com"):
        refused = secure(front, name, "tls.example")
        assert refused is None or front.web == "apache"
    for host in ("unknown.example", "www.example.com", "tls.example.evil"):
        found = secure(front, "tls.example", host)
        assert found
        assert found.status == 421
    found = secure(front, "x.tls.example", "x.tls.example", "/a?b")
    assert found
    assert (found.status, found["Location"]) == (301, "https://tls.example/a?b")
    # Over plain http both are sent on.
    for host in ("tls.example", "x.tls.example"):
        reply = front.get("/a?b", ("Host", host))
        assert (reply.status, reply["Location"]) == (301, "https://tls.example/a?b")


def test_maintenance_is_of_a_host_with_all_its_folders(front: Stage) -> None:
    front.maintain("www.example.com", "*.org.example")
    try:
        for host, asked, status in (
            ("www.example.com", "/intranet/x", 503),
            ("www.example.com", "/", 503),
            ("shop.example.com", "/", 200),
            ("any.org.example", "/", 503),
            ("org.example", "/", 200),
        ):
            assert front.get(asked, ("Host", host)).status == status
    finally:
        front.maintain()


def test_five_hundred_sites_are_read_anew_without_a_failed_request(web: str) -> None:
    many = tuple(site(f"site{n}.example", f"/Site{n}/Plone") for n in range(500))
    values = {"proxy_cache": "none", "load_balancer": "none", "web_server": web}
    with Stage(sites=many, clients=1, **values) as one:  # type: ignore[arg-type]
        one.start(web)
        with stage.load(4, lambda: one.get("/", ("Host", "site7.example"))) as replies:
            begun = len(replies)
            one.reload_web()
            stage.until(lambda: len(replies) > begun + 20)
        assert set(stage.statuses(replies)) == {200}
        for number in (0, 7, 499):
            host = ("Host", f"site{number}.example")
            assert one.get(f"/Site{number}/x", host).status == 404
            assert one.get(f"/x/Site{(number + 1) % 500}", host).status == 404
            assert one.get("/x/Site500/Site", host).status == 200
        assert dataclasses.asdict(many[0])["folder"] == ""
