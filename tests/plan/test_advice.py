"""What is not ready for production is said, with what to write or to run."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from collective.recipe.productionstack.model.address import Address
from collective.recipe.productionstack.model.storage import Keeping
from collective.recipe.productionstack.options.load import StackOptions
from collective.recipe.productionstack.plan import advice
from collective.recipe.productionstack.plan import programs
from collective.recipe.productionstack.plan.facts import Facts
from tests.support import samples


def said(**values: Any) -> list[str]:
    stack = samples.changed(**values)
    return list(advice.warnings(stack, given=lambda *_: True))


def test_what_is_ready_is_left_alone() -> None:
    assert said() == []


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "db.example.com"])
@pytest.mark.parametrize("name", ["cache", "purge", "balancer", "stats"])
def test_an_inner_listener_on_a_public_address(name: str, host: str) -> None:
    (line,) = said(**{name: Address(host, 8077)})
    assert line.startswith(f"[stack] {name}-address: ")
    assert line.endswith(f"Write: {name}-address = 127.0.0.1:8077")


def test_the_outermost_is_meant_for_everybody() -> None:
    everywhere = Address("0.0.0.0", 8077)
    assert said(http=everywhere, https=Address("0.0.0.0", 8443)) == []
    assert said(web_server="none", cache=everywhere) == []
    assert len(said(web_server="none", cache=everywhere, purge=everywhere)) == 1
    nobody = {"web_server": "none", "proxy_cache": "none"}
    assert said(**nobody, balancer=everywhere) == []
    assert len(said(**nobody, balancer=everywhere, stats=everywhere)) == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may listen everywhere")
def test_ports_that_only_root_has() -> None:
    both = said(http=Address("0.0.0.0", 80), https=Address("0.0.0.0", 443))
    for line, name in zip(both, ("http", "https"), strict=True):
        assert line.startswith(f"[stack] {name}-address = 0.0.0.0:")
        assert "only root may listen on ports below" in line
        assert "docs/how-to/ports-80-and-443.md" in line
    assert said(web_server="none", http=Address("0.0.0.0", 80)) == []


def test_what_is_to_be_run_and_is_not_there() -> None:
    lines = ("a command /no/such/engine", "b command bin/made-later", "c command sh")
    facts = Facts(directory="/b", bin="/b/bin")
    chosen = programs.choose("stack", StackOptions(programs=lines), facts, set())
    (line,) = said(extras=chosen.extras)
    assert "programs: a: this machine has no /no/such/engine that can be run" in line


def test_a_front_whose_word_does_not_count() -> None:
    elsewhere = dataclasses.replace(samples.SITE, scheme="https", url_port=443)
    (line,) = said(sites=(elsewhere, elsewhere))
    assert "www.example.com is https elsewhere" in line
    assert line.endswith("trusted-proxies = 127.0.0.1")
    assert " and no limit is set. " not in line
    stack = samples.changed(sites=(elsewhere,))
    (line,) = advice.warnings(stack, given=lambda *_: False)
    assert "seems to come from there and no limit is set. Write" in line
    assert said(sites=(elsewhere,), trusted_proxies=("10.0.0.0/8",)) == []
    assert said(sites=(elsewhere,), https=Address("0.0.0.0", 8443)) == []


def test_a_web_server_that_cannot_mark_cookies() -> None:
    host = dataclasses.replace(samples.STACK.host, versions=(("nginx", (1, 18, 0)),))
    (line,) = said(host=host)
    assert line.startswith("[stack] web-server: nginx 1.18.0 cannot make Plone's cook")
    newer = dataclasses.replace(host, versions=(("nginx", (1, 19, 3)),))
    assert said(host=newer) == []
    assert said(host=host, services=("varnish", "haproxy")) == []


def test_zeo_on_loopback_tcp() -> None:
    address = Address("127.0.0.1", 8100)
    storage = samples.changed(samples.STACK).data.storage
    assert storage is not None
    clients = samples.STACK.zope.clients
    moved = [
        dataclasses.replace(one, zeo_addresses=(address,))
        for one in (*clients, samples.client(0))
    ]
    found = said(
        storage=dataclasses.replace(storage, address=address),
        clients=tuple(moved[:2]),
        debug_client=moved[2],
    )
    (line,) = found
    assert "[zeoserver] zeo-address = 127.0.0.1:8100: every user and daemon" in line


@pytest.mark.parametrize(("mode", "number"), [(0o600, 0), (0o640, 0), (0o644, 1)])
def test_a_key_that_others_can_read(tmp_path: Path, mode: int, number: int) -> None:
    key = tmp_path / "key.pem"
    key.touch(mode)
    key.chmod(mode)
    site = dataclasses.replace(samples.SITE, certificate="/c", key=str(key))
    found = said(sites=(site,))
    assert len(found) == number
    assert all(f"Run: chmod o-rwx {key}" in line for line in found)


def test_a_sync_key_that_is_not_there(tmp_path: Path) -> None:
    key = tmp_path / "id"
    (line,) = said(keeping=Keeping(sync_key=str(key)))
    assert line.startswith(f"[stack] sync-key = {key}: no such file")
    key.touch()
    assert said(keeping=Keeping(sync_key=str(key))) == []


def _certificate(folder: Path, *more: str, name: str = "cert") -> str:
    path = folder / f"{name}.pem"
    command = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes")
    named = ("-subj", "/CN=ignored.example", "-keyout", str(folder / "key.pem"))
    subprocess.run(
        (*command, *named, "-out", str(path), *more), check=True, capture_output=True
    )
    return str(path)


def test_a_certificate_for_other_hosts_or_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = "subjectAltName=DNS:www.example.com,DNS:*.example.org,IP:192.0.2.1,IP:::1"
    good = _certificate(tmp_path, "-days", "9", "-addext", names)

    def about(path: str, host: str, *aliases: str) -> list[str]:
        one = dataclasses.replace(
            samples.SITE, certificate=path, host=host, aliases=aliases
        )
        return said(sites=(one,), https=Address("0.0.0.0", 8443))

    for host in ("www.example.com", "a.example.org", "192.0.2.1", "[::1]"):
        assert about(good, host) == []
    (line,) = about(good, "www.example.com", "a.b.example.org", "example.com")
    assert line.startswith(f"[stack] certificate = {good}: it is for www.example.com, ")
    assert "not for a.b.example.org, example.com. Get one" in line
    later = time.time() + 20 * 86400
    with monkeypatch.context() as patch:
        patch.setattr(time, "time", lambda: later)
        (line,) = about(good, "www.example.com")
    assert ": it ended on " in line
    bare = _certificate(tmp_path, "-days", "9", name="bare")
    (line,) = about(bare, "www.example.com")
    assert "it is for no host, not for www.example.com" in line
    broken = tmp_path / "broken.pem"
    broken.write_text("-----BEGIN CERTIFICATE-----\nMDAw\n-----END CERTIFICATE-----\n")
    assert about(str(broken), "www.example.com") == []
