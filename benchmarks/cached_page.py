"""Cached pages through nginx and Varnish against the same bytes as nginx's own file.

Both are served by one nginx in one run, by turns: a page of 10 kB on the wire, stored
gzipped, over a keep-alive Unix socket to Varnish, and a static file of those bytes.
Prints a row of a Markdown table; ends with status 1 below the promised ratio.
Needs wrk and the daemons; run as an ordinary user: python benchmarks/cached_page.py
"""

from __future__ import annotations

import statistics
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import _load
from collective.recipe.productionstack.model.front import Front
from tests.daemons.stage import CACHED
from tests.daemons.stage import HTML
from tests.daemons.stage import Answer
from tests.daemons.stage import Stage

PROMISED = 0.45
ROUNDS = 5


def main() -> int:
    """Measure by turns; print medians."""
    page = _load.page()
    # The same server, so that logging, limits and guards weigh the same on both.
    location = (
        'location = /static {{ root "{folder}"; add_header Content-Encoding gzip; }}'
    )
    # What nginx keeps by itself is front.py's.
    shown = Front(rate_limits_exempt=("127.0.0.1/32",), micro_cache="off")
    with Stage(front=shown) as stage:
        folder = stage.top / "files"
        folder.mkdir()
        change = (
            "    location / {",
            f"{location.format(folder=folder)}\n    location / {{",
        )
        stage.install([change])
        stage.plone.default = Answer((CACHED, HTML), body=page)
        stage.start()
        stored = stage.get("/page", _load.GZIPPED)
        (folder / "static").write_bytes(stored.body)
        static = stage.get("/static", _load.GZIPPED)
        assert stage.get("/page", _load.GZIPPED).result == "HIT"
        assert static.body == stored.body == stage.get("/page", _load.GZIPPED).body
        url = f"http://{stage.stack.chain.http}"
        rates: dict[str, list[float]] = {"/static": [], "/page": []}
        for _ in range(ROUNDS):
            for path, seen in rates.items():
                seen.append(_load.rate(url + path))
    plain, cached = (statistics.median(seen) for seen in rates.values())
    pairs = zip(rates["/page"], rates["/static"], strict=True)
    ratio = statistics.median(one / other for one, other in pairs)
    print(
        f"| cached page, {len(stored.body) / 1000:.1f} kB on the wire "
        f"| {cached:,.0f} requests/s | static file: {plain:,.0f} requests/s "
        f"| ratio {ratio:.2f} (promised: {PROMISED}) |"
    )
    return 0 if ratio >= PROMISED else 1


if __name__ == "__main__":
    sys.exit(main())
