"""Every combination of web server, cache and balancer, side by side in one run.

Requests per second of a page that is kept and of one that is not (10 kB on the wire,
32 connections), the seconds that a file of 100 MB takes, and the memory of all daemons
(their share of what is shared, PSS). The clients are two small Python servers, the same
for all: the page that is not kept shows what a combination adds, not what Plone costs.
Prints a Markdown table, the last column of rates as a part of the first line's.
Needs wrk and the daemons; run as an ordinary user: python benchmarks/combinations.py
"""

from __future__ import annotations

import os
import re
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import _load
from collective.recipe.productionstack.model.chain import NOBODY
from tests.daemons.stage import CACHED
from tests.daemons.stage import HTML
from tests.daemons.stage import PRIVATE
from tests.daemons.stage import Answer
from tests.daemons.stage import Stage
from tests.daemons.stage import ask
from tests.daemons.test_combinations import SERVING

FIRST = ("nginx", "varnish", "haproxy")
SECONDS = 2
SIZE = 100_000_000
HOST = ("Host", "www.example.com")

Measured = tuple[float, float, float, float]


def measured(chain: tuple[str, str, str]) -> Measured:
    """Return both rates, the seconds for the file and the megabytes of memory."""
    web, cache, balancer = chain
    values = {"proxy_cache": cache, "load_balancer": balancer, "rate_limits": "off"}
    with Stage(web_server=web, **values) as stage:  # type: ignore[arg-type]
        page = _load.page()
        stage.plone.answers = {
            "/page": Answer((CACHED, HTML), body=page),
            "/own": Answer((PRIVATE, HTML), body=page),
            "/file": Answer((PRIVATE,), body=bytes(SIZE)),
        }
        stage.start()
        listening, prefix = stage.stack.chain, ""
        address = listening.http
        if web == NOBODY:
            address = listening.balancer if cache == NOBODY else listening.cache
            prefix = stage.stack.sites[0].virtual_host
        for path in ("/page", "/own"):
            assert ask(address, "GET", f"{prefix}{path}", (HOST,)).status == 200
        kept, own = (
            _load.rate(f"http://{address}{prefix}{path}", SECONDS)
            for path in ("/page", "/own")
        )
        begun = time.monotonic()
        reply = ask(address, "GET", f"{prefix}/file", (HOST,))
        taken = time.monotonic() - begun
        assert len(reply.body) == SIZE
        sessions = {one.pid for one in stage.running.values()}
        return kept, own, taken, memory(sessions)


def memory(sessions: set[int]) -> float:
    """Return the megabytes that all processes of these sessions have."""
    found = 0
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and os.getsid(int(entry.name)) in sessions:
                text = (entry / "smaps_rollup").read_text()
                found += int(re.findall(r"(?m)^Pss:\s+(\d+)", text)[0])
        except (OSError, IndexError):
            continue
    return found / 1024


def main() -> int:
    """Measure one after the other; print a row for each."""
    chains = [FIRST, *(one for one in SERVING if one != FIRST)]
    print(
        "| web server, cache, balancer | kept page/s | other page/s | 100 MB | memory |"
    )
    print("|---|---|---|---|---|")
    base: Measured | None = None
    for chain in chains:
        found = measured(chain)
        base = base or found
        kept, own, taken, used = found
        print(
            f"| {', '.join(chain)} | {kept:,.0f} ({kept / base[0]:.2f}) "
            f"| {own:,.0f} ({own / base[1]:.2f}) | {taken:.2f} s "
            f"({taken / base[2]:.2f}) | {used:.0f} MB |",
            flush=True,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
