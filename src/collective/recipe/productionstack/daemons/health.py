"""Does a process answer? Short questions with a time limit."""

from __future__ import annotations

import http.client
import re
import socket
import threading
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from collective.recipe.productionstack.machine.net.http import connection
from collective.recipe.productionstack.model.address import Address
from collective.recipe.productionstack.model.announced import Health
from collective.recipe.productionstack.model.announced import Program

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Mapping


OK = "ok"
CLOSED = 444
"""nginx's word for closing the connection without an answer."""

ZEO_QUESTION, ZEO_ANSWER = b"\x00\x00\x00\x04ruok", b"last-transaction"
"""What a ZEO server of 5.0 and later is asked, and what stands in its answer."""

ZEO_CONNECTIONS = re.compile(rb'"connections": (\d+)')

MISDIRECTED = 421
"""What another web server says where no site has the host (RFC 9110 15.5.20)."""

UNKNOWN_HOST = "unknown-host.invalid"


def probe_all(programs: Iterable[Program], timeout: float) -> Mapping[str, str]:
    """Ask all programs at once; none of them can hold the others up."""
    asked = list(programs)
    answers = {program.name: f"no answer in {timeout:g} s" for program in asked}

    def ask(program: Program) -> None:
        answers[program.name] = probe(program.health, timeout)

    # Daemon threads: one that hangs must not keep the interpreter alive.
    threads = [threading.Thread(target=ask, args=(one,), daemon=True) for one in asked]
    deadline = time.monotonic() + timeout
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return dict(answers)


def probe(health: Health, timeout: float) -> str:
    """Return ``ok`` or in a few words what is wrong."""
    if not health.asked:
        return OK
    try:
        return _how(health)(health, timeout)
    except FileNotFoundError:
        return "no socket"
    except ConnectionRefusedError:
        return "refuses connections"
    except TimeoutError:
        return f"no answer in {timeout:g} s"
    except (OSError, http.client.HTTPException) as error:
        return f"no answer ({type(error).__name__})"


def _how(health: Health) -> Callable[[Health, float], str]:
    if health.status == CLOSED:
        return _closes
    if health.path:
        return _answers
    if health.opens:
        return _opens
    return _tells if health.zeo else _greets


def _opens(health: Health, timeout: float) -> str:
    _connected(health.address, timeout).close()
    return OK


def _answers(health: Health, timeout: float) -> str:
    host = UNKNOWN_HOST if health.status == MISDIRECTED else "localhost"
    status = _get(health, timeout, host)
    return OK if status == health.status else f"status {status}, not {health.status}"


def _closes(health: Health, timeout: float) -> str:
    try:
        status = _get(health, timeout, UNKNOWN_HOST)
    except (http.client.RemoteDisconnected, ConnectionResetError):
        return OK
    return f"status {status} for an unknown host"


def _get(health: Health, timeout: float, host: str) -> int:
    one = connection(health.address, timeout, proxied=health.proxied)
    try:
        headers = {"Host": host, "Connection": "close", **dict(health.headers)}
        one.request("GET", health.path or "/", headers=headers)
        return one.getresponse().status
    finally:
        one.close()


def _greets(health: Health, timeout: float) -> str:
    with _connected(health.address, timeout) as one:
        return OK if one.recv(1) else "closes the connection"


def _tells(health: Health, timeout: float) -> str:
    """Ask a ZEO server how it is, as zeo-nagios does: one that hangs still accepts."""
    said = _said(health.address, timeout)
    return OK if ZEO_ANSWER in said else "closes the connection"


def connections(health: Health, timeout: float) -> int:
    """Return how many clients a ZEO server has; 0 where it does not say so."""
    try:
        found = ZEO_CONNECTIONS.findall(_said(health.address, timeout))
    except OSError:
        return 0
    return max(map(int, found), default=0)


def _said(address: Address, timeout: float) -> bytes:
    with _connected(address, timeout) as one:
        one.sendall(ZEO_QUESTION)
        said = b""
        while data := one.recv(65536):
            said += data
    return said


def _connected(address: Address, timeout: float) -> socket.socket:
    if not address.path:
        target = address.to_connect
        return socket.create_connection((target.host, target.port), timeout)
    one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    one.settimeout(timeout)
    try:
        one.connect(address.path)
    except OSError:
        one.close()
        raise
    return one
