"""A cached page through the whole front against a file of those bytes from that nginx.

Side by side in one run, by turns, so that logging, limits, guards and TLS weigh the
same on both: pages of 3 and 10 kB gzipped, over plain HTTP with 16 and 64 connections,
and over TLS and HTTP/2. Beside them: the distribution's way, a default vhost with a
plain ``proxy_pass`` to the same Varnish; and this stack with ``micro-cache = off``.
Prints rows of a Markdown table; ends with 1 below what was promised. Needs wrk,
h2load and the daemons; run as an ordinary user: python benchmarks/front.py
"""

from __future__ import annotations

import os
import statistics
import sys
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import _load
from collective.recipe.productionstack.model.front import Front
from tests.daemons.stage import CACHED
from tests.daemons.stage import HTML
from tests.daemons.stage import Answer
from tests.daemons.stage import Stage
from tests.daemons.stage import site
from tests.support import ports

PROMISED = 0.85
TIMES_DEFAULT = 4
ROUNDS = 5
SECONDS = 2
SIZES = (3_000, 10_000)
CONNECTIONS = (16, 64)

FILES = """
    location /static/ {{
        root "{folder}";
        default_type "text/html; charset=utf-8";
        add_header Content-Encoding gzip;
    }}
    location / {{"""

DEFAULT = """
    server {{
        listen 127.0.0.1:{port};
        access_log "{folder}/default.log";
        location / {{
            rewrite ^(?<all>.*)$ {prefix}$all break;
            proxy_set_header Host $host;
            proxy_pass http://{cache};
        }}
    }}
    include sites/*.conf;"""
"""As on the page of a distribution's wiki: HTTP/1.0, no connection kept."""


@contextmanager
def front(micro_cache: str) -> Iterator[tuple[Stage, dict[str, str]]]:
    """Run the whole front; give it, and the addresses to ask by name."""
    names = _load.certificate()
    secure = {**names, "scheme": "https", "url_port": 443}
    sites = (site(), site("two.example.com", "/Site2", **secure))
    shown = Front(rate_limits_exempt=("127.0.0.1/32",), micro_cache=micro_cache)
    (port,) = ports.take(1)
    with Stage(sites=sites, tls=True, front=shown) as stage:
        folder = stage.top / "files"
        (folder / "static").mkdir(parents=True)
        place = {"folder": folder, "port": port, "cache": stage.stack.chain.cache}
        place["prefix"] = sites[0].virtual_host
        changes = {"\n    location / {": FILES, "\n    include sites/*.conf;": DEFAULT}
        stage.install([(old, new.format(**place)) for old, new in changes.items()])
        for size in SIZES:
            body = _load.page(size)
            stage.plone.answers[f"/{size}"] = Answer((CACHED, HTML), body=body)
        stage.start()
        for size in SIZES:
            stored = stage.get(f"/{size}", _load.GZIPPED).body
            (folder / "static" / str(size)).write_bytes(stored)
            stage.get(f"/{size}", ("Host", "two.example.com"), _load.GZIPPED)
        chain = stage.stack.chain
        yield (
            stage,
            {
                "http": f"http://{chain.http}",
                "https": f"https://{chain.https}",
                "default": f"http://127.0.0.1:{port}",
            },
        )


def rate(name: str, url: str, connections: int) -> float:
    """Return the requests per second of one address; HTTP/2 where it is TLS."""
    if name == "https":
        return _load.h2_rate(url, connections)
    return _load.rate(url, SECONDS, connections)


def by_turns(
    askers: dict[str, Callable[[], float]],
) -> tuple[dict[str, float], dict[str, float]]:
    """Ask all by turns; return medians: rates, and ratios to the first."""
    seen: dict[str, list[float]] = {name: [] for name in askers}
    for number in range(ROUNDS + 1):
        for name, ask in askers.items():
            found = ask()
            if number:  # the first round warms them
                seen[name].append(found)
    first = next(iter(seen.values()))
    ratios = {
        name: statistics.median(a / b for a, b in zip(rates, first, strict=True))
        for name, rates in seen.items()
    }
    return {name: statistics.median(rates) for name, rates in seen.items()}, ratios


def rows(urls: dict[str, str]) -> Iterator[float]:
    """Print a row for each size and way; yield the ratio to the file."""
    for way in ("http", "https"):
        for size in SIZES:
            for connections in CONNECTIONS:
                ask = partial(rate, way, connections=connections)
                askers = {
                    "file": partial(ask, f"{urls[way]}/static/{size}"),
                    "page": partial(ask, f"{urls[way]}/{size}"),
                }
                rates, ratios = by_turns(askers)
                print(
                    f"| {way}, {size // 1000} kB, {connections} connections | "
                    f"{rates['page']:,.0f} requests/s, the file {rates['file']:,.0f} | "
                    f"ratio {ratios['page']:.2f} (promised: {PROMISED}) |",
                    flush=True,
                )
                yield ratios["page"]


def beside(fronts: dict[str, tuple[Stage, str]]) -> float:
    """Print how a default vhost does against the stack; return times.

    Visitors have machines of their own: nginx and Varnish get one processor, wrk the
    others. With one processor for all, it is the time for each request that tells.
    """
    first, *others = sorted(os.sched_getaffinity(0))
    costs: dict[str, list[float]] = {name: [] for name in fronts}
    late: dict[str, list[float]] = {name: [] for name in fronts}
    ours = {
        name: {stage.running[one].pid for one in ("nginx", "varnish")}
        for name, (stage, _) in fronts.items()
    }

    def ask(name: str) -> float:
        _load.pin(ours[name], {first})
        before = _load.cpu_seconds(ours[name])
        url = f"{fronts[name][1]}/{SIZES[1]}"
        found, p99 = _load.rate_and_p99(url, SECONDS, CONNECTIONS[1])
        used = _load.cpu_seconds(ours[name]) - before
        costs[name].append(used / (found * SECONDS) * 1e6)
        late[name].append(p99)
        return found

    os.sched_setaffinity(0, set(others) or {first})
    rates, ratios = by_turns({name: partial(ask, name) for name in fronts})
    default, *stacks = (
        (name, rates[name], *(statistics.median(some[name]) for some in (costs, late)))
        for name in fronts
    )
    for name, found, cost, p99 in stacks:
        print(
            f"| {name} against {default[0]}, one processor for nginx and Varnish "
            f"| {found:,.0f} and {default[1]:,.0f} requests/s; p99 {p99:.1f} and "
            f"{default[3]:.1f} ms; CPU {cost:.0f} and {default[2]:.0f} µs a request "
            f"| {ratios[name]:.1f} times as many (wanted: {TIMES_DEFAULT}) |",
            flush=True,
        )
    return ratios[stacks[0][0]]


def main() -> int:
    """Measure by turns; print medians."""
    with front("on") as (stage, urls), front("off") as (other, theirs):
        ratios = list(rows(urls))
        times = beside(
            {
                "a default vhost": (stage, urls["default"]),
                "the front": (stage, urls["http"]),
                "micro-cache = off": (other, theirs["http"]),
            }
        )
    return 0 if min(ratios) >= PROMISED and times >= TIMES_DEFAULT else 1


if __name__ == "__main__":
    sys.exit(main())
