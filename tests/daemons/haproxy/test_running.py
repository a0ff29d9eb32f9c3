"""HAProxy: who serves, who waits, and what happens when a client goes."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from collective.recipe.productionstack.daemons import health
from collective.recipe.productionstack.model.address import Address
from collective.recipe.productionstack.model.announced import Health
from tests.daemons import stage
from tests.daemons.stage import Answer
from tests.daemons.stage import Reply
from tests.daemons.stage import Stage
from tests.daemons.stage import ask
from tests.support import ports

pytestmark = pytest.mark.usefixtures("daemons")

QUICK = (
    ("timeout queue 30s", "timeout queue 1s"),
    ("timeout check 3s", "timeout check 1s"),
)


@pytest.fixture
def balancer() -> Iterator[Stage]:
    """Give HAProxy with two clients of three usable threads each."""
    with Stage(changes=QUICK) as one:
        yield one.start("haproxy")


def _get(one: Stage, path: str = "/x", method: str = "GET", body: bytes = b"") -> Reply:
    return ask(one.stack.chain.balancer, method, path, (), body)


def _states(one: Stage) -> dict[str, str]:
    rows = [line.split(",") for line in one.balancer("show stat").splitlines()]
    return {
        row[1]: row[17]
        for row in rows
        if row[0] == "plone" and row[1].startswith("instance")
    }


def test_requests_wait_in_the_queue_and_a_worker_is_left_for_the_check(
    balancer: Stage,
) -> None:
    running, most, lock = [0], [0], threading.Lock()

    def answer(seen: stage.Seen) -> Answer:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        time.sleep(0.3)
        with lock:
            running[0] -= 1
        return Answer()

    balancer.plone.answers[""] = answer
    replies = stage.at_once(18, lambda: _get(balancer))

    assert stage.statuses(replies) == {200: 18}
    assert most == [6]


def test_who_waits_too_long_gets_a_friendly_page(balancer: Stage) -> None:
    balancer.plone.default = Answer(wait=3)
    begin = time.monotonic()
    busy = threading.Thread(target=stage.at_once, args=(6, lambda: _get(balancer)))
    busy.start()
    time.sleep(0.3)

    reply = _get(balancer)

    assert 0.9 < time.monotonic() - begin < 2.5
    _is_friendly(reply)
    busy.join()


def test_without_any_client_the_friendly_page_comes_at_once(balancer: Stage) -> None:
    for name in ("instance1", "instance2"):
        balancer.plone.stop(name)
    stage.until(lambda: balancer.up() == 0, 6)

    begin = time.monotonic()
    _is_friendly(_get(balancer))
    assert time.monotonic() - begin < 0.5


def _is_friendly(reply: Reply) -> None:
    assert (reply.status, reply["Retry-After"]) == (503, "10")
    assert reply["Cache-Control"] == "no-store"
    assert b"Please try again" in reply.body


def test_a_client_that_accepts_but_never_answers_is_out(balancer: Stage) -> None:
    balancer.plone.hung.add("instance1")

    stage.until(lambda: _states(balancer)["instance1"] == "DOWN", 10)
    assert _states(balancer)["instance2"] == "UP"
    assert stage.statuses(_get(balancer) for _ in range(6)) == {200: 6}


def test_without_zeo_nobody_serves_and_with_it_all_do_again(balancer: Stage) -> None:
    balancer.zeo.stop()
    assert stage.until(lambda: balancer.up() == 0, 8) < 6
    assert ask(balancer.stack.chain.balancer, "GET", "/haproxy-health").status == 503

    balancer.zeo.start()
    assert stage.until(lambda: balancer.up() == 2, 8) < 6
    assert ask(balancer.stack.chain.balancer, "GET", "/haproxy-health").status == 200


@pytest.fixture
def zeo(tmp_path: Path) -> Iterator[tuple[Stage, subprocess.Popen[bytes]]]:
    """Give HAProxy as it is in production, with a real ZEO server to ask."""
    with Stage() as one:
        one.zeo.stop()
        command = ("-a", one.zeo.path, "-f", str(tmp_path / "Data.fs"))
        zeo = subprocess.Popen((sys.executable, "-m", "ZEO.runzeo", *command))
        try:
            stage.until(lambda: _zeo(one) == "ok", 20)
            yield one.start("haproxy"), zeo
        finally:
            zeo.kill()
            zeo.wait()


def _zeo(one: Stage) -> str:
    where = Health(address=Address(path=one.zeo.path), zeo=True)
    return health.probe(where, 0.5)


def test_a_frozen_zeo_server_takes_the_clients_out(
    zeo: tuple[Stage, subprocess.Popen[bytes]],
) -> None:
    one, server = zeo
    assert one.up() == 2
    server.send_signal(signal.SIGSTOP)
    assert _zeo(one) == "no answer in 0.5 s"
    assert stage.until(lambda: one.up() == 0, 20) < 15
    begin = time.monotonic()
    _is_friendly(_get(one))
    assert time.monotonic() - begin < 0.5
    server.send_signal(signal.SIGCONT)
    assert stage.until(lambda: one.up() == 2, 15) < 6
    assert _zeo(one) == "ok"


def test_the_runtime_socket_drains_and_takes_back(balancer: Stage) -> None:
    assert balancer.balancer("set server plone/instance1 state drain").strip() == ""
    for _ in range(8):
        _get(balancer)
    assert {seen.server for seen in balancer.plone.seen} == {"instance2"}

    balancer.balancer("set server plone/instance1 state ready")
    stage.until(lambda: _states(balancer)["instance1"] == "UP", 3)
    for _ in range(30):
        _get(balancer)
    assert {seen.server for seen in balancer.plone.seen} == {"instance1", "instance2"}
    assert oct(Path(balancer.stack.socket("haproxy").path).stat().st_mode)[-3:] == "600"


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/", b"Statistics Report"),
        ("/metrics", b"haproxy_backend_status"),
        ("/alive", b""),
    ],
)
def test_statistics_and_metrics_have_an_address(
    balancer: Stage, path: str, text: bytes
) -> None:
    reply = ask(balancer.stack.chain.stats, "GET", path)

    assert reply.status == 200
    assert text in reply.body


def test_statistics_change_nothing(balancer: Stage) -> None:
    body = b"s=instance1&action=drain&b=plone"
    ask(balancer.stack.chain.stats, "POST", "/", (), body)
    assert _states(balancer)["instance1"].startswith("UP")


# It is killed while it works at the eighth request.
CLIENT = """
import os, signal, sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
seen = []
class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        if self.command == "POST":
            self.rfile.read(int(self.headers["Content-Length"]))
        if self.path != "/@@ok":
            os.write(2, (self.command + chr(10)).encode())
            seen.append(1)
            if len(seen) == 8:
                os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(0.2)
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"OK")
    do_POST = do_GET
    def log_message(self, *args):
        pass
ThreadingHTTPServer.request_queue_size = 64
ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_when_a_client_is_killed_a_get_is_retried_elsewhere_and_a_post_never(
    balancer: Stage, method: str
) -> None:
    port = balancer.plone.stop("instance1")
    command = [sys.executable, "-c", CLIENT, str(port)]
    with Path(balancer.stack.folders.log, "killed").open("wb") as log:
        real = subprocess.Popen(command, stderr=log)
    try:
        time.sleep(3)
        stage.until(lambda: set(_states(balancer).values()) == {"UP"}, 8)
        balancer.plone.forget()
        balancer.plone.default = Answer(wait=0.2)
        body = b"x" if method == "POST" else b""
        with stage.load(4, lambda: _get(balancer, method=method, body=body)) as replies:
            real.wait(20)
            stage.until(lambda: len(balancer.plone.seen) > 20, 20)
    finally:
        real.kill()
        real.wait()
    came = Path(balancer.stack.folders.log, "killed").read_text().count(method)
    came += len(balancer.plone.seen)
    lost = sum(reply.status != 200 for reply in replies)

    assert came > 20
    if method == "GET":
        assert lost == 0, (stage.statuses(replies), balancer.said("haproxy")[-3000:])
    else:
        # What ran on the killed client is lost, and nothing came twice.
        assert 1 <= lost <= 4
        assert came <= len(replies)


def test_a_reload_loses_no_request(balancer: Stage) -> None:
    with stage.load(8, lambda: _get(balancer)) as replies:
        for number in range(3):
            balancer.install([("timeout connect 5s", f"timeout connect {number + 6}s")])
            balancer.reload_balancer()
            time.sleep(0.3)

    assert stage.statuses(replies) == {200: len(replies)}
    assert len(replies) > 50


def test_ipv6_clients_and_listeners() -> None:
    from collective.recipe.productionstack.model.address import Address

    balancer, stats = (Address("::1", port) for port in ports.take(2))
    with Stage(balancer=balancer, stats=stats).start("haproxy") as one:
        assert _get(one).status == 200


TOLD = (
    ("X-Forwarded-For", "192.0.2.7, 127.0.0.1"),
    ("X-Forwarded-Host", "www.example.com"),
    ("X-Forwarded-Proto", "https"),
    ("X-Real-IP", "192.0.2.7"),
)
CLAIMS = (
    *("Forwarded", "X-Forwarded", "Forwarded-For", "X-Forwarded-User", "Via", "Proxy"),
    *("X-Forwarded-Port", "X-Forwarded-Anything", "Remote-User", "X-Remote-User"),
    *("Remote-Addr", "X-Host", "X-Scheme", "X-Url-Scheme", "True-Client-IP"),
    *("CF-Connecting-IP", "X-Cluster-Client-IP", "X-Client-IP", "Fastly-Client-IP"),
    *("X-Original-URL", "X-Rewrite-URL", "X-HTTP-Method", "X-HTTP-Method-Override"),
    *("X-Method-Override", "X-PS-Anything", "X-Ps-Root", "X-Anonymous", "X-Auth-User"),
    *("X-Webauth-Groups", "X-Azure-ClientIP-IP", "Front-End-Https", "X-ProxyUser-Ip"),
    *("X_Forwarded_Host", "Remote_User", "Proxy-Authorization", "X-Envoy-Client-Cert"),
)
PASSED = (
    *("Accept", "Cookie", "X-Requested-With", "X-CSRF-TOKEN", "Origin"),
    *("Access-Control-Request-Method", "Access-Control-Request-Headers", "If-Match"),
    *("Content-Type", "Range", "Lock-Token", "Prefer", "Upload-Offset", "Referer"),
    *("Tus-Resumable", "Upload-Metadata", "X-Api-Key", "Sec-Fetch-Site", "DNT"),
)


def test_what_may_pass_towards_zope_is_named_and_the_rest_of_that_kind_is_dropped(
    balancer: Stage,
) -> None:
    claims = tuple((name, "evil") for name in CLAIMS)
    passed = tuple((name, "good") for name in PASSED)
    address = balancer.stack.chain.balancer
    assert ask(address, "GET", "/x", (*claims, *TOLD, *passed)).status == 200

    (seen,) = balancer.plone.seen
    assert [name for name in CLAIMS if seen[name]] == []
    assert [name for name in PASSED if seen[name] != "good"] == []
    assert tuple((name, seen[name]) for name, _ in TOLD) == TOLD


def test_the_log_is_about_visitors_and_no_line_is_cut(balancer: Stage) -> None:
    address = balancer.stack.chain.balancer
    long = "/" + "x" * 3000 + "/the-end"
    with stage.connect(address) as kept:
        for visitor in ("192.0.2.1", "2001:db8::7", ""):
            told = f"X-Real-IP: {visitor}\r\n" if visitor else ""
            kept.sendall(f"GET {long} HTTP/1.1\r\nHost: a\r\n{told}\r\n".encode())
            assert stage.read(kept).status == 200

    def lines() -> list[str]:
        return [one for one in balancer.said("haproxy").splitlines() if "xxx" in one]

    stage.until(lambda: len(lines()) == 3)
    assert all("/the-end HTTP/1.1" in one for one in lines())
    shown = [one.split(" ", 1)[0].rpartition(":")[0] for one in lines()]
    assert shown == ["192.0.2.1", "2001:db8::7", "127.0.0.1"]


def test_no_line_of_the_log_is_lost_under_load(balancer: Stage) -> None:
    with stage.load(8, lambda: _get(balancer, "/counted")) as replies:
        time.sleep(4)
    assert len(replies) > 400
    assert "DroppedLogs: 0" in balancer.balancer("show info").splitlines()
    stage.until(lambda: balancer.said("haproxy").count("GET /counted ") == len(replies))
