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


def shown(address: Address, host: str, timeout: float, greeting: bytes = b"") -> Chain:
    """Return what a listener shows to visitors of a host; nothing where it refuses.

    A ``greeting`` is sent before the handshake.
    """
    context = ssl.create_default_context()
    context.check_hostname = False  # expired or not, it is to be seen
    context.verify_mode = ssl.CERT_NONE
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
        ((_, whole),) = _items(certificate)
        (_, inner), *_ = _items(whole)
        fields = [value for tag, value in _items(inner) if tag != VERSION]
        begin, end = (_time(tag, value) for tag, value in _items(fields[3]))
    except (IndexError, UnicodeDecodeError) as error:
        message = "it holds no certificate"
        raise ValueError(message) from error
    return begin, end


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
