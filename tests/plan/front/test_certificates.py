"""Certificates and keys that are named: what is refused, and what is only said."""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from collective.recipe.productionstack.errors import Problem
from collective.recipe.productionstack.model.front import Acme
from collective.recipe.productionstack.model.site import Site
from collective.recipe.productionstack.options.load import StackOptions
from collective.recipe.productionstack.options.load import load
from collective.recipe.productionstack.plan import advice
from collective.recipe.productionstack.plan.front import certificates
from collective.recipe.productionstack.plan.stacks import Part
from tests.support import samples

NEW = {
    "rsa": ("rsa:2048",),
    "ecdsa": ("ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with pairs of both kinds: rsa.pem, rsa.key and so on."""
    folder = tmp_path_factory.mktemp("pairs")
    for name, kind in (*NEW.items(), ("other", NEW["ecdsa"])):
        command = ("openssl", "req", "-x509", "-nodes", "-days", "9", "-newkey", *kind)
        named = ("-subj", "/CN=x", "-addext", "subjectAltName=DNS:www.example.com")
        files = ("-out", f"{folder}/{name}.pem", "-keyout", f"{folder}/{name}.key")
        subprocess.run((*command, *named, *files), check=True, capture_output=True)
    return folder


def site(made: Path, *names: str, **more: Any) -> Site:
    """Return a site with these pairs; ``a-b`` is the certificate a with the key b."""
    parts = [(one.partition("-")[0], one.rpartition("-")[2]) for one in names]
    pairs = [(f"{made}/{pem}.pem", f"{made}/{key}.key") for pem, key in parts]
    first, *others = pairs or [("", "")]
    return dataclasses.replace(
        samples.SITE,
        aliases=(),
        certificate=first[0],
        key=first[1],
        more_certificates=tuple(others),
        **more,
    )


def faults(*sites: Site, alone: bool = False, **options: Any) -> list[Problem]:
    part = Part(name="stack", entry="nginx" if alone else "default", section={})
    chosen = StackOptions(**options)
    return list(certificates.problems(part, chosen, sites, samples.FOLDERS))


@pytest.mark.parametrize("names", [(), ("rsa",), ("rsa", "ecdsa"), ("gone",)])
def test_what_fits(made: Path, names: tuple[str, ...]) -> None:
    assert faults(site(made, *names)) == []


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (("ecdsa-other",), "the key belongs to another certificate: "),
        (("rsa-ecdsa",), "the key belongs to another certificate: "),
        (("rsa", "ecdsa-other"), "the key belongs to another certificate: "),
        (("ecdsa", "other"), "is ECDSA too, and one of each kind is used"),
    ],
)
def test_what_does_not(made: Path, names: tuple[str, ...], text: str) -> None:
    wrong = site(made, *names)
    (problem,) = faults(wrong, dataclasses.replace(wrong, host="b.example"))
    assert text in str(problem)
    assert str(problem).startswith(f"[stack] certificate = {made}/")
    (problem,) = faults(dataclasses.replace(wrong, own_certificate=True))
    assert str(problem).startswith("[stack] sites = www.example.com /Plone certificate")


def test_a_key_with_a_password_is_not_asked_for_it(made: Path, tmp_path: Path) -> None:
    shutil.copy(made / "rsa.pem", tmp_path / "rsa.pem")
    command = ("openssl", "rsa", "-aes256", "-passout", "pass:secret", "-in")
    files = (f"{made}/rsa.key", "-out", f"{tmp_path}/rsa.key")
    subprocess.run((*command, *files), check=True, capture_output=True)
    assert faults(site(tmp_path, "rsa")) == []


@pytest.mark.parametrize(
    ("options", "hosts", "text"),
    [
        ({"acme": "lego"}, "a.example", "acme-email: lego opens no account without"),
        (
            {"acme": "certbot", "certificate": ("/c",)},
            "a.example",
            "acme = certbot: the sites share a certificate already",
        ),
        (
            {"acme": "certbot"},
            "*.example",
            "acme = certbot: nobody certifies *.example over http",
        ),
        (
            {"acme": "certbot", "acme_ca_file": "/no/such"},
            "a.example",
            "acme-ca-file = /no/such: no certificate (PEM) can be read there",
        ),
    ],
)
def test_what_acme_cannot_do(options: dict[str, Any], hosts: str, text: str) -> None:
    wanted = dataclasses.replace(samples.SITE, host=hosts, aliases=(), acme=True)
    (problem,) = faults(wanted, **options)
    assert text in str(problem)


def test_a_piece_alone_gets_none() -> None:
    (problem,) = faults(alone=True, acme="certbot")
    assert "a piece alone has no verb that gets certificates" in str(problem)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
@pytest.mark.parametrize("name", ["acme", "certificates"])
def test_a_folder_that_cannot_be_written(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir(mode=0o500)
    part = Part(name="stack", entry="default", section={})
    folders = dataclasses.replace(samples.FOLDERS, var=str(tmp_path))
    chosen = StackOptions(acme="certbot")
    (problem,) = certificates.problems(part, chosen, (), folders)
    assert f"acme = certbot: {folder} cannot be written" in str(problem)
    assert str(problem).endswith(f"Run: chmod u+rwx {folder}")


def test_what_is_there_is_told_to_be_got_anew(made: Path) -> None:
    other = site(made, "rsa", acme=True, host="b.example")
    stack = samples.changed(sites=(other,))
    stack = dataclasses.replace(stack, acme=Acme(acme="certbot"))
    (line,) = [
        one
        for one in advice.warnings(stack, given=lambda *_: True)
        if "not installed" not in one
    ]
    assert line == (
        f"[stack] acme: {made}/rsa.pem: it is for www.example.com, not for b.example."
        " Run: /b/bin/stack certificate obtain b.example"
    )


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("acme", "nginx", "nginx's own module is kept for a later release"),
        ("acme", "acme.sh", "not one of certbot, lego, off"),
        ("acme-email", "nobody", "not a mail address"),
        ("acme-email", "a@b --evil", "not a mail address"),
        ("acme-directory", "http://ca.example/dir", "not a URL with https and a path"),
        ("acme-directory", "https://ca.example/a b", "not a URL with https and a path"),
        ("certificate", "/a.pem,", "there is no path between two commas"),
    ],
)
def test_values_that_are_none(name: str, value: str, text: str) -> None:
    _, (problem,) = load("stack", {name: value})
    assert text in str(problem)
