"""Another web server before ours: what the how-to prints, with the real ones."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import ssl
import subprocess
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from collective.recipe.productionstack.model.address import Address
from collective.recipe.productionstack.model.site import Site
from tests.daemons import stage
from tests.daemons.stage import Stage
from tests.daemons.stage import ask
from tests.daemons.stage import site
from tests.support import ports

PAGE = Path(__file__).parents[3] / "docs/how-to/ports-80-and-443.md"
MODULES = Path("/usr/lib/apache2/modules")
LOADED = ("mpm_event", "authz_core", "proxy", "proxy_http", "ssl", "socache_shmcb")

pytestmark = pytest.mark.usefixtures("daemons")


def printed(beginning: str) -> str:
    """Return the example that begins so."""
    blocks = re.findall(r"```text\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    (found,) = [block for block in blocks if block.startswith(beginning)]
    return str(found)


@pytest.fixture(scope="module")
def ours() -> Iterator[Stage]:
    """Give the whole chain with the part as the page prints it."""
    named: Site = site("www.example.com", scheme="https", url_port=443)
    with Stage(sites=(named,), trusted_proxies=("127.0.0.1/32",)) as one:
        yield one.start("haproxy", "varnish", "nginx")


def filled(text: str, ours: Stage, folder: Path, port: int) -> str:
    """Put this test's addresses and a certificate into a printed example."""
    command = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2")
    files = ("-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem"))
    subprocess.run(
        (*command, "-subj", "/CN=www.example.com", *files),
        check=True,
        capture_output=True,
    )
    for old, new in (
        ("127.0.0.1:8000", str(ours.stack.chain.http)),
        ("/etc/ssl/example.com/fullchain.pem", f"{folder}/cert.pem"),
        ("/etc/ssl/example.com/privkey.pem", f"{folder}/key.pem"),
        ("listen 443", f"listen 127.0.0.1:{port}"),
        ("*:443", f"127.0.0.1:{port}"),
    ):
        text = text.replace(old, new)
    return text


def nginx(ours: Stage, folder: Path, port: int) -> list[str]:
    text = filled(printed("server {"), ours, folder, port)
    temps = "".join(
        f"{kind}_temp_path {folder}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "front.conf").write_text(
        f"daemon off;\npid {folder}/pid;\nerror_log {folder}/log;\nevents {{}}\n"
        f"http {{\naccess_log off;\n{temps}{text}}}\n"
    )
    return [shutil.which("nginx") or "nginx", "-c", f"{folder}/front.conf"]


def apache(ours: Stage, folder: Path, port: int) -> list[str]:
    text = filled(printed("<VirtualHost"), ours, folder, port)
    loaded = "".join(
        f"LoadModule {name}_module {MODULES}/mod_{name}.so\n" for name in LOADED
    )
    (folder / "front.conf").write_text(
        f"ServerRoot {folder}\nDefaultRuntimeDir {folder}\nPidFile {folder}/pid\n"
        f"ErrorLog {folder}/log\nMutex file:{folder}\nServerName localhost\n"
        f"{loaded}Listen 127.0.0.1:{port}\n{text}"
    )
    return ["/usr/sbin/apache2", "-X", "-f", f"{folder}/front.conf"]


@pytest.fixture(scope="module", params=[nginx, apache], ids=["nginx", "apache"])
def front(
    request: pytest.FixtureRequest,
    ours: Stage,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Address]:
    folder = tmp_path_factory.mktemp("front")
    (port,) = ports.take(1)
    command = request.param(ours, folder, port)
    if not Path(command[0]).exists():
        lacking = f"not installed: {command[0]}"
        if os.environ.get("PRODUCTIONSTACK_REQUIRE_DAEMONS") == "1":
            pytest.fail(lacking)
        pytest.skip(lacking)
    running = subprocess.Popen(command, start_new_session=True)
    try:
        address = Address("127.0.0.1", port)
        stage.until(lambda: get(address, "/").status == 200, 15)
        yield address
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGTERM)
        running.wait(15)
        ports.give_back((port,))


def get(front: Address, path: str, *headers: tuple[str, str]) -> stage.Reply:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with contextlib.suppress(ssl.SSLError):
        return ask(
            front,
            "GET",
            path,
            (("Host", "www.example.com"), *headers),
            wrap=lambda one: context.wrap_socket(
                one, server_hostname="www.example.com"
            ),
            source="127.0.0.7",
        )
    return stage.Reply(0)


def fresh(path: str) -> str:
    """Return an address that no cache has yet."""
    return f"{path}{'&' if '?' in path else '?'}n={time.monotonic_ns()}"


def test_zope_and_the_log_see_the_visitor(ours: Stage, front: Address) -> None:
    ours.plone.forget()
    reply = get(front, fresh("/seen"), ("X-Forwarded-For", "192.0.2.1"))
    assert reply.status == 200
    (seen,) = ours.plone.seen
    assert seen["X-Forwarded-For"] == "127.0.0.7"
    assert "/VirtualHostBase/https/www.example.com:443/" in seen.path
    log = Path(ours.stack.folders.log, "stack-nginx-access.log").read_text("utf-8")
    assert log.splitlines()[-1].startswith("127.0.0.7 ")
    assert reply["X-Cache"] is None


@pytest.mark.parametrize("path", ["/a%20b", "/%C3%A4%C3%B6", "/a%2Fb?c=%2F", "/a;b,c"])
def test_paths_arrive_as_without_it(ours: Stage, front: Address, path: str) -> None:
    found = []
    for asked in (ours.get, partial(get, front)):
        ours.plone.forget()
        assert asked(fresh(path)).status == 200
        (seen,) = ours.plone.seen
        found.append(seen.path.rpartition("n=")[0])
    assert found[0] == found[1]


@pytest.mark.parametrize("path", ["/manage", "/VirtualHostBase/http/evil/x", "/_vh_a"])
def test_what_we_refuse_is_refused(front: Address, path: str) -> None:
    assert get(front, path).status in {403, 404}
