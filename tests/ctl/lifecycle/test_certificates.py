"""Certificates that are renewed under the same path, with a real nginx."""

from __future__ import annotations

import dataclasses
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.ctl.watching.watchdog import Watchdog
from collective.recipe.productionstack.machine.net import tls
from collective.recipe.productionstack.model.address import Address
from collective.recipe.productionstack.model.stack import Stack
from tests.support.bench import HOST
from tests.support.bench import Bench


class Secure(Bench):
    """A stack with a certificate for its site."""

    @property
    def certificate(self) -> Path:
        return self.folder / "cert.pem"

    @property
    def https(self) -> Address:
        return Address("127.0.0.1", self.ports[8])

    @property
    def stack(self) -> Stack:
        plain = super().stack
        (site,) = plain.sites
        key = str(self.folder / "key.pem")
        site = dataclasses.replace(
            site, scheme="https", certificate=str(self.certificate), key=key
        )
        chain = dataclasses.replace(plain.chain, https=self.https)
        return dataclasses.replace(plain, sites=(site,), chain=chain)

    def loaded(self) -> object:
        """Return whether nginx has what lies there, as status has it."""
        return self.status()["certificates"][0]["loaded"]

    def renew(self, days: int = 90, *more: str) -> None:
        """Write another certificate and key under the same paths, as certbot does."""
        new = self.folder / "new.pem", self.folder / "new-key.pem"
        subprocess.run(
            (
                *("openssl", "req", "-x509", "-newkey", "ec", "-nodes", "-pkeyopt"),
                *("ec_paramgen_curve:prime256v1", "-days", str(days), *more),
                *("-subj", f"/CN={HOST}", "-out", str(new[0]), "-keyout", str(new[1])),
            ),
            check=True,
            capture_output=True,
        )
        new[0].rename(self.certificate)
        new[1].rename(self.folder / "key.pem")


@pytest.fixture
def secure(daemons: None) -> Iterator[Secure]:
    with Secure(tiers=("haproxy", "varnish", "nginx")) as one:
        one.renew()
        one.extra = (
            f"    server {{ listen {one.https} ssl; server_name {HOST};\n"
            f"        ssl_certificate {one.certificate};\n"
            f"        ssl_certificate_key {one.folder}/key.pem;\n"
            "        return 200; }\n"
        )
        one.generate()
        one.up()
        yield one


class Twice(Secure):
    """A site with an RSA and an ECDSA certificate."""

    @property
    def second(self) -> tuple[str, str]:
        return f"{self.folder}/rsa.pem", f"{self.folder}/rsa-key.pem"

    @property
    def stack(self) -> Stack:
        plain = super().stack
        site = dataclasses.replace(plain.sites[0], more_certificates=(self.second,))
        return dataclasses.replace(plain, sites=(site,))

    def renew_second(self) -> None:
        certificate, key = self.second
        command = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days")
        named = ("9", "-subj", f"/CN={HOST}", "-out", certificate, "-keyout", key)
        subprocess.run((*command, *named), check=True, capture_output=True)


def test_each_kind_is_looked_at_and_taken_in(daemons: None) -> None:
    with Twice(tiers=("nginx",)) as one:
        one.renew()
        one.renew_second()
        lines = "".join(
            f"        ssl_certificate {pem};\n        ssl_certificate_key {key};\n"
            for pem, key in one.stack.sites[0].pairs
        )
        one.extra = (
            f"    server {{ listen {one.https} ssl; server_name {HOST};\n{lines}"
            "        return 200; }\n"
        )
        one.generate()
        one.up()
        both = one.status()["certificates"]
        assert {Path(each["file"]).name for each in both} == {"cert.pem", "rsa.pem"}
        one.wait(
            lambda: all(each["loaded"] for each in one.status()["certificates"]),
            "that each is asked for",
        )
        one.renew_second()
        done = one.run("certificate", "renew")
        assert done.output == f"visitors get what lies in {one.second[0]}\n"
        (there,) = tls.shown(one.https, HOST, 2, "RSA")
        assert (there,) == tls.in_file(one.second[0])
        assert tls.shown(one.https, HOST, 2, "ECDSA") == tls.in_file(
            str(one.certificate)
        )


def shown(bench: Secure) -> bytes:
    """Return what a visitor gets."""
    context = ssl._create_unverified_context()
    with (
        socket.create_connection((bench.https.host, bench.https.port)) as plain,
        context.wrap_socket(plain, server_hostname=HOST) as one,
    ):
        return one.getpeercert(binary_form=True) or b""


def lies(bench: Secure) -> bytes:
    return tls.in_file(str(bench.certificate))[0]


@pytest.mark.parametrize("verb", [("reload",), ("certificate", "renew")])
def test_a_renewed_certificate_is_taken_in(secure: Secure, verb: list[str]) -> None:
    pid = secure.pid("nginx")
    assert "nothing" in secure.run("certificate", "renew").output
    old = shown(secure)
    secure.renew()
    assert shown(secure) == old != lies(secure)
    said = f"another lies in {secure.certificate}: bin/stack reload"
    secure.wait(lambda: said in secure.run("status").output, "what it says")
    secure.wait(lambda: secure.loaded() is False, "what it says to a machine")

    done = secure.run(*verb)

    assert done.ok, done.text
    assert "visitors get" in done.output
    assert shown(secure) == lies(secure)
    assert secure.pid("nginx") == pid
    secure.wait(lambda: secure.loaded() is True, "what it says to a machine")
    assert "no running daemon had anything" in secure.run("reload").output


def test_a_chain_that_was_mended_is_taken_in(secure: Secure) -> None:
    leaf, key = secure.certificate.read_text(), (secure.folder / "key.pem").read_text()
    secure.renew()
    secure.certificate.write_text(leaf + secure.certificate.read_text())
    (secure.folder / "key.pem").write_text(key)
    assert shown(secure) == lies(secure)
    assert "visitors get" in secure.run("reload").output
    assert len(tls.shown(secure.https, HOST, 2)) == 2


def test_what_nginx_would_refuse_is_named_and_the_old_one_serves_on(
    secure: Secure,
) -> None:
    old = shown(secure)
    key = (secure.folder / "key.pem").read_text()
    secure.renew()
    (secure.folder / "key.pem").write_text(key)
    for verb in (("reload",), ("certificate", "renew")):
        done = secure.run(*verb)
        assert done.status == 1
        assert "nginx" in done.errors
    assert shown(secure) == old
    secure.certificate.write_text("no certificate")
    assert "UNUSABLE" in secure.run("status").output
    assert secure.run("status").status == 1
    assert secure.run("certificate").status == 1


def test_the_rest_of_the_lifetime_is_a_fraction(secure: Secure) -> None:
    assert (
        f"certificate {HOST}: 90.0 d left, 100% of its lifetime"
        in secure.run("certificate").output
    )
    secure.wait(lambda: secure.loaded() is True, "what it says to a machine")
    (one,) = secure.status()["certificates"]
    assert (one["rest"], one["ok"]) == (pytest.approx(1, abs=0.01), True)
    assert abs(one["ends"] - time.time() - 90 * 86400) < 60
    metrics = secure.run("status", "--metrics").output
    assert f'certificate_rest_ratio{{stack="stack",host="{HOST}"}} 0.99' in metrics
    assert f'certificate_loaded{{stack="stack",host="{HOST}"}} 1' in metrics


@pytest.mark.parametrize(
    ("begin", "end", "text"),
    [(90, -1, "ENDED 1.0 d ago"), (90, 10, "ENDS SOON: 10.0 d left, 10% of its")],
)
def test_one_that_ends_is_red_and_told(
    secure: Secure, begin: int, end: int, text: str
) -> None:
    _made(secure, begin, end)
    assert secure.run("certificate", "renew").ok
    # A busy nginx may not answer in the half second that status gives it.
    secure.wait(lambda: text in secure.run("status").output, text)
    assert secure.run("status").status == 1
    watchdog = Watchdog(Control(secure.folder, secure.name))
    watchdog.turn(time.monotonic())
    assert [key for key in watchdog.open if key.endswith("certificate")] == [
        f"{HOST} certificate"
    ]
    assert secure.status()["alerts"][0].startswith(f"the certificate of {HOST} ")


def _made(bench: Secure, begun: int, ends: int) -> None:
    """Write a certificate that began so many days ago and ends in so many."""
    folder = bench.folder
    (folder / "index").write_text("")
    (folder / "ca.conf").write_text(
        "[ca]\ndefault_ca = one\n[one]\nserial = serial\ndatabase = index\n"
        "new_certs_dir = .\ndefault_md = sha256\npolicy = any\n"
        "[any]\ncommonName = optional\n"
    )
    (folder / "serial").write_text("01\n")

    def at(days: int) -> str:
        return time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + days * 86400))

    key = ("-key", "key.pem", "-subj", f"/CN={HOST}")
    for command in (
        ("req", "-new", *key, "-out", "request.pem"),
        (
            *("ca", "-batch", "-selfsign", "-config", "ca.conf", "-keyfile", "key.pem"),
            *("-in", "request.pem", "-out", "cert.pem", "-notext"),
            *("-startdate", at(-begun), "-enddate", at(ends)),
        ),
    ):
        subprocess.run(
            ("openssl", *command), check=True, capture_output=True, cwd=folder
        )


def test_times_are_read_from_any_certificate(secure: Secure) -> None:
    _made(secure, 10, 365 * 40)  # GeneralizedTime after 2049
    begin, end = tls.validity(lies(secure))
    assert abs(begin + 10 * 86400 - time.time()) < 60
    assert abs(end - 365 * 40 * 86400 - time.time()) < 60
    with pytest.raises(ValueError, match="no certificate"):
        tls.validity(b"\x30\x03\x02\x01\x01")
