"""Keys, requests for certificates and self-signed ones, made by ``openssl``."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address
from pathlib import Path

from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.machine import run

PROGRAM = "openssl"
PACKAGE_HINT = "openssl is not installed; on Debian: apt-get install openssl"
DAYS = 3650
"""A self-signed certificate is not trusted anyhow; it must only never be over."""

CURVE = "ec_paramgen_curve:prime256v1"
"""What Mozilla's guideline 6.0 has for keys, and every CA and browser takes."""

REQUEST = """\
[req]
distinguished_name = nobody
req_extensions = names
x509_extensions = names
[nobody]
[names]
subjectAltName = {names}
"""


def self_signed(folder: Path, hosts: Iterable[str], chain: str, key: str) -> None:
    """Write a key and a certificate that nobody vouches for into a folder.

    Raises ControlError where that cannot be done.
    """
    more = ("-x509", "-days", str(DAYS), "-out", str(folder / chain))
    _make(folder, hosts, key, more, "/O=self-signed until one is obtained")


def request(folder: Path, hosts: Iterable[str], wanted: str, key: str) -> None:
    """Write a key and a request for a certificate (RFC 2986) into a folder.

    Raises ControlError where that cannot be done.
    """
    # Names stand in subjectAltName alone: a common name may have 64 letters at most.
    _make(folder, hosts, key, ("-new", "-out", str(folder / wanted)), "/")


def _make(
    folder: Path, hosts: Iterable[str], key: str, more: tuple[str, ...], subject: str
) -> None:
    program = run.find(PROGRAM)
    if program is None:
        raise ControlError(f"{PACKAGE_HINT}.")
    conf = REQUEST.format(names=",".join(map(_name, hosts)))
    command = (
        *(program, "req", "-config", "/dev/stdin", "-subj", subject, "-nodes"),
        *("-newkey", "ec", "-pkeyopt", CURVE, "-keyout", str(folder / key), *more),
    )
    done = run.run(command, text=conf, timeout=60)
    if not done.ok:
        raise ControlError(f"{PROGRAM} made no key in {folder}.{done.said}")
    (folder / key).chmod(0o600)


def _name(host: str) -> str:
    bare = host.strip("[]")
    try:
        return f"IP:{ip_address(bare)}"
    except ValueError:
        return f"DNS:{bare}"
