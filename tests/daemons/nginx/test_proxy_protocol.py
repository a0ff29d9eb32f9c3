"""A balancer in front that hands connections on with the PROXY protocol."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from collective.recipe.productionstack.ctl.traffic import pages
from collective.recipe.productionstack.daemons import certificates
from collective.recipe.productionstack.daemons import health
from collective.recipe.productionstack.model.address import Address
from tests.daemons import stage
from tests.daemons.stage import Stage
from tests.daemons.stage import ask
from tests.daemons.stage import site
from tests.support import certificate
from tests.support import ports

pytestmark = pytest.mark.usefixtures("daemons")

OUTER = """
global
    log stdout format raw local0
defaults
    mode tcp
    timeout connect 5s
    timeout client 10s
    timeout server 10s
listen plain
    bind 127.0.0.1:{http}
    source 127.0.0.2
    server nginx {ours.http} send-proxy-v2
listen tls
    bind 127.0.0.1:{https}
    source 127.0.0.2
    server nginx {ours.https} send-proxy
"""


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory, web: str) -> Iterator[Stage]:
    """Give a web server that wants the protocol, and believes 127.0.0.2."""
    pair = certificate.own(tmp_path_factory.mktemp("certificate"))
    served = site(scheme="https", url_port=443, **pair)
    plain = site("plain.example.com", "/Other")
    with Stage(
        sites=(served, plain),
        tls=True,
        proxy_protocol=True,
        trusted_proxies=("127.0.0.2/32",),
        proxy_cache="none",
        load_balancer="none",
        web_server=web,
    ) as one:
        yield one.start(web)


@pytest.fixture(scope="module")
def outer(ours: Stage) -> Iterator[dict[str, Address]]:
    """Give a real HAProxy before it, one listener for each of ours."""
    http, https = ports.take(2)
    conf = Path(ours.stack.folders.var, "outer.cfg")
    conf.write_text(OUTER.format(http=http, https=https, ours=ours.stack.chain))
    command = [shutil.which("haproxy") or "/usr/sbin/haproxy", "-f", str(conf)]
    running = subprocess.Popen(
        command, start_new_session=True, stdout=subprocess.DEVNULL
    )
    found = {"http": Address("127.0.0.1", http), "https": Address("127.0.0.1", https)}
    try:
        unknown = stage.UNKNOWN[ours.web]
        stage.until(lambda: ask(found["http"], "GET", "/").status == unknown, 10)
        yield found
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGTERM)
        running.wait(10)
        ports.give_back((http, https))


def secure(address: Address, path: str, *, source: str) -> stage.Reply:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return ask(
        address,
        "GET",
        path,
        (("Host", "www.example.com"),),
        wrap=lambda one: context.wrap_socket(one, server_hostname="www.example.com"),
        source=source,
    )


def test_the_visitor_is_whose_connection_is_handed_on(
    ours: Stage, outer: dict[str, Address]
) -> None:
    ours.plone.forget()
    claimed = (("Host", "plain.example.com"), ("X-Forwarded-For", "192.0.2.1"))
    plain = ask(outer["http"], "GET", "/plain", claimed, source="127.0.0.7")
    assert plain.status == 200
    assert secure(outer["https"], "/secure", source="127.0.0.8").status == 200
    seen = {one.path.rpartition("/")[2]: one for one in ours.plone.seen}
    assert seen["plain"].headers.get_all("X-Forwarded-For") == ["127.0.0.7"]
    assert seen["secure"]["X-Real-IP"] == "127.0.0.8"
    log = ours.log()
    stage.until(lambda: " /secure " in log.read_text())
    (line,) = [one for one in log.read_text().splitlines() if " /secure " in one]
    assert line.startswith("127.0.0.8 ")


def test_nobody_else_names_a_visitor(ours: Stage) -> None:
    """Whoever reaches nginx past the balancer may say what he wants."""
    chain, host = ours.stack.chain, (("Host", "plain.example.com"),)
    assert ask(chain.http, "GET", "/none", host).status in {0, 400}

    def claims(sock: socket.socket) -> socket.socket:
        sock.sendall(b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n")
        return sock

    ours.plone.forget()
    refused = ask(chain.http, "GET", "/x", host, wrap=claims, source="127.0.0.9")
    named = [one["X-Real-IP"] for one in ours.plone.seen]
    # Apache lets nobody else speak it.
    assert named == (["127.0.0.9"] if ours.web == "nginx" else [])
    assert refused.status in {200, 400}
    ours.plone.forget()
    ask(chain.http, "GET", "/x", host, wrap=claims, source="127.0.0.2")
    assert [one["X-Real-IP"] for one in ours.plone.seen] == ["192.0.2.1"]


def test_our_own_questions_are_answered(ours: Stage) -> None:
    stack = ours.stack
    program = ours.program(ours.web)
    assert health.probe(program.health, 2) == health.OK
    (found,) = certificates.look(stack, 2)
    assert found.loaded is True
    assert [pages.fetch(stack, one, 2).status for one in stack.sites] == [200, 200]
