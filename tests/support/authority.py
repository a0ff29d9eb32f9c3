"""A real CA on the loopback (pebble), and a stack that gets its certificates there."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
import urllib.request
from functools import cache
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from collective.recipe.productionstack.daemons.cron import config as cron
from collective.recipe.productionstack.daemons.nginx import config as nginx
from collective.recipe.productionstack.machine import run
from collective.recipe.productionstack.machine import waiting
from collective.recipe.productionstack.machine.net import tls
from collective.recipe.productionstack.model.address import Address
from collective.recipe.productionstack.model.front import Acme
from collective.recipe.productionstack.model.stack import Stack
from collective.recipe.productionstack.tree import check
from collective.recipe.productionstack.tree import render
from collective.recipe.productionstack.tree.trees import File
from collective.recipe.productionstack.tree.trees import Tree
from tests.support import ports
from tests.support.bench import HOST
from tests.support.bench import Bench

if TYPE_CHECKING:
    from typing_extensions import Self

ALIAS = "example.com"
PROGRAMS = ("pebble", "pebble-challtestsrv", "certbot", "lego", "openssl")


class Authority:
    """pebble, which asks a web server's port, and the name server that it believes."""

    def __init__(self, port_of_challenges: int) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="ca-"))
        self.ports = ports.take(4)
        self.challenges = port_of_challenges
        self.running: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        self._prepare()
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        ports.give_back(self.ports)
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def directory(self) -> str:
        return f"https://localhost:{self.ports[0]}/dir"

    @property
    def root(self) -> Path:
        """What vouches for its address."""
        return self.folder / "root.pem"

    def _prepare(self) -> None:
        names = "subjectAltName=DNS:localhost"
        command = (
            *("openssl", "req", "-x509", "-newkey", "ec", "-nodes", "-pkeyopt"),
            *("ec_paramgen_curve:prime256v1", "-days", "9", "-subj", "/CN=localhost"),
            *("-addext", names, "-keyout", f"{self.folder}/key.pem"),
        )
        assert run.run((*command, "-out", str(self.root))).ok
        acme, management, *_ = self.ports
        settings = {
            "listenAddress": f"127.0.0.1:{acme}",
            "managementListenAddress": f"127.0.0.1:{management}",
            "certificate": str(self.root),
            "privateKey": f"{self.folder}/key.pem",
            "httpPort": self.challenges,
            "tlsPort": self.challenges,
            "externalAccountBindingRequired": False,
        }
        (self.folder / "pebble.json").write_text(json.dumps({"pebble": settings}))

    def start(self) -> None:
        _, _, dns, management = self.ports
        helped = run.run(("pebble-challtestsrv", "-h")).text
        # Newer ones would listen for DNS over HTTPS too, on one port for all.
        off = ("-doh", "") if "-doh" in helped else ()
        self._run(
            *("pebble-challtestsrv", "-dns01", f"127.0.0.1:{dns}", "-defaultIPv6", ""),
            *("-http01", "", "-https01", "", "-tlsalpn01", "", *off),
            *("-management", f"127.0.0.1:{management}"),
        )
        self._run(
            *("pebble", "-config", f"{self.folder}/pebble.json"),
            *("-dnsserver", f"127.0.0.1:{dns}"),
        )
        for port in (self.ports[0], management):
            assert waiting.until(partial(_listens, port), 20), self.log

    def _run(self, *command: str) -> None:
        known = {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0"}
        with (self.folder / "log").open("ab") as log:
            one = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                env={**os.environ, **known, "PEBBLE_AUTHZREUSE": "0"},
            )
        self.running.append(one)

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def stop(self) -> None:
        """Be away."""
        while self.running:
            one = self.running.pop()
            one.terminate()
            one.wait(10)

    def lead(self, host: str, address: str) -> None:
        """Let a name lead to another address than 127.0.0.1."""
        data = json.dumps({"host": f"{host}.", "addresses": [address]}).encode()
        url = f"http://127.0.0.1:{self.ports[3]}"
        for what in ("clear-a", "add-a"):
            urllib.request.urlopen(f"{url}/{what}", data, timeout=5).close()


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


@cache
def _versions() -> tuple[tuple[str, tuple[int, ...]], ...]:
    return (("nginx", check.version_of("nginx", "-v")),)


class Certified(Bench):
    """A stack whose site has no certificate, with the nginx that users get."""

    def __init__(self) -> None:
        super().__init__(tiers=("nginx",))
        self.acme = Acme()
        self.aliases: tuple[str, ...] = (ALIAS,)

    @property
    def https(self) -> Address:
        return Address("127.0.0.1", self.ports[8])

    @property
    def pair(self) -> Path:
        """The folder of the site's certificate and key."""
        return Path(self.folders.certificates, HOST)

    @property
    def stack(self) -> Stack:
        plain = super().stack
        (site,) = plain.sites
        site = dataclasses.replace(
            site,
            aliases=self.aliases,
            scheme="https",
            certificate=f"{self.pair}/fullchain.pem",
            key=f"{self.pair}/key.pem",
            acme=True,
        )
        chain = dataclasses.replace(
            plain.chain, https=self.https, proxy_cache="none", load_balancer="none"
        )
        host = dataclasses.replace(plain.host, versions=_versions())
        stack = dataclasses.replace(
            plain, sites=(site,), chain=chain, acme=self.acme, host=host
        )
        (real,) = nginx.programs(stack)
        announced = dataclasses.replace(
            stack.announced,
            programs=tuple(
                real if one.name == "nginx" else one for one in stack.announced.programs
            ),
            checks=nginx.checks(stack),
            jobs=cron.jobs(stack),
        )
        return dataclasses.replace(stack, announced=announced)

    def tree(self) -> Tree:
        stack = self.stack
        others = [one for one in super().tree().files if "nginx/" not in one.path]
        files = [
            File(path, render.render(template, {"stack": stack, **values}))
            for path, template, values in nginx.files(stack)
        ]
        return Tree((*others, *files))

    def use(self, authority: Authority, client: str) -> None:
        """Let that program get certificates from that CA from now on."""
        self.acme = Acme(
            acme=client,
            acme_email="webmaster@example.com",
            acme_directory=authority.directory,
            acme_ca_file=str(authority.root),
        )

    def shown(self, host: str = HOST) -> tls.Chain:
        """Return what a visitor gets."""
        return tls.shown(self.https, host, 5)

    def handshake(self, host: str) -> ssl.SSLSocket:
        """Return a visitor's connection."""
        context = ssl._create_unverified_context()
        plain = socket.create_connection((self.https.host, self.https.port), 5)
        return context.wrap_socket(plain, server_hostname=host)


CA_CONF = """\
[ca]
default_ca = one
[one]
serial = serial
database = index
new_certs_dir = .
default_md = sha256
policy = any
x509_extensions = names
unique_subject = no
[any]
commonName = optional
[names]
subjectAltName = {names}
[req]
distinguished_name = any
"""


def certify(
    folder: Path, days: tuple[int, int] = (-1, 90), hosts: tuple[str, ...] = (HOST,)
) -> None:
    """Write fullchain.pem and key.pem, as of a CA, into a folder.

    Valid from so many days ago (below 0) to so many from now.
    """
    names = ",".join(f"DNS:{one}" for one in hosts)
    (folder / "ca.conf").write_text(CA_CONF.format(names=names))
    (folder / "index").write_text("")
    (folder / "serial").write_text("01\n")
    begin, end = (
        time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + one * 86400))
        for one in days
    )
    new = (
        *("req", "-config", "ca.conf", "-newkey", "ec", "-nodes"),
        *("-pkeyopt", "ec_paramgen_curve:prime256v1"),
    )
    for command in (
        (*new, "-x509", "-subj", "/CN=CA", "-keyout", "ca.key", "-out", "ca.pem"),
        (*new, "-subj", "/", "-keyout", "key.pem", "-out", "request.pem"),
        (
            *("ca", "-batch", "-config", "ca.conf", "-cert", "ca.pem", "-notext"),
            *("-keyfile", "ca.key", "-in", "request.pem", "-out", "fullchain.pem"),
            *("-startdate", begin, "-enddate", end),
        ),
    ):
        done = run.run(("openssl", *command), cwd=folder)
        assert done.ok, done.text
