"""Certificates from a real CA (pebble), got by certbot and by lego."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from collective.recipe.productionstack.machine.net import tls
from tests.support.authority import ALIAS
from tests.support.authority import PROGRAMS
from tests.support.authority import Authority
from tests.support.authority import Certified
from tests.support.authority import certify
from tests.support.bench import HOST
from tests.support.sshd import needed

PAGE = Path(__file__).parents[3] / "docs/how-to/renew-certificates.md"
STEP = re.compile(r"(?m)^\$ bin/stack (certificate.*)\n((?:(?!\$|```).*\n)*)")

pytestmark = pytest.mark.daemon


@pytest.fixture(scope="module")
def programs() -> None:
    needed("nginx", *PROGRAMS)


@pytest.fixture(scope="module")
def pair_of(programs: None) -> Iterator[tuple[Certified, Authority]]:
    with Certified() as bench, Authority(bench.ports[0]) as authority:
        bench.use(authority, "certbot")
        bench.generate()
        bench.up()
        yield bench, authority


@pytest.fixture
def authority(pair_of: tuple[Certified, Authority]) -> Authority:
    return pair_of[1]


@pytest.fixture(params=["certbot", "lego"])
def bench(
    pair_of: tuple[Certified, Authority], request: pytest.FixtureRequest
) -> Certified:
    """Give the stack as it is before its first certificate, with each program."""
    bench, authority = pair_of
    bench.use(authority, request.param)
    shutil.rmtree(bench.folders.certificates, ignore_errors=True)
    shutil.rmtree(Path(bench.folders.var, "jobs"), ignore_errors=True)
    bench.generate()
    done = bench.run("reload")
    assert done.ok, done.text
    return bench


def modes(bench: Certified) -> dict[str, str]:
    found = (bench.pair, bench.pair / "fullchain.pem", bench.pair / "key.pem")
    return {one.name: f"{one.stat().st_mode & 0o777:o}" for one in found}


def as_the_page_says(bench: Certified) -> None:
    """Type what the documentation shows, and see what it shows, numbers aside."""
    for typed, shown in STEP.findall(PAGE.read_text("utf-8")):
        done = bench.run(*typed.split())
        assert done.ok, done.text
        # It shows a listener that everybody reaches, which is said louder.
        assert plain(done.output) == plain(shown), typed


def plain(text: str) -> str:
    return re.sub(r"\d+\.\d", "0.0", text).lower()


def test_from_nothing_to_renewal(bench: Certified, authority: Authority) -> None:
    (stand_in,) = bench.shown()
    assert tls.is_self_signed(stand_in)
    as_the_page_says(bench)
    first, *above = bench.shown()
    assert above
    assert tls.covers(tls.names(first), HOST)
    assert bench.shown(ALIAS)[0] == first, "the alias has it too"
    assert modes(bench) == {HOST: "700", "fullchain.pem": "600", "key.pem": "600"}
    assert "self-signed" not in bench.run("certificate").output
    assert bench.run("certificate").status == 0
    assert "no certificate is due" in bench.run("certificate", "obtain").output
    assert "no certificate is due" in bench.run("certificate", "renew").output
    assert bench.shown()[0] == first

    _age(bench, -80, 10)
    assert bench.run("reload").ok
    assert "ENDS SOON" in bench.run("certificate").output
    old = bench.shown()[0]
    done = bench.run("certificate", "renew")
    assert done.ok, done.text
    assert bench.shown()[0] not in {old, first}
    (job,) = [one for one in bench.status()["jobs"] if one["name"] == "certificate"]
    assert job["ok"]


def _age(bench: Certified, *days: int) -> None:
    """Put one there that began so many days ago and ends in so many."""
    folder = bench.folder / "aged"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    certify(folder, (days[0], days[1]), (HOST, ALIAS))
    for name in ("fullchain.pem", "key.pem"):
        shutil.copy(folder / name, bench.pair / name)


def lies(bench: Certified) -> tuple[str, str]:
    return tuple((bench.pair / one).read_text() for one in ("fullchain.pem", "key.pem"))  # type: ignore[return-value]


def job(bench: Certified) -> dict[str, object]:
    return next(one for one in bench.status()["jobs"] if one["name"] == "certificate")


def test_a_challenge_that_nobody_answers(
    bench: Certified, authority: Authority
) -> None:
    before = lies(bench)
    authority.lead(ALIAS, "127.0.0.9")
    try:
        done = bench.run("certificate", "obtain")
        assert done.status == 1
        assert f"got no certificate for {HOST}, {ALIAS}" in done.errors
        assert f"http://{HOST}/.well-known/acme-challenge/" in done.errors
        assert "Traceback" not in done.text
        assert lies(bench) == before
        assert tls.is_self_signed(bench.shown()[0])
        assert not job(bench)["ok"]
        assert "certificate: FAILED" in bench.run("status").output
    finally:
        authority.lead(ALIAS, "127.0.0.1")
    assert bench.run("certificate", "renew").ok
    assert job(bench)["ok"]
    assert not tls.is_self_signed(bench.shown()[0])


def test_a_ca_that_is_away_does_no_harm(bench: Certified, authority: Authority) -> None:
    _age(bench, -70, 20)
    assert bench.run("reload").ok
    before, shown = lies(bench), bench.shown()
    authority.stop()
    try:
        done = bench.run("--quiet", "certificate", "renew")
        assert done.status == 1
        assert "what there was serves on" in done.errors
        assert (lies(bench), bench.shown()) == (before, shown)
        assert not job(bench)["ok"]
    finally:
        authority.start()
