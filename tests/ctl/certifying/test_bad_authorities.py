"""What a CA, its program or an accident may do: the certificate that serves stays."""

from __future__ import annotations

import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from http.server import HTTPServer
from pathlib import Path

import pytest

from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.ctl.watching.certificates import line
from collective.recipe.productionstack.daemons.certificates import Certificate
from collective.recipe.productionstack.machine import locks
from collective.recipe.productionstack.machine.net import tls
from collective.recipe.productionstack.machine.run import Result
from collective.recipe.productionstack.model.front import Acme
from collective.recipe.productionstack.model.stack import Watching
from tests.support.authority import ALIAS
from tests.support.authority import Certified
from tests.support.authority import certify
from tests.support.bench import HOST

pytestmark = pytest.mark.daemon

PROGRAM = """\
#!/bin/sh
while [ $# -gt 0 ]; do
    case $1 in --csr) csr=$2 ;; --fullchain-path) out=$2 ;; esac
    shift
done
sign() {{
    printf 'subjectAltName=%s' "$1" >"$out.names"
    openssl x509 -req -in "$csr" -CA {ca}/ca.pem -CAkey {ca}/ca.key \\
        -CAcreateserial -days 90 -extfile "$out.names" -out "$out"
}}
"""
JUNK = "printf -- '-----%s CERTIFICATE-----\\n' BEGIN END | sed '1a MDAw'"
RIGHT = f"sign DNS:{HOST},DNS:{ALIAS}"


@pytest.fixture(scope="module")
def one() -> Iterator[Certified]:
    with Certified() as bench:
        bench.acme = Acme(acme="certbot", acme_directory="https://ca.example/dir")
        (bench.folder / "ca").mkdir()
        certify(bench.folder / "ca", hosts=(HOST, ALIAS))
        bench.generate()
        bench.up()
        yield bench


@pytest.fixture
def bench(one: Certified) -> Certified:
    shutil.rmtree(one.folders.certificates, ignore_errors=True)
    done = one.run("reload")
    assert done.ok, done.text
    return one


def program(bench: Certified, body: str) -> dict[str, str]:
    """Write a program that stands for certbot and a CA; return where it is found."""
    path = bench.folder / "fake/certbot"
    path.parent.mkdir(exist_ok=True)
    path.write_text(PROGRAM.format(ca=bench.folder / "ca") + body + "\n")
    path.chmod(0o755)
    return {**os.environ, "PATH": f"{path.parent}:{os.environ['PATH']}"}


def obtain(bench: Certified, body: str) -> Result:
    return bench.run("certificate", "obtain", env=program(bench, body))


def state(bench: Certified) -> tuple[object, ...]:
    """Return what lies there and what visitors get."""
    files = ("fullchain.pem", "key.pem")
    lies = tuple((bench.pair / one).read_text() for one in files)
    left = [one.name for one in Path(bench.folders.certificates).glob(".new-*")]
    return lies, bench.shown(), left


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (f"sign DNS:{HOST}", f"it is for {HOST}, not for {ALIAS}"),
        ('cp "$CA/fullchain.pem" "$out"', "the key belongs to another certificate"),
        ("echo hello >$out", "it holds no certificate"),
        (f"{RIGHT}; sed -n 1,5p $out >$out.2; mv $out.2 $out", "holds no certificate"),
        (f"{RIGHT}; {JUNK} >>$out", "cannot be used"),
        ("exit 0", "got no certificate"),
        (f"{RIGHT}; exit 3", "got no certificate"),
        ("printf 'no \\033[2J terminal\\n' >&2; exit 1", "no \\x1b[2J terminal"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_not_taken(
    bench: Certified, body: str, text: str
) -> None:
    before = state(bench)
    done = obtain(bench, f"CA={bench.folder}/ca\n{body}")
    assert done.status == 1
    assert text in done.errors
    assert "PRIVATE KEY" not in done.text
    assert state(bench) == before


def test_one_that_is_over(bench: Certified) -> None:
    """A clock that is wrong, here or there."""
    before = state(bench)
    ca = bench.folder / "ca"
    sign = (
        f"cd {ca} && openssl ca -batch -config ca.conf -cert ca.pem -keyfile ca.key"
        ' -in "$csr" -out "$out" -notext -startdate 20200101000000Z'
        " -enddate 20200201000000Z"
    )
    done = obtain(bench, sign)
    assert "it is not valid now" in done.errors
    assert state(bench) == before


def test_both_come_back_where_the_daemon_refuses(bench: Certified) -> None:
    """Something else breaks while the CA is at work."""
    assert obtain(bench, RIGHT).ok
    before = state(bench)
    guard = Path(bench.folders.applied, "nginx/guard.conf").resolve()
    text = guard.read_text()
    try:
        env = program(bench, f"{RIGHT}; echo nonsense >>{guard}")
        done = bench.run("certificate", "obtain", HOST, env=env)
        assert done.status == 1
        assert "The certificate before lies there again and serves on" in done.errors
        assert "guard.conf" in done.errors
        assert state(bench) == before
        asked = bench.folder / "asked"
        done = bench.run("certificate", "obtain", HOST, env=program(bench, f">{asked}"))
        assert "is refused as it is" in done.errors
        assert not asked.exists(), "in vain, and a CA counts"
    finally:
        guard.write_text(text)


def test_a_renewal_that_fails_is_told_once(one: Certified) -> None:
    told: list[bytes] = []

    class Told(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Told) as server, Certified() as bench:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        bench.acme = one.acme
        bench.watching = Watching(webhook=f"http://127.0.0.1:{server.server_port}/")
        (bench.folder / "ca").mkdir()
        certify(bench.folder / "ca", hosts=(HOST, ALIAS))
        bench.generate()
        said = bench.up().errors
        assert (
            f"{HOST}: the certificate is self-signed until bin/stack certificate"
            in (said)
        )
        env = program(bench, "exit 1")
        for _ in range(2):
            assert bench.run("--quiet", "certificate", "renew", env=env).status == 1
        server.shutdown()
        assert len(told) == 1
        assert b"certificate failed: www.example.com: certbot got no" in told[0]


def test_a_stand_in_is_red_for_everybody(bench: Certified) -> None:
    found = Certificate(path="/c", hosts=(HOST,), begins=0, ends=9e9, ours=True)
    assert found.ok
    found = dataclasses.replace(found, self_signed=True)
    assert found.ok
    control = Control(bench.folder, bench.name)
    assert "SELF-SIGNED" not in line(control, found)
    found = dataclasses.replace(found, public=True)
    assert not found.ok
    assert "SELF-SIGNED until one is obtained: bin/stack certificate" in line(
        control, found
    )


def test_killed_on_the_way(bench: Certified) -> None:
    before = state(bench)
    going, go = bench.folder / "going", bench.folder / "go"
    env = program(
        bench, f"echo $$ >{going}; while [ ! -e {go} ]; do sleep 0.1; done; {RIGHT}"
    )
    script = str(bench.folder / "bin/stack")
    with subprocess.Popen(
        (sys.executable, script, "certificate", "obtain"), env=env
    ) as one:
        bench.wait(lambda: going.exists() and going.read_text(), "that it asks")
        one.send_signal(signal.SIGKILL)
    lies, shown, left = state(bench)
    assert (lies, shown) == before[:2]
    assert len(left) == 1  # type: ignore[arg-type]
    lock = f"{bench.folders.certificates}/.lock"
    assert locks.is_held(lock), "by the program that goes on"
    go.touch()
    bench.wait(lambda: not locks.is_held(lock), "that it ends")
    assert state(bench)[:2] == before[:2]
    done = obtain(bench, RIGHT)
    assert done.ok, done.text
    assert state(bench)[2] == []
    assert not tls.is_self_signed(bench.shown()[0])


def test_two_at_once_ask_once(bench: Certified) -> None:
    asked = bench.folder / "asked"
    asked.unlink(missing_ok=True)
    env = program(bench, f"echo once >>{asked}; sleep 1; {RIGHT}")
    command = (sys.executable, str(bench.folder / "bin/stack"), "certificate")
    both = [
        subprocess.Popen((*command, verb), env=env, stdout=subprocess.PIPE, text=True)
        for verb in ("obtain", "renew")
    ]
    said = [one.communicate(timeout=60)[0] for one in both]
    assert [one.returncode for one in both] == [0, 0], said
    assert asked.read_text() == "once\n"
    assert sum("no certificate is due" in text for text in said) == 1


def test_what_is_kept_is_the_newest_and_the_one_before(bench: Certified) -> None:
    for _ in range(3):
        env = program(bench, RIGHT)
        assert bench.run("certificate", "obtain", HOST, env=env).ok
    kept = list(Path(bench.folders.certificates, ".kept", HOST).iterdir())
    assert len(kept) == 2
    assert all(one.stat().st_mode & 0o777 == 0o700 for one in kept)
    assert {one.name for one in bench.pair.iterdir()} == {"fullchain.pem", "key.pem"}


@pytest.mark.parametrize("name", ["fullchain.pem", "key.pem"])
def test_what_was_damaged_is_got_anew(bench: Certified, name: str) -> None:
    (bench.pair / name).write_text("")
    done = obtain(bench, RIGHT)
    assert done.ok, done.text
    assert not tls.is_self_signed(bench.shown()[0])
    (bench.pair / name).write_text("")
    assert bench.run("reload").ok, "a site with a self-signed one is better than none"
    assert tls.is_self_signed(bench.shown()[0])


def test_a_copy_without_links_is_taken_over(bench: Certified) -> None:
    before = state(bench)
    copy = bench.folder / "copied"
    shutil.copytree(bench.pair, copy)
    bench.pair.unlink()
    copy.rename(bench.pair)
    assert state(bench) == before
    done = obtain(bench, RIGHT)
    assert done.ok, done.text
    assert bench.pair.is_symlink()
    assert len(list(Path(bench.folders.certificates, ".kept", HOST).iterdir())) == 2


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (
            ("nobody.example",),
            f"no site has the host nobody.example. There are: {HOST}",
        ),
        ((ALIAS,), "certbot got no certificate for"),
    ],
)
def test_hosts_that_are_named(
    bench: Certified, words: tuple[str, ...], text: str
) -> None:
    done = bench.run("certificate", "obtain", *words, env=program(bench, "exit 1"))
    assert (done.status, text in done.errors) == (1, True), done.text


def test_a_program_that_is_missing_is_named(bench: Certified) -> None:
    bare = bench.folder / "bare"
    bare.mkdir(exist_ok=True)
    done = bench.run("certificate", "obtain", env={"PATH": str(bare)})
    if "got no certificate" in done.errors:
        pytest.skip("certbot lies in /usr/local/bin")
    assert "openssl is not installed; on Debian: apt-get install openssl" in done.errors
    assert "certbot is not installed; on Debian: apt-get install certbot" in done.errors


@pytest.mark.parametrize("name", ["acme", "certificates"])
def test_a_folder_that_cannot_be_written(bench: Certified, name: str) -> None:
    folder = Path(bench.folders.var, name)
    folder.chmod(0o500)
    try:
        done = obtain(bench, RIGHT)
    finally:
        folder.chmod(0o700)
    assert done.status == 1
    assert "Traceback" not in done.text
    assert str(folder) in done.errors


def test_nothing_runs() -> None:
    with Certified() as bench:
        bench.acme = Acme(acme="certbot", acme_directory="https://ca.example/dir")
        bench.generate()
        done = bench.run("certificate", "obtain")
        assert done.status == 1
        assert "bin/stack up first" in done.errors
        assert bench.run("certificate", "renew").ok
        assert not bench.pair.exists()


def test_a_check_needs_no_certificate_and_makes_none() -> None:
    with Certified() as bench:
        bench.acme = Acme(acme="certbot", acme_directory="https://ca.example/dir")
        bench.generate()
        done = bench.run("check")
        assert done.ok, done.text
        assert not Path(bench.folders.certificates).exists()
