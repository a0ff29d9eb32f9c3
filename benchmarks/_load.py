"""What the measurements share: a page, a load, a table row."""

from __future__ import annotations

import gzip
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

TICKS = os.sysconf("SC_CLK_TCK")
REQUESTS = 12_000
GZIPPED = ("Accept-Encoding", "gzip")


def page(wire: int = 10_000) -> bytes:
    """Return a page that is about so many bytes long when it is compressed.

    Compression makes it about four times smaller, as it does real pages.
    """
    text = b""
    while len(gzip.compress(text, 6)) < wire:
        for _ in range(10):
            words = b" <p class='documentDescription'>some words of it</p>\n" * 2
            text += os.urandom(24).hex().encode() + words
    return text


def rate(url: str, seconds: int = 3, connections: int = 32) -> float:
    """Return the requests per second that wrk gets answered at one address."""
    return rate_and_p99(url, seconds, connections)[0]


def rate_and_p99(url: str, seconds: int, connections: int) -> tuple[float, float]:
    """Return the rate, and the milliseconds in which 99 of 100 are answered."""
    command = ("wrk", "-t1", "--latency", f"-c{connections}", f"-d{seconds}s")
    headers = ("-H", "Host: www.example.com", "-H", "Accept-Encoding: gzip")
    said = subprocess.run(
        (*command, *headers, url), capture_output=True, check=True, text=True
    ).stdout
    assert "Non-2xx" not in said, said
    found = re.search(r"Requests/sec:\s+([\d.]+)", said)
    late = re.search(r"99%\s+([\d.]+)(us|ms|s)\s*\n", said)
    assert found, said
    assert late, said
    return float(found[1]), float(late[1]) * {"us": 0.001, "ms": 1, "s": 1000}[late[2]]


def h2_rate(url: str, connections: int = 32) -> float:
    """Return the same over TLS and HTTP/2 for the second site, as h2load counts it.

    No connection asks more often than nginx lets it (keepalive_requests, 1000).
    """
    command = ("h2load", "-t1", f"-c{connections}", "-m4", f"-n{REQUESTS}")
    # The name in the handshake has to be the site's.
    address = urlsplit(url)
    there = (f"--connect-to={address.netloc}", f"https://two.example.com{address.path}")
    said = subprocess.run(
        (*command, "-H", "accept-encoding: gzip", *there),
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    found = re.search(r"([\d.]+) req/s", said)
    assert found, said
    assert " 0 failed, 0 errored, 0 timeout" in said, said
    return float(found[1])


def certificate() -> dict[str, str]:
    """Make a certificate of an hour's worth; return it as names of a site."""
    folder = Path(tempfile.mkdtemp(prefix="certificate-"))
    pair = {"certificate": str(folder / "cert.pem"), "key": str(folder / "key.pem")}
    command = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1")
    named = ("-subj", "/CN=two.example.com")
    files = ("-keyout", pair["key"], "-out", pair["certificate"])
    subprocess.run((*command, *named, *files), check=True, capture_output=True)
    return pair


def pin(sessions: set[int], cpus: set[int]) -> None:
    """Let each thread of what runs in these sessions use these processors alone."""
    for entry in Path("/proc").glob("[0-9]*/task/[0-9]*"):
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            if int(fields[3]) in sessions:
                os.sched_setaffinity(int(entry.name), cpus)
        except OSError:
            continue


def processes() -> Iterator[tuple[int, list[str]]]:
    """Yield every process, and what proc_pid_stat(5) says from its state on."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                text = (entry / "stat").read_text()
                yield int(entry.name), text.rpartition(")")[2].split()


def cpu_seconds(sessions: set[int]) -> float:
    """Return what all processes of these sessions have used so far."""
    return sum(_used(one) for _, one in processes() if int(one[3]) in sessions)


def cpu_seconds_below(pid: int) -> float:
    """Return what a process and all that it has started have used so far."""
    every = dict(processes())
    ours, before = {pid}, 0
    while len(ours) > before:
        before = len(ours)
        ours |= {one for one, fields in every.items() if int(fields[1]) in ours}
    return sum(_used(every[one]) for one in ours & set(every))


def _used(fields: list[str]) -> float:
    return (int(fields[11]) + int(fields[12])) / TICKS
