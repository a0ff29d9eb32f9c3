"""Build a stack by hand, run bin/stack on it, and end all of it afterwards."""

from __future__ import annotations

import dataclasses
import http.client
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

from collective.recipe.productionstack.ctl.lifecycle.survey import Survey
from collective.recipe.productionstack.ctl.lifecycle.survey import send
from collective.recipe.productionstack.ctl.lifecycle.survey import take
from collective.recipe.productionstack.daemons.haproxy import holding
from collective.recipe.productionstack.daemons.nginx import subreaper
from collective.recipe.productionstack.machine import own_processes
from collective.recipe.productionstack.machine import processes
from collective.recipe.productionstack.machine.run import Result
from collective.recipe.productionstack.machine.run import run
from collective.recipe.productionstack.model.address import Address
from collective.recipe.productionstack.model.announced import Announced
from collective.recipe.productionstack.model.announced import Extras
from collective.recipe.productionstack.model.announced import Health
from collective.recipe.productionstack.model.announced import Job
from collective.recipe.productionstack.model.announced import Program
from collective.recipe.productionstack.model.chain import Chain
from collective.recipe.productionstack.model.clients import Client
from collective.recipe.productionstack.model.clients import Zope
from collective.recipe.productionstack.model.folders import Folders
from collective.recipe.productionstack.model.site import Site
from collective.recipe.productionstack.model.stack import Stack
from collective.recipe.productionstack.model.stack import Watching
from collective.recipe.productionstack.model.storage import Data
from collective.recipe.productionstack.model.storage import Storage
from collective.recipe.productionstack.tree.trees import File
from collective.recipe.productionstack.tree.trees import Tree
from collective.recipe.productionstack.tree.trees import Trees
from tests.support import ports
from tests.support.source import SOURCE

if TYPE_CHECKING:
    from typing_extensions import Self

HERE = Path(__file__).parent
HOST = "www.example.com"


class Bench:
    """A buildout folder with one stack in it."""

    def __init__(self, tiers: Sequence[str] = (), name: str = "stack") -> None:
        self.tiers = tuple(tiers)
        self.name = name
        self.folder = Path(tempfile.mkdtemp(prefix="ctl-"))
        self.ports = ports.take(9)
        self.text = "one"
        self.programs: tuple[Program, ...] = ()
        self.extras = Extras()
        self.watching = Watching()
        self.watchdog: tuple[str, ...] = ()
        self.extra = ""
        self.broken = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill_everything()
        ports.give_back(self.ports)
        shutil.rmtree(self.folder, ignore_errors=True)

    # -- building

    @property
    def folders(self) -> Folders:
        base = str(self.folder)
        return Folders(
            buildout=base,
            bin=f"{base}/bin",
            etc=f"{base}/etc/{self.name}",
            var=f"{base}/var/{self.name}",
            log=f"{base}/var/log",
            sockets=f"{base}/var/{self.name}",
        )

    @property
    def trees(self) -> Trees:
        return Trees(self.folders.etc, self.folders.applied)

    @property
    def stack(self) -> Stack:
        http, cache, purge, balancer, stats = (
            Address("127.0.0.1", port) for port in self.ports[:5]
        )
        clients = tuple(
            Client(
                name=name,
                addresses=(Address("127.0.0.1", port),),
                threads=4,
                script=f"{self.folder}/bin/{name}",
                zeo_addresses=(self.zeo,),
                max_body=1000,
                fast_listen=False,
            )
            for name, port in zip(
                ("one", "two", "debugger"), self.ports[5:8], strict=True
            )
        )
        storage = Storage(
            name="zeo",
            address=self.zeo,
            command=(),
            data_file=f"{self.folder}/var/Data.fs",
            blob_dir="",
            quiet_log=True,
            pack_script="",
        )
        site = Site(
            host=HOST,
            path="/Plone",
            scheme="http",
            url_host=HOST,
            url_port=self.ports[0],
        )
        bare = Stack(
            name=self.name,
            folders=self.folders,
            services=(*self.tiers, "supervisor", "cron"),
            sites=(site,),
            chain=Chain(
                web_server="nginx",
                proxy_cache="varnish",
                load_balancer="haproxy",
                http=http,
                cache=cache,
                purge=purge,
                balancer=balancer,
                stats=stats,
            ),
            zope=Zope(clients=clients[:2], debug_client=clients[2]),
            extras=self.extras,
            data=Data(storage=storage),
            watching=self.watching,
        )
        job = Job(name="pack", why="daily", schedule="5 1 * * *", command=("true",))
        programs = self.programs or _programs(self, bare)
        announced = Announced(programs=programs, jobs=(job,))
        return dataclasses.replace(bare, announced=announced)

    @property
    def zeo(self) -> Address:
        return Address(path=f"{self.folder}/var/zeo/zeo.sock")

    def generate(self, text: str = "one") -> None:
        """Do what buildout does: write a tree and make it the current one."""
        self.text = text
        for folder in ("bin", "parts", "var", "var/log"):
            (self.folder / folder).mkdir(exist_ok=True)
        for name in ("one", "two", "debugger"):
            path = self.folder / "parts" / f"{name}.conf"
            path.exists() or path.write_text("plain")
        script = self.folder / "bin" / self.name
        script.write_text(
            f"#!{sys.executable}\nimport sys\nsys.path[0:0] = [{str(SOURCE)!r}]\n"
            "from collective.recipe.productionstack.ctl.main import main\n"
            f"main({str(self.folder)!r}, {self.name!r})\n"
        )
        script.chmod(0o700)
        self.trees.install(self.tree())

    def tree(self) -> Tree:
        stack = self.stack
        files = [
            File("stack.json", stack.to_json()),
            File("crontab", "# [stack] jobs\n5 1 * * * true\n"),
            File("supervisor/supervisord.conf", _supervisor(stack)),
        ]
        writers = {"haproxy": _haproxy, "varnish": _varnish, "nginx": _nginx}
        files += [writers[tier](self, stack) for tier in self.tiers]
        return Tree(tuple(files))

    # -- using

    def run(self, *words: str, env: dict[str, str] | None = None) -> Result:
        """Run bin/stack."""
        return run(
            (sys.executable, str(self.folder / "bin" / self.name), *words),
            env=env,
            cwd=self.folder,
            timeout=120,
        )

    def up(self) -> Result:
        result = self.run("up", "--timeout", "60")
        assert result.ok, result.text
        return result

    def status(self) -> dict[str, Any]:
        values = json.loads(self.run("status", "--json").output)
        assert isinstance(values, dict)
        return values

    def states(self) -> dict[str, str]:
        return {one["name"]: one["state"] for one in self.status()["programs"]}

    def pid(self, name: str) -> int:
        return next(
            one["pid"] or 0 for one in self.status()["programs"] if one["name"] == name
        )

    def survey(self) -> Survey:
        return take(self.stack)

    def get(self, path: str = "/", host: str = HOST) -> tuple[int, str]:
        one = http.client.HTTPConnection("127.0.0.1", self.ports[0], timeout=5)
        try:
            one.request("GET", path, headers={"Host": host, "Connection": "close"})
            answer = one.getresponse()
            return answer.status, answer.read().decode()
        finally:
            one.close()

    def header(self, name: str) -> str:
        """Return a header of the front page."""
        one = http.client.HTTPConnection("127.0.0.1", self.ports[0], timeout=5)
        try:
            one.request("GET", "/", headers={"Host": HOST, "Connection": "close"})
            return one.getresponse().headers.get(name, "")
        finally:
            one.close()

    def wait_ok(self, seconds: float = 30) -> None:
        self.wait(lambda: self.status()["ok"], "that all is well", seconds)

    def wait(self, done: Callable[[], object], what: str, seconds: float = 30) -> None:
        """Wait until something holds: a busy machine answers late."""
        deadline = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < deadline, f"{what}\n{self.run('status').text}"
            time.sleep(0.3)

    def kill_everything(self) -> None:
        """End what this bench started, and only that, by pid."""
        var = self.folders.var
        lock = f"{var}/nginx.lock"
        for _ in range(100):
            table = processes.table()
            tops = [
                pid
                for pids in own_processes.roots(var, table, ("nginx",)).values()
                for pid in pids
            ]
            every = {one for pid in tops for one in processes.family(table, pid)}
            every |= set(subreaper.holders(lock))
            if not every:
                return
            send(every, "KILL")
            time.sleep(0.05)


def _programs(bench: Bench, stack: Stack) -> tuple[Program, ...]:
    server = str(HERE / "server.py")
    known = {
        "haproxy": Program(
            name="haproxy",
            kind="haproxy",
            command=(
                "haproxy",
                "-W",
                "-f",
                f"{stack.folders.applied}/haproxy/haproxy.cfg",
            ),
            health=Health(address=stack.chain.stats, path="/stats"),
            listens=(stack.chain.balancer, stack.chain.stats),
            stop_signal="USR1",
            reload="USR2",
            tree_files=("haproxy/",),
        ),
        "varnish": Program(
            name="varnish",
            kind="varnish",
            command=(
                *("varnishd", "-F", "-n", f"{stack.folders.var}/varnish"),
                *("-a", str(stack.chain.cache), "-s", "malloc,16m", "-t", "0"),
                *("-p", f"vcl_path={stack.folders.applied}/varnish"),
                *("-p", "vcc_unsafe_path=off", "-f", "default.vcl"),
                *("-p", "thread_pool_min=10", "-p", "thread_pools=1"),
            ),
            health=Health(address=stack.chain.cache, path="/@@ok"),
            listens=(stack.chain.cache,),
            reload="vcl",
            tree_files=("varnish/",),
        ),
        "nginx": Program(
            name="nginx",
            kind="nginx",
            command=(
                *(sys.executable, "-I", "-S", subreaper.__file__),
                *("nginx", "-e", f"{stack.folders.log}/nginx-error.log"),
                *("-c", f"{stack.folders.applied}/nginx/nginx.conf"),
            ),
            health=Health(address=stack.chain.http, path="/", status=444),
            listens=(stack.chain.http,),
            stop_signal="QUIT",
            reload="HUP",
            tree_files=("nginx/",),
        ),
    }
    zeo = Program(
        name="zeo",
        kind="zeo",
        command=(sys.executable, server, "zeo", str(bench.zeo)),
        health=Health(address=bench.zeo, zeo=True),
        listens=(bench.zeo,),
    )
    clients = tuple(
        Program(
            name=client.name,
            kind="client",
            command=(sys.executable, server, client.name, str(client.address)),
            health=Health(address=client.address, path="/@@ok"),
            listens=client.addresses,
            standby=client.name == "debugger",
            stop_signal="INT",
            stop_seconds=5,
            files=(f"{bench.folder}/parts/{client.name}.conf",),
        )
        for client in stack.zope.all_clients
    )
    tiers = (known[tier] for tier in bench.tiers)
    before, after = bench.extras.before, bench.extras.after
    return (zeo, *before, *clients, *after, *tiers, *_watchdog(bench, stack))


def _watchdog(bench: Bench, stack: Stack) -> tuple[Program, ...]:
    """The real one, where a test asks for it with words for its command line."""
    if not bench.watchdog:
        return ()
    door = stack.socket("watchdog")
    return (
        Program(
            name="watchdog",
            kind="watchdog",
            command=(f"{bench.folder}/bin/{stack.name}", "watch", *bench.watchdog),
            health=Health(address=door),
            listens=(door,),
        ),
    )


def _supervisor(stack: Stack) -> str:
    folders = stack.folders
    head = (
        f"[supervisord]\npidfile = {folders.var}/supervisord.pid\n"
        f"logfile = {folders.log}/supervisord.log\nchildlogdir = {folders.log}\n"
        f"umask = 027\n\n[unix_http_server]\nfile = {stack.socket('supervisor')}\n"
        "chmod = 0700\n\n[rpcinterface:supervisor]\nsupervisor.rpcinterface_factory = "
        "supervisor.rpcinterface:make_main_rpcinterface\n"
    )
    parts = [
        f"[program:{one.name}]\ncommand = {' '.join(one.command)}\n"
        "autostart = false\nautorestart = true\nredirect_stderr = true\n"
        f"startsecs = 1\nstartretries = 2\nstopsignal = {one.stop_signal}\n"
        f"stopwaitsecs = {one.stop_seconds}\nkillasgroup = true\n"
        f"stdout_logfile = {folders.log}/{one.name}.out.log\n"
        f'environment = PRODUCTIONSTACK="{folders.var}",'
        f'PRODUCTIONSTACK_PROGRAM="{one.name}"\n'
        for one in stack.announced.programs
    ]
    return "\n".join((head, *parts))


def _haproxy(bench: Bench, stack: Stack) -> File:
    servers = "".join(
        f"    server {one.name} {one.address} maxconn 9 check inter 200 fall 2 rise 1\n"
        for one in stack.zope.clients
    )
    servers += (
        f"    use-server {holding.SERVER} if {{ path {holding.PATH} }}\n"
        f"    server {holding.SERVER} unix@{stack.socket('hold')} "
        "maxconn 1 no-check disabled\n"
    )
    text = (
        f"global\n    stats socket {stack.socket('haproxy')} mode 600 level admin "
        "expose-fd listeners\n    maxconn 200\n    nbthread 1\n"
        "defaults\n    mode http\n    timeout connect 2s\n    timeout client 20s\n"
        "    timeout server 20s\n    timeout check 5s\n    option redispatch\n"
        "    retries 3\n    timeout queue 25s\n    balance leastconn\n"
        f"frontend web\n    bind {stack.chain.balancer}\n    default_backend plone\n"
        f"    http-response set-header X-Text {bench.text}\n"
        f"frontend stats\n    bind {stack.chain.stats}\n    stats enable\n"
        "    stats uri /stats\n"
        f"backend plone\n    option httpchk GET /@@ok\n{servers}{bench.broken}\n"
    )
    return File("haproxy/haproxy.cfg", text)


def _varnish(bench: Bench, stack: Stack) -> File:
    text = (
        f'vcl 4.1;\nbackend plone {{ .host = "127.0.0.1"; '
        f'.port = "{stack.chain.balancer.port}"; }}\n'
        "sub vcl_recv { return (pass); }\n"
        f'sub vcl_deliver {{ set resp.http.X-Vcl = "{bench.text}"; '
        'set resp.http.X-Cache = "MISS"; }\n'
    )
    return File("varnish/default.vcl", text)


def _nginx(bench: Bench, stack: Stack) -> File:
    temp = "".join(
        f"    {kind}_temp_path {stack.folders.var}/nginx-{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    text = (
        "daemon off;\nworker_processes 2;\n"
        f"pid {stack.folders.var}/nginx.pid;\n"
        f"error_log {stack.folders.log}/nginx-error.log;\n"
        "events { worker_connections 256; }\nhttp {\n"
        f"{temp}    access_log off;\n"
        f"    upstream cache {{ server {stack.chain.cache} max_fails=0; "
        f"server {stack.chain.balancer} backup; }}\n"
        f"    server {{ listen {stack.chain.http} default_server; return 444; }}\n"
        f"    server {{ listen {stack.chain.http}; server_name {HOST};\n"
        f"        add_header X-Nginx {bench.text}; # [stack] sites\n"
        "        location / { proxy_pass http://cache; proxy_next_upstream error; } }\n"
        f"{bench.extra}}}\n"
    )
    return File("nginx/nginx.conf", text)
