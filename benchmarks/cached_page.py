"""Cached pages through nginx and Varnish against the same bytes as nginx's own file.

Both are served by one nginx in one run, by turns: a page of 10 kB on the wire, stored
gzipped, over a keep-alive Unix socket to Varnish, and a static file of those bytes.
Prints a row of a Markdown table; ends with status 1 below the promised ratio.
Needs wrk and the daemons; run as an ordinary user: python benchmarks/cached_page.py
"""

from __future__ import annotations

import gzip
import os
import re
import statistics
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.daemons.stage import CACHED
from tests.daemons.stage import HTML
from tests.daemons.stage import Answer
from tests.daemons.stage import Stage

PROMISED = 0.45
ROUNDS = 5
SECONDS = 3
CONNECTIONS = 32
WIRE = 10_000


def main() -> int:
    """Measure by turns; print medians."""
    page = _page()
    # The same server, so that logging, limits and guards weigh the same on both.
    location = (
        'location = /static {{ root "{folder}"; add_header Content-Encoding gzip; }}'
    )
    with Stage() as stage:
        folder = stage.top / "files"
        folder.mkdir()
        change = (
            "    location / {",
            f"{location.format(folder=folder)}\n    location / {{",
        )
        stage.install([change])
        stage.plone.default = Answer((CACHED, HTML), body=page)
        stage.start()
        gzipped = ("Accept-Encoding", "gzip")
        stored = stage.get("/page", gzipped)
        (folder / "static").write_bytes(stored.body)
        static = stage.get("/static", gzipped)
        assert stage.get("/page", gzipped).result == "HIT"
        assert static.body == stored.body == stage.get("/page", gzipped).body
        url = f"http://{stage.stack.http}"
        rates: dict[str, list[float]] = {"/static": [], "/page": []}
        for _ in range(ROUNDS):
            for path, seen in rates.items():
                seen.append(_rate(url + path))
    plain, cached = (statistics.median(seen) for seen in rates.values())
    pairs = zip(rates["/page"], rates["/static"], strict=True)
    ratio = statistics.median(one / other for one, other in pairs)
    print(
        f"| cached page, {len(stored.body) / 1000:.1f} kB on the wire "
        f"| {cached:,.0f} requests/s | static file: {plain:,.0f} requests/s "
        f"| ratio {ratio:.2f} (promised: {PROMISED}) |"
    )
    return 0 if ratio >= PROMISED else 1


def _page() -> bytes:
    """Return a page whose compressed size is about the wanted one."""
    text, size = b"", WIRE
    while len(gzip.compress(text, 6)) < WIRE:
        text += os.urandom(size // 20).hex().encode() + b" <p>word</p>\n" * 30
        size = max(size // 2, 200)
    return text


def _rate(url: str) -> float:
    command = ("wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s")
    headers = ("-H", "Host: www.example.com", "-H", "Accept-Encoding: gzip")
    said = subprocess.run(
        (*command, *headers, url), capture_output=True, check=True, text=True
    ).stdout
    assert "Non-2xx" not in said, said
    found = re.search(r"Requests/sec:\s+([\d.]+)", said)
    assert found, said
    return float(found[1])


if __name__ == "__main__":
    sys.exit(main())
