"""Certificates as files hold them, and as a listener shows them to visitors."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterable
from collections.abc import Iterator
from datetime import datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from collective.recipe.productionstack.model.address import Address

Chain = tuple[bytes, ...]
"""A certificate and those that it rests on, each as DER."""

PEM = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
UTC_TIME, VERSION, LONG_LENGTH = 0x17, 0xA0, 0x80
EXTENSIONS, DNS, IP = 0xA3, 0x82, 0x87
ALTERNATIVE = bytes.fromhex("551d11")
"""The object identifier of subjectAltName, 2.5.29.17."""

ISSUER, VALIDITY, SUBJECT, PUBLIC_KEY = 2, 3, 4, 5
"""Where they stand in a certificate, its version left out (RFC 5280 4.1)."""

KINDS = {
    bytes.fromhex("2a864886f70d010101"): "RSA",
    bytes.fromhex("2a8648ce3d0201"): "ECDSA",
}
"""The object identifiers of public keys (RFC 3279 2.3), by OpenSSL's name for them."""

OTHER_KIND = "NO_CERTIFICATE_ASSIGNED"
"""What OpenSSL says of an RSA certificate with an ECDSA key, or the other way."""

STRANGER = "the key belongs to another certificate"


def in_file(path: str) -> Chain:
    """Return what a PEM file holds, the visitors' certificate first.

    Raises OSError where it cannot be read, ValueError where it holds none.
    """
    text = Path(path).read_text(encoding="ascii", errors="replace")
    found = tuple(ssl.PEM_cert_to_DER_cert(one) for one in PEM.findall(text))
    if not found:
        message = "it holds no certificate"
        raise ValueError(message)
    return found


def shown(
    address: Address,
    host: str,
    timeout: float,
    of_kind: str = "",
    greeting: bytes = b"",
) -> Chain:
    """Return what a listener shows to visitors of a host; nothing where it refuses.

    Of several certificates the one ``of_kind``: with TLS 1.2 the cipher says which.
    A ``greeting`` is sent before the handshake.
    """
    context = ssl.create_default_context()
    context.check_hostname = False  # expired or not, it is to be seen
    context.verify_mode = ssl.CERT_NONE
    if of_kind:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(f"a{of_kind}")
    target = address.to_connect
    try:
        with socket.create_connection((target.host, target.port), timeout) as plain:
            plain.sendall(greeting)
            with context.wrap_socket(plain, server_hostname=host) as one:
                return _chain(one)
    except (OSError, ValueError):
        return ()


def _chain(connection: Any) -> Chain:
    """Return the whole chain; before Python 3.13 only an inner object knows it."""
    if hasattr(connection, "get_unverified_chain"):
        return tuple(connection.get_unverified_chain())
    inner = connection._sslobj.get_unverified_chain()  # noqa: SLF001 (see above)
    return tuple(ssl.PEM_cert_to_DER_cert(one.public_bytes()) for one in inner or ())


def validity(certificate: bytes) -> tuple[float, float]:
    """Return from when to when one is valid, in seconds since the epoch.

    Raises ValueError for what is no certificate (RFC 5280 4.1).
    """
    try:
        fields = _fields(certificate)
        begin, end = (_time(tag, value) for tag, value in _items(fields[VALIDITY]))
    except (IndexError, UnicodeDecodeError) as error:
        message = "it holds no certificate"
        raise ValueError(message) from error
    return begin, end


def _fields(certificate: bytes) -> list[bytes]:
    ((_, whole),) = _items(certificate)
    (_, inner), *_ = _items(whole)
    return [value for tag, value in _items(inner) if tag != VERSION]


def kind(certificate: bytes) -> str:
    """Return the kind of a certificate's key: RSA, ECDSA, or nothing for another.

    Raises ValueError for what is no certificate.
    """
    try:
        (_, algorithm), *_ = _items(_fields(certificate)[PUBLIC_KEY])
        (_, identifier), *_ = _items(algorithm)
    except IndexError as error:
        message = "it holds no certificate"
        raise ValueError(message) from error
    return KINDS.get(identifier, "")


def is_self_signed(certificate: bytes) -> bool:
    """Whether nobody else vouches for one.

    Raises ValueError for what is no certificate.
    """
    try:
        fields = _fields(certificate)
        return fields[ISSUER] == fields[SUBJECT]
    except IndexError as error:
        message = "it holds no certificate"
        raise ValueError(message) from error


def pair_trouble(certificate: str, key: str) -> str:
    """Say where a key was made for another certificate; empty where that is unknown."""
    trouble = unusable(certificate, key)
    return trouble if trouble.startswith(STRANGER) else ""


def unusable(certificate: str, key: str) -> str:
    """Say why nobody can serve with a certificate and a key; empty where one can."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        # A key with a password is not asked for it: that would wait for a person.
        context.load_cert_chain(certificate, key, password=lambda: "")
    except ssl.SSLError as error:
        if "MISMATCH" in (error.reason or "") or error.reason == OTHER_KIND:
            return f"{STRANGER}: {key}"
        return f"{error.reason or error}".lower().replace("_", " ")
    except (OSError, ValueError) as error:
        return getattr(error, "strerror", None) or str(error)
    return ""


def names(certificate: bytes) -> tuple[str, ...]:
    """Return the host names and addresses that one is for (RFC 5280 4.2.1.6).

    Raises ValueError for what is no certificate.
    """
    try:
        ((_, whole),) = _items(certificate)
        (_, inner), *_ = _items(whole)
        more = (value for tag, value in _items(inner) if tag == EXTENSIONS)
        found = [tuple(_items(one)) for value in more for one in _inside(value)]
        values = [parts[-1][1] for parts in found if parts[0][1] == ALTERNATIVE]
    except IndexError as error:
        message = "it holds no certificate"
        raise ValueError(message) from error
    listed = [pair for value in values for pair in _items(next(_items(value))[1])]
    hosts = (one.decode("ascii", "replace") for tag, one in listed if tag == DNS)
    addresses = (str(ip_address(one)) for tag, one in listed if tag == IP)
    return (*map(str.lower, hosts), *addresses)


def _inside(value: bytes) -> list[bytes]:
    """Return the items of each sequence in a value."""
    return [one for _, several in _items(value) for _, one in _items(several)]


def covers(names: Iterable[str], host: str) -> bool:
    """Whether a host is among names; a star stands for one label (RFC 9525 6.3)."""
    bare = host.strip("[]").lower()
    above = bare.partition(".")[2]
    return any(one == bare or (above and one == f"*.{above}") for one in names)


def _items(der: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield tag and value of each item of a sequence (ITU-T X.690 8.1)."""
    at = 0
    while at < len(der):
        tag, size, at = der[at], der[at + 1], at + 2
        if size >= LONG_LENGTH:
            more = size - LONG_LENGTH
            size, at = int.from_bytes(der[at : at + more], "big"), at + more
        yield tag, der[at : at + size]
        at += size


def _time(tag: int, value: bytes) -> float:
    # %y: 69 and later are of the last century, which no certificate in use is.
    form = "%y%m%d%H%M%S%z" if tag == UTC_TIME else "%Y%m%d%H%M%S%z"
    found = datetime.strptime(value.decode("ascii"), form)  # noqa: DTZ007 (%z)
    return found.timestamp()
