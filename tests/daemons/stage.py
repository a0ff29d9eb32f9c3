"""A whole stack for one test: the real daemons around small real HTTP servers.

The configuration comes from the real code. Everything listens on the loopback at
ports of its own, and ends with the ``with`` block.
"""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import os
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from email.message import Message
from http.server import BaseHTTPRequestHandler
from http.server import ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any

from collective.recipe.productionstack.daemons import cannot
from collective.recipe.productionstack.daemons import roles
from collective.recipe.productionstack.daemons.haproxy.control import Haproxy
from collective.recipe.productionstack.machine import run
from collective.recipe.productionstack.machine.net.http import GREETING
from collective.recipe.productionstack.machine.run import Result
from collective.recipe.productionstack.model.address import Address
from collective.recipe.productionstack.model.announced import Log
from collective.recipe.productionstack.model.announced import Program
from collective.recipe.productionstack.model.chain import NOBODY
from collective.recipe.productionstack.model.chain import ROLES
from collective.recipe.productionstack.model.chain import Chain
from collective.recipe.productionstack.model.clients import Client
from collective.recipe.productionstack.model.clients import Zope
from collective.recipe.productionstack.model.front import Front
from collective.recipe.productionstack.model.site import Site
from collective.recipe.productionstack.model.stack import Host
from collective.recipe.productionstack.model.stack import Stack
from collective.recipe.productionstack.model.storage import Data
from collective.recipe.productionstack.model.storage import Storage
from collective.recipe.productionstack.plan import announcing
from collective.recipe.productionstack.plan import folders
from collective.recipe.productionstack.plan import rendering
from collective.recipe.productionstack.tree.trees import File
from collective.recipe.productionstack.tree.trees import Tree
from collective.recipe.productionstack.tree.trees import Trees
from tests.support import ports
from tests.support import samples

CACHED = ("Cache-Control", "max-age=0, s-maxage=600, must-revalidate")
PRIVATE = ("Cache-Control", "max-age=0, must-revalidate, private")
FRESH = ("Cache-Control", "no-cache")
"""With it Varnish answers, though nginx has kept an answer of this second."""
HTML = ("Content-Type", "text/html;charset=utf-8")
UNKNOWN = {"nginx": 0, "apache": 421}
"""What each web server says where no site has the host; 0 is nothing at all."""

Headers = Iterable[tuple[str, str]]


@dataclass(frozen=True)
class Answer:
    """What a client answers; ``body`` None makes a different one each time."""

    headers: tuple[tuple[str, str], ...] = (CACHED, HTML)
    status: int = 200
    body: bytes | None = None
    wait: float = 0.0
    late: float = 0.0


@dataclass(frozen=True)
class Seen:
    """A request as a client received it."""

    server: str
    method: str
    path: str
    headers: Message
    body: bytes
    connection: tuple[str, int]

    def __getitem__(self, name: str) -> str | None:
        return self.headers[name]


@dataclass(frozen=True)
class Reply:
    """What a visitor got; ``status`` 0 is an end without an answer, -1 a refusal."""

    status: int
    headers: http.client.HTTPMessage = field(default_factory=http.client.HTTPMessage)
    body: bytes = b""

    def __getitem__(self, name: str) -> str | None:
        return self.headers[name]

    @property
    def result(self) -> str | None:
        """What the cache says it did."""
        return self.headers["X-Cache"]


class Plone:
    """Zope clients as tests need them: they record, and answer what they are told."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.answers: dict[str, Answer | Callable[[Seen], Answer]] = {}
        self.default = Answer()
        self.count = 0
        self.hung: set[str] = set()
        self.servers: dict[str, _Server] = {}
        self.lock = threading.Lock()

    def start(self, name: str, port: int) -> Address:
        """Listen as one client; return where."""
        server = _Server(self, name, port)
        self.servers[name] = server
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        return Address("127.0.0.1", server.server_address[1])

    def stop(self, name: str) -> int:
        """Refuse connections from now on; return the port for a later start."""
        server = self.servers.pop(name)
        server.shutdown()
        server.server_close()
        return int(server.server_address[1])

    def close(self) -> None:
        """Stop every client."""
        for name in list(self.servers):
            self.stop(name)

    def forget(self) -> None:
        """Answer as in the beginning and forget every request."""
        with self.lock:
            self.seen, self.answers, self.default = [], {}, Answer()

    def requests(self, part: str = "") -> list[Seen]:
        """Return the requests whose path holds a text."""
        return [seen for seen in self.seen if part in seen.path]

    def note(self, seen: Seen) -> tuple[Answer, int]:
        """Record a request; return the answer and its number."""
        with self.lock:
            self.seen.append(seen)
            self.count += 1
            number = self.count
        inside = seen.path.partition("VirtualHostRoot")[2].partition("?")[0]
        found = self.answers.get(inside, self.default)
        return (found if isinstance(found, Answer) else found(seen)), number


class _Server(ThreadingHTTPServer):
    request_queue_size = 512
    daemon_threads = True

    def __init__(self, plone: Plone, name: str, port: int) -> None:
        self.plone, self.name = plone, name
        super().__init__(("127.0.0.1", port), _Handler)
        self.open: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self.open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self.open.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        super().server_close()
        for one in list(self.open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a peer that went away."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "waitress", ""
    wbufsize = -1
    disable_nagle_algorithm = True
    server: _Server

    def answer(self) -> None:
        plone, name = self.server.plone, self.server.name
        if name in plone.hung:
            time.sleep(30)
        if self.path == "/@@ok":
            self.write(Answer((HTML,), body=b"OK"), 0)
            return
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        peer = self.client_address
        answer, number = plone.note(
            Seen(name, self.command, self.path, self.headers, body, peer)
        )
        time.sleep(answer.wait)
        self.write(answer, number)

    def write(self, answer: Answer, number: int) -> None:
        body = b"<p>answer %d</p>" % number if answer.body is None else answer.body
        self.send_response(answer.status)
        for header, value in answer.headers:
            self.send_header(header, value)
        if any(name == "Content-Length" for name, _ in answer.headers):
            # A wrong length shows when the connection ends.
            self.close_connection = True
        else:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD" and answer.status != 304:
            middle = len(body) // 2
            self.wfile.write(body[:middle])
            self.wfile.flush()
            time.sleep(answer.late)
            self.wfile.write(body[middle:])
        self.wfile.flush()

    def __getattr__(self, wanted: str) -> Any:
        if wanted.startswith("do_"):
            return self.answer
        raise AttributeError(wanted)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing."""


class Zeo:
    """Something that says how it is where ZEO would."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.socket: socket.socket | None = None

    def start(self) -> None:
        """Answer its one question."""
        Path(self.path).unlink(missing_ok=True)
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(self.path)
        self.socket.listen(64)
        threading.Thread(target=self._accept, args=(self.socket,), daemon=True).start()

    def _accept(self, listening: socket.socket) -> None:
        while True:
            try:
                client, _ = listening.accept()
            except OSError:
                return
            with client, contextlib.suppress(OSError):
                client.settimeout(1)
                client.sendall(b"\0\0\0\2Z5")
                if client.recv(8) == b"\0\0\0\4ruok":
                    client.sendall(b'\0\0\0\x1f{"1": {"last-transaction": ""}}')

    def stop(self) -> None:
        """Be gone."""
        if self.socket:
            with contextlib.suppress(OSError):
                self.socket.shutdown(socket.SHUT_RDWR)
            self.socket.close()
            self.socket = None
        Path(self.path).unlink(missing_ok=True)


def site(host: str = "www.example.com", path: str = "/Plone", **names: Any) -> Site:
    """Return a site; its port is where visitors of ``url_host`` arrive."""
    values = {"scheme": "http", "url_host": host, "url_port": 80, **names}
    return Site(host=host, path=path, **values)


SITES = (
    site(aliases=("example.com", "old.example.com")),
    site("two.example.com", "/Site2", aliases=("zwei.example.com",), redirect=False),
    site("three.example.com", "/sub/Site.3"),
)


class Stage:
    """One stack on disk, its clients, and the daemons that were started."""

    def __init__(
        self,
        *,
        sites: tuple[Site, ...] = SITES,
        clients: int = 2,
        threads: int = 4,
        folder: str = "",
        bind: str = "127.0.0.1",
        tls: bool = False,
        changes: Iterable[tuple[str, str]] = (),
        files: int = 0,
        web_server: str = "nginx",
        **values: Any,
    ) -> None:
        self.top = Path(tempfile.mkdtemp(prefix="ps-"))
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.files = files
        self.plone = Plone()
        base = str(self.top / folder) if folder else str(self.top)
        names = [f"instance{number + 1}" for number in range(clients)]
        self.ports = ports.take(6 + clients)
        one, two, three, four, five, six = self.ports[:6]
        where = folders.of(base, f"{base}/bin", "stack")
        for needed in (where.bin, where.var, where.log, where.sockets):
            Path(needed).mkdir(parents=True, exist_ok=True, mode=0o700)
        self.zeo = Zeo(f"{where.sockets}/zeo.sock")
        self.zeo.start()
        stack = Stack(
            name="stack",
            folders=where,
            services=(
                *(web_server, "varnish", "haproxy", "supervisor", "logrotate", "cron"),
            ),
            sites=sites,
            chain=Chain(
                web_server=web_server,
                proxy_cache="varnish",
                load_balancer="haproxy",
                http=Address(bind, one),
                https=Address(bind, six) if tls else None,
                cache=Address("127.0.0.1", two),
                purge=Address("127.0.0.1", three),
                balancer=Address("127.0.0.1", four),
                stats=Address("127.0.0.1", five),
            ),
            zope=Zope(
                clients=tuple(
                    client(name, self.plone.start(name, port), where.log, threads)
                    for name, port in zip(names, self.ports[6:], strict=True)
                )
            ),
            data=Data(
                storage=storage(Address(path=self.zeo.path), where.log, f"{base}/blobs")
            ),
            # Loads come from here; who is counted comes from another address.
            front=Front(rate_limits_exempt=("127.0.0.1/32", "::1/128")),
            host=Host(versions=_versions()),
        )
        stack = samples.changed(stack, **values)
        stack = dataclasses.replace(stack, services=_filling(stack))
        lacking = (one for one in cannot.lacks(web_server) if one.refused)
        instead = {one.field: one.instead for one in lacking}
        front = dataclasses.replace(stack.front, **instead)  # type: ignore[arg-type]
        self.stack = announcing.complete(dataclasses.replace(stack, front=front))
        self.changes = tuple(changes)
        self.trees = Trees(self.stack.folders.etc, self.stack.folders.applied)
        self.install()

    def install(self, changes: Iterable[tuple[str, str]] = ()) -> None:
        """Render, install and apply the tree, with texts replaced in it."""
        wanted = (*self.changes, *changes)
        files = rendering.tree_of(self.stack).files
        for old, _ in wanted:
            assert any(old in file.text for file in files), old
        self.trees.install(Tree(tuple(_changed(file, wanted) for file in files)))
        self.trees.apply()

    def __enter__(self) -> Stage:  # noqa: PYI034 (Self is newer than 3.10)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for name in reversed(list(self.running)):
            self.stop(name)
        self.plone.close()
        self.zeo.stop()
        ports.give_back(self.ports)
        shutil.rmtree(self.top, ignore_errors=True)
        if not self.stack.folders.sockets.startswith(str(self.top)):
            shutil.rmtree(self.stack.folders.sockets, ignore_errors=True)

    @property
    def tiers(self) -> tuple[str, ...]:
        """The daemons of the chain, the innermost first."""
        filled = [self.stack.chain.filled_by(role) for role in reversed(ROLES)]
        return tuple(one for one in dict.fromkeys(filled) if one != NOBODY)

    @property
    def web(self) -> str:
        """The web server's name."""
        return self.stack.chain.web_server

    def reload_web(self) -> None:
        """Let the web server read its files again, as bin/stack does."""
        server = roles.web_server(self.stack)
        signal_name = f"SIG{self.program(self.web).reload}"
        server.reload(lambda: os.kill(server.master(), getattr(signal, signal_name)))

    def log(self, kind: str = "access") -> Path:
        """Return the path of a log of the web server's."""
        return Path(self.stack.folders.log, f"stack-{self.web}-{kind}.log")

    def maintain(self, *hosts: str) -> None:
        """Show visitors of hosts the maintenance page, or of none."""
        path = Path(self.stack.maintenance_file)
        text = roles.web_server(self.stack).maintenance_text(list(hosts))
        path.write_text(f"# hosts\n{text}")
        if not hosts:
            path.unlink()
        self.reload_web()

    def program(self, name: str) -> Program:
        """Return one program of the stack."""
        return next(one for one in self.stack.announced.programs if one.name == name)

    def start(self, *names: str) -> Stage:
        """Start daemons as supervisor would, and wait until they answer."""
        for name in names or self.tiers:
            program = self.program(name)
            command = [run.find(program.command[0]) or "", *program.command[1:]]
            log = Path(self.stack.folders.log, f"{name}.out")
            path = os.pathsep.join((os.environ["PATH"], *run.SYSTEM_FOLDERS))
            with log.open("ab") as stream:
                self.running[name] = subprocess.Popen(
                    command,
                    cwd=program.directory or self.stack.folders.buildout,
                    env={
                        "PATH": path,
                        "PRODUCTIONSTACK": self.stack.folders.var,
                        "PRODUCTIONSTACK_PROGRAM": name,
                        **dict(program.environment),
                    },
                    preexec_fn=self._limit if self.files else None,  # noqa: PLW1509
                    start_new_session=True,
                    stderr=stream,
                    stdin=subprocess.DEVNULL,
                    stdout=stream,
                )
            self._wait_for(program)
        return self

    def _limit(self) -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (self.files, self.files))

    def _wait_for(self, program: Program) -> None:
        health = program.health
        wanted = 0 if health.status == 444 else health.status

        def answers() -> bool:
            assert self.running[program.name].poll() is None, self.said(program.name)
            wrap = greeted if health.proxied else lambda one: one
            asked = ask(health.address, "GET", health.path, health.headers, wrap=wrap)
            return asked.status == wanted

        until(answers, 20, lambda: self.said(program.name))
        if program.name == "haproxy":
            until(lambda: self.up() == len(self.stack.zope.clients), 20)
        if program.name == self.web:
            # Where something else writes it, it is there a moment later.
            until(self.log().exists)
        if program.name == "varnish":
            # The purge listener answers before the first probe has come back.
            time.sleep(0.2)

    def said(self, name: str) -> str:
        """Return what a daemon has printed."""
        return Path(self.stack.folders.log, f"{name}.out").read_text(errors="replace")

    def stop(self, name: str, how: signal.Signals = signal.SIGTERM) -> None:
        """End a daemon and everything it has started."""
        process = self.running.pop(name)
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, how)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(5)
            # What it has started may still hold its ports for a moment.
            for _ in range(100):
                os.killpg(process.pid, 0)
                time.sleep(0.02)
        process.wait(5)

    def up(self) -> int:
        """Return how many clients HAProxy holds for fit."""
        names = {client.name for client in self.stack.zope.clients}
        rows = [line.split(",") for line in self.balancer("show stat").splitlines()]
        return sum(
            row[17].startswith("UP") for row in rows if row[1:2] and row[1] in names
        )

    def balancer(self, command: str) -> str:
        """Ask HAProxy's runtime socket."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(5)
            connection.connect(self.stack.socket("haproxy").path)
            connection.sendall(f"{command}\n".encode())
            return b"".join(iter(lambda: connection.recv(65536), b"")).decode()

    def reload_balancer(self) -> None:
        """Let HAProxy read its file again, as bin/stack does."""
        master = self.running["haproxy"].pid
        Haproxy(self.stack, 2).reload(lambda: os.kill(master, signal.SIGUSR2))

    def varnishadm(self, *words: str) -> Result:
        """Ask varnishd."""
        folder = f"{self.stack.folders.var}/varnish"
        return run.run((run.find("varnishadm") or "", "-n", folder, *words))

    def get(self, path: str = "/", *headers: tuple[str, str], **values: Any) -> Reply:
        """Ask nginx as a visitor of the first site."""
        given = {name.lower() for name, _ in headers}
        host = () if "host" in given else (("Host", self.stack.sites[0].host),)
        method = values.pop("method", "GET")
        return ask(self.stack.chain.http, method, path, (*host, *headers), **values)

    def cache(self, path: str, *headers: tuple[str, str], **values: Any) -> Reply:
        """Ask Varnish's own listener for a page of the first site."""
        method = values.pop("method", "GET")
        full = f"{self.stack.sites[0].virtual_host}{path}"
        hosted = (("Host", "www.example.com"), *headers)
        return ask(self.stack.chain.cache, method, full, hosted, **values)

    def purge(self, path: str, **values: Any) -> Reply:
        """Purge as plone.cachepurging does."""
        host = ("Host", str(self.stack.chain.purge))
        return ask(self.stack.chain.purge, values.pop("method", "PURGE"), path, (host,))


def client(name: str, address: Address, log: str, threads: int = 4) -> Client:
    """Return a client as the recipe's reader would."""
    return Client(
        name=name,
        addresses=(address,),
        threads=threads,
        script=f"/bin/{name}",
        zeo_addresses=(),
        max_body=3_000_000,
        fast_listen=False,
        logs=(
            Log(path=f"{log}/{name}.log"),
            Log(path=f"{log}/{name}-access.log", how="truncate"),
        ),
    )


def storage(address: Address, log: str, blobs: str) -> Storage:
    """Return a ZEO server as the recipe's reader would."""
    return Storage(
        name="zeoserver",
        address=address,
        command=("/bin/false",),
        data_file="/nowhere/Data.fs",
        blob_dir=blobs,
        quiet_log=True,
        pack_script="/bin/true",
        logs=(Log(path=f"{log}/zeoserver.log"),),
    )


def _filling(stack: Stack) -> tuple[str, ...]:
    """Return the services without the daemons that fill no role."""
    from collective.recipe.productionstack.daemons import registry

    filled = {stack.chain.filled_by(role) for role in ROLES}
    idle = {one.NAME for one in registry.SERVICES if one.ROLES} - filled
    return tuple(one for one in stack.services if one not in idle)


def _versions() -> tuple[tuple[str, tuple[int, ...]], ...]:
    from collective.recipe.productionstack.daemons import registry
    from collective.recipe.productionstack.tree import check

    return tuple(sorted(check.versions(registry.versioned(), {}).items()))


def _changed(file: File, changes: Iterable[tuple[str, str]]) -> File:
    text = file.text
    for old, new in changes:
        text = text.replace(old, new)
    return dataclasses.replace(file, text=text)


def connect(address: Address, source: str = "") -> socket.socket:
    """Open a connection to an address."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    with contextlib.ExitStack() as opened:
        connection = opened.enter_context(socket.socket(family))
        connection.settimeout(60)
        if source:
            connection.bind((source, 0))
        connection.connect((address.host, address.port))
        opened.pop_all()
    return connection


def greeted(connection: socket.socket) -> socket.socket:
    """Begin as who speaks the PROXY protocol for nobody else."""
    connection.sendall(GREETING)
    return connection


def ask(
    address: Address,
    method: str,
    path: str,
    headers: Headers = (),
    body: bytes = b"",
    *,
    wrap: Callable[[socket.socket], socket.socket] = lambda one: one,
    source: str = "",
) -> Reply:
    """Send these very bytes over a connection of their own and read the answer."""
    lines = [f"{method} {path} HTTP/1.1", "Connection: close"]
    named = {name.lower() for name, _ in headers}
    if "host" not in named:
        lines.append("Host: localhost")
    if body and "content-length" not in named:
        lines.append(f"Content-Length: {len(body)}")
    lines += [f"{name}: {value}" for name, value in headers]
    head = "\r\n".join((*lines, "", "")).encode("latin-1")
    try:
        with wrap(connect(address, source)) as connection:
            connection.sendall(head)
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.sendall(body)
            return read(connection, method)
    except ConnectionRefusedError:
        return Reply(-1)
    except (ConnectionError, http.client.BadStatusLine):
        return Reply(0)


def results(
    stage: Stage, path: str, *headers: tuple[str, str], times: int = 2
) -> list[str | None]:
    """Ask Varnish as often for a page; return what it did."""
    return [stage.cache(path, *headers).result for _ in range(times)]


def read(connection: socket.socket, method: str = "GET") -> Reply:
    """Read one answer from a connection."""
    response = http.client.HTTPResponse(connection, method=method)
    response.begin()
    with contextlib.suppress(http.client.IncompleteRead):
        return Reply(response.status, response.headers, response.read())
    return Reply(0)


def until(
    true: Callable[[], bool],
    seconds: float = 10,
    why: Callable[[], str] = lambda: "",
) -> float:
    """Wait for something to be true; return the seconds it took."""
    begin = time.monotonic()
    while not true():
        assert time.monotonic() - begin < seconds, f"not within {seconds} s {why()}"
        time.sleep(0.05)
    return time.monotonic() - begin


def at_once(count: int, call: Callable[[], Reply]) -> list[Reply]:
    """Call from that many threads at the same time."""
    replies: list[Reply] = []
    threads = [
        threading.Thread(target=lambda: replies.append(call())) for _ in range(count)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return replies


@contextlib.contextmanager
def load(count: int, call: Callable[[], Reply]) -> Iterator[list[Reply]]:
    """Call from that many threads, over and over, while the block runs."""
    replies: list[Reply] = []
    over = threading.Event()

    def loop() -> None:
        while not over.is_set():
            replies.append(call())

    threads = [threading.Thread(target=loop) for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield replies
    finally:
        over.set()
        for thread in threads:
            thread.join()


def statuses(replies: Iterable[Reply]) -> Mapping[int, int]:
    """Count the answers by status."""
    counted: dict[int, int] = {}
    for reply in replies:
        counted[reply.status] = counted.get(reply.status, 0) + 1
    return counted
