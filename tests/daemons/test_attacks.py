"""The whole chain around Zope's own server, and what an attacker sends to each hop."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterable
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import waitress.server

from collective.recipe.productionstack.daemons import roles
from collective.recipe.productionstack.machine import run
from collective.recipe.productionstack.model.address import Address
from tests.daemons import hostile
from tests.daemons import stage
from tests.daemons.stage import Stage
from tests.daemons.stage import ask
from tests.daemons.stage import site

pytestmark = pytest.mark.usefixtures("daemons")

HOST = "www.example.com"
ROOT = "/VirtualHostBase/https/www.example.com:443/Plone/VirtualHostRoot"
EVIL = "/VirtualHostBase/http/evil.example:80/Plone/VirtualHostRoot"
SESSION = ("Cookie", "__ac=s3ssion")


class Zope:
    """What runs in waitress: it says what it was asked, and remembers it."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []

    def __call__(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        environ["wsgi.input"].read()
        headers = [("Content-Type", "text/html"), stage.CACHED]
        if environ["PATH_INFO"] == "/@@ok":
            start("200 OK", headers)
            return [b"OK"]
        self.seen.append(environ)
        claims = (str(value) for name, value in environ.items() if "HTTP_" in name)
        whose = "s3ssion's" if "__ac" in environ.get("HTTP_COOKIE", "") else ""
        start("200 OK", headers)
        said = f"<p>{whose} path={environ['PATH_INFO']} {' '.join(claims)}</p>"
        return [said.encode("latin-1", "replace")]

    def paths(self, part: str) -> list[str]:
        """Return the paths asked for that hold a text."""
        return [one["PATH_INFO"] for one in self.seen if part in one["PATH_INFO"]]


class Attacked(Stage):
    """A whole chain with waitress behind it."""

    zope: Zope

    def serve(self) -> None:
        """Put waitress where the clients are, and start the rest."""
        self.zope = Zope()
        for client in self.stack.zope.clients:
            self.plone.stop(client.name)
            server = waitress.server.create_server(
                self.zope, listen=str(client.address), threads=4
            )
            threading.Thread(target=server.run, daemon=True).start()
        self.start()


CHAINS = {
    "nginx": {},
    "apache": {"web_server": "apache"},
    "nginx alone": {"proxy_cache": "nginx", "load_balancer": "nginx"},
    "nginx and haproxy": {"proxy_cache": "nginx"},
}
"""Every web server, cache and balancer; what is not said is the usual one."""


@pytest.fixture(scope="module", params=CHAINS)
def chain(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Attacked]:
    folder = tmp_path_factory.mktemp("certificate")
    pair = {"certificate": str(folder / "c.pem"), "key": str(folder / "k.pem")}
    command = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2")
    files = ("-keyout", pair["key"], "-out", pair["certificate"])
    subprocess.run(
        (*command, "-subj", f"/CN={HOST}", *files), check=True, capture_output=True
    )
    sites = (
        site(scheme="https", url_port=443, **pair),
        site("plain.example.com", "/Other"),
    )
    one = Attacked(sites=sites, tls=True, **CHAINS[request.param])  # type: ignore[arg-type]
    with one:
        one.serve()
        yield one


def secure(connection: socket.socket, *protocols: str) -> ssl.SSLSocket:
    """Begin TLS as a visitor of the site."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(list(protocols or ("http/1.1",)))
    return context.wrap_socket(connection, server_hostname=HOST)


def https(chain: Attacked) -> Address:
    found = chain.stack.chain.https
    assert found
    return found


def connected(chain: Attacked, hop: str) -> socket.socket:
    """Connect to a listener, with TLS where it is of that kind."""
    one = stage.connect(getattr(chain.stack.chain, hop))
    return secure(one) if hop == "https" else one


def visit(chain: Attacked, path: str, *headers: tuple[str, str]) -> stage.Reply:
    """Ask as a visitor does, over TLS."""
    named = (("Host", HOST), *headers)
    return ask(https(chain), "GET", path, named, wrap=secure)


def in_peace(chain: Attacked) -> None:
    """See that visitors get what they asked for, whoever's connection it is."""
    for number in range(2):
        path = f"/victim-{time.monotonic_ns()}"
        reply = visit(chain, path, *([SESSION] if number % 2 else []))
        assert reply.status == 200
        assert f"path={ROOT}{path} ".encode() in reply.body


HOPS = {
    "http": ("plain.example.com", "", EVIL),
    "https": (HOST, "", EVIL),
    "cache": (HOST, ROOT, ROOT),
    "balancer": (HOST, ROOT, ROOT),
}
"""A listener, the host asked, what stands before a path there, and before a hidden."""


@pytest.mark.parametrize("name", hostile.smuggling(b""))
def test_nobody_answers_for_another(chain: Attacked, name: str) -> None:
    """What reaches Zope from a connection is answered on it; nothing is hidden."""
    chain.zope.seen.clear()
    for hop, (host, root, before) in HOPS.items():
        if not hop.startswith("http") and chain.web != "nginx":
            continue  # the same daemons are there
        hidden = f"GET {before}/{hop}-2 HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
        first = f"POST {root}/{hop}-1 HTTP/1.1\r\nHost: {host}\r\n".encode()
        with connected(chain, hop) as one:
            with contextlib.suppress(OSError):
                one.sendall(first + hostile.smuggling(hidden)[name])
            said = hostile.all_of(one, 0.2)
            for _ in range(20):
                if _answers(said) >= len(chain.zope.paths(f"{hop}-")):
                    break
                said += hostile.all_of(one, 0.2)
        answers = _answers(said)
        assert len(chain.zope.paths(f"{hop}-")) <= answers, (hop, said)
        assert len(chain.zope.paths(f"{hop}-2")) <= max(0, answers - 1), (hop, said)
        assert chain.zope.paths("evil") == [], hop
    in_peace(chain)


def _answers(said: bytes) -> int:
    return said.count(b"HTTP/1.1 ") - said.count(b"HTTP/1.1 100")


@pytest.mark.proves("D8")
@pytest.mark.parametrize("method", ["PURGE", "BAN"])
@pytest.mark.parametrize("hop", HOPS)
def test_nobody_purges_but_plone(chain: Attacked, hop: str, method: str) -> None:
    path = f"/kept-{time.monotonic_ns()}"
    visit(chain, path)
    host, root, _ = HOPS[hop]
    with connected(chain, hop) as one:
        asked = f"{method} {root}{path} HTTP/1.1\r\nHost: {host}\r\n"
        one.sendall(f"{asked}Connection: close\r\n\r\n".encode())
        assert stage.read(one).status == 405
    assert visit(chain, path).result == "HIT"


LYING: dict[str, tuple[tuple[tuple[bytes, bytes], ...], dict[str, bytes]]] = {
    "a length of nothing": (((b"content-length", b"0"),), {}),
    "too short a length": (((b"content-length", b"5"),), {}),
    "too long a length": (((b"content-length", b"120"),), {}),
    "a coding": (((b"transfer-encoding", b"chunked"),), {}),
    "lines in a value": (((b"x", b"y\r\ntransfer-encoding: chunked"),), {}),
    "lines in a name": (((b"x: y\r\ntransfer-encoding", b"chunked"),), {}),
    "lines in a path": ((), {"path": b"/ HTTP/1.1\r\nx: y"}),
    "a space in a path": ((), {"path": b"/x HTTP/1.1"}),
    "lines in a method": ((), {"method": b"POST /x HTTP/1.1\r\nx: y\r\n"}),
    "another host beside it": (((b"host", b"evil.example"),), {}),
    "another authority": ((), {"authority": b"plain.example.com"}),
    "lines in the authority": ((), {"authority": b"www.example.com\r\nx: y"}),
    "another scheme": ((), {"scheme": b"http://evil.example/?"}),
    "an absolute path": ((), {"path": b"http://evil.example/"}),
    "a connection": (((b"connection", b"content-length"),), {}),
    "capitals": (((b"Transfer-Encoding", b"chunked"),), {}),
}


@pytest.mark.parametrize("name", LYING)
def test_http_2_becomes_one_request_or_none(chain: Attacked, name: str) -> None:
    chain.zope.seen.clear()
    more, named = LYING[name]
    hidden = f"0\r\n\r\nGET {EVIL}/hidden HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    with secure(stage.connect(https(chain)), "h2") as one:
        assert one.selected_alpn_protocol() == "h2"
        asked = {"method": b"POST", "path": b"/first", **named}
        body = hostile.frame(hostile.DATA, hostile.END_STREAM, 1, hidden)
        hostile.opened(one)
        one.sendall(hostile.ask(1, *more, end=False, **asked) + body)
        hostile.all_of(one, 0.2)
    assert len(chain.zope.seen) <= 1
    assert not chain.zope.paths("hidden")
    assert not chain.zope.paths("evil")
    for seen in chain.zope.seen:
        assert seen["HTTP_HOST"] == HOST
        assert seen["PATH_INFO"].startswith(ROOT)
        assert "HTTP_X" not in seen
    in_peace(chain)


def served_at_once(chain: Attacked) -> None:
    """See that a visitor of a page that the cache has need not wait."""
    began = time.monotonic()
    assert visit(chain, "/many").status == 200
    assert time.monotonic() - began < 1


@pytest.mark.alone
def test_three_thousand_rapid_resets(chain: Attacked) -> None:
    """CVE-2023-44487: requests that are taken back as they are made."""
    server: Any = roles.web_server(chain.stack)
    visit(chain, "/many")
    workers, before, sent = server.workers(), memory(server), 0
    with contextlib.ExitStack() as opened:
        for _ in range(4):
            one = opened.enter_context(secure(stage.connect(https(chain)), "h2"))
            hostile.opened(one)
            # A connection takes a thousand requests, then it is closed.
            for stream in range(1, 1800, 2):
                reset = hostile.frame(hostile.RESET, 0, stream, b"\0\0\0\x08")
                one.sendall(hostile.ask(stream, end=True, path=b"/many") + reset)
                sent += 1
            served_at_once(chain)
    assert sent > 3000
    served_at_once(chain)
    assert server.workers() >= workers
    assert memory(server) - before < 30_000


@pytest.mark.alone
def test_many_at_once_over_http_2(chain: Attacked) -> None:
    tool = run.find("h2load")
    if tool is None:
        reason = "needed: h2load"
        if os.environ.get("PRODUCTIONSTACK_REQUIRE_DAEMONS") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    server: Any = roles.web_server(chain.stack)
    port = https(chain).port
    visit(chain, "/many")
    before = memory(server)
    command = (
        *(tool, "-n", "6000", "-c", "10", "-m", "10"),
        *(f"--connect-to=127.0.0.1:{port}", f"https://{HOST}:{port}/many"),
    )
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        while running.poll() is None:
            served_at_once(chain)
        assert running.stdout
        said = running.stdout.read()
    assert "6000 succeeded, 0 failed, 0 errored" in said, said
    assert memory(server) - before < 30_000


def memory(server: Any) -> int:
    """Return kilobytes that all workers hold."""
    return sum(
        int(line.split()[1])
        for pid in server.workers()
        for line in Path(f"/proc/{pid}/status").read_text().splitlines()
        if line.startswith("VmRSS")
    )


DECEPTION = (
    *("/x.css", ";x.css", "%3Bx.css", "%2fx.css", "/..%2fx.css", "%00.css"),
    *("?x.css", "%3Fx.css", "%23x.css", "/.css", "/++resource++x.css"),
    *("/@@images/x.png", "/@@download/file/x.pdf", "/++plone++x/y.js", "/%2e%2e/x.js"),
)


@pytest.mark.parametrize("end", DECEPTION)
def test_nobody_gets_the_page_of_who_is_logged_in(chain: Attacked, end: str) -> None:
    """Web cache deception: a page of somebody's own that looks like a file."""
    path = f"/mine-{time.monotonic_ns()}{end}"
    own = visit(chain, path, SESSION)
    assert own.status in {200, 400, 404}
    assert own.status != 200 or b"s3ssion" in own.body
    assert b"s3ssion" not in visit(chain, path).body


POISON = (
    *("X-Forwarded-Host", "X_Forwarded_Host", "X-Forwarded-Server", "X-Host"),
    *("X-Original-URL", "X-Rewrite-URL", "X-Forwarded-Prefix", "X-Forwarded-Scheme"),
    *("Forwarded", "True-Client-IP", "X-HTTP-Method-Override", "X-Forwarded-For"),
    *("X-Forwarded-Port", "Virtual-Host-Monster", "X-Forwarded-Proto", "Via"),
)


@pytest.mark.parametrize("name", POISON)
def test_no_claim_is_kept_for_others(chain: Attacked, name: str) -> None:
    path = f"/page-{time.monotonic_ns()}"
    visit(chain, path, (name, "evil.example"))
    if name != "Virtual-Host-Monster":  # means nothing to anybody
        assert b"evil.example" not in visit(chain, path).body


def test_what_the_edge_lets_in_passes_every_hop(chain: Attacked) -> None:
    """The largest lines that nginx takes, and no 5xx for what is larger."""
    long = "x" * 15_900
    two = (("Cookie", f"a={long}"), ("X-Own", long))
    assert visit(chain, f"/{long}", *two).status == 200
    for path, headers in (
        (f"/{long}xxxxx{long}", ()),
        ("/", (("X-Own", long * 2),)),
        ("/", tuple((f"X-Own-{number}", long) for number in range(4))),
        ("/", tuple((f"X-Own-{number}", long) for number in range(20))),
        ("/", tuple((f"X-Own-{number}", "x") for number in range(300))),
    ):
        status = visit(chain, path, *headers).status
        allowed = {400, 414, 431}
        # Apache counts each field alone; what is too much in all Varnish does not take.
        if chain.web == "apache" and 1 < len(headers) < 100:
            allowed |= {200, 502}
        # Where it is not there, Zope takes what nginx does.
        if "varnish" not in chain.tiers and len(headers) > 1:
            allowed |= {200}
        assert status in allowed, path
    in_peace(chain)
