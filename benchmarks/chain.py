"""Cached pages through our chain against what a user would otherwise write.

That is: nginx with a plain `proxy_pass` (HTTP/1.0, no connections kept), with `gzip` or
without, to Varnish on TCP with a short VCL that drops cookies and honours PURGE. All
run at once and are asked by turns; the rate is wrk's, the CPU time that of nginx and
Varnish together. Needs wrk and the daemons; run as an ordinary user.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import _load
from collective.recipe.productionstack.machine import run
from tests.daemons.stage import CACHED
from tests.daemons.stage import HTML
from tests.daemons.stage import Answer
from tests.daemons.stage import Stage
from tests.support import ports

ROUNDS = 5
SECONDS = 3

VCL = """vcl 4.0;
backend plone { .host = "127.0.0.1"; .port = "%(plone)d"; }
acl purge { "127.0.0.1"; }
sub vcl_recv {
    if (req.method == "PURGE") {
        if (client.ip !~ purge) { return (synth(405)); }
        return (purge);
    }
    if (req.http.Cookie !~ "__ac") { unset req.http.Cookie; }
}
"""
NGINX = """daemon off;
worker_processes %(workers)d;
pid %(folder)s/nginx.pid;
error_log %(folder)s/nginx-error.log;
events { worker_connections 1024; }
http {
    client_body_temp_path %(folder)s/a; proxy_temp_path %(folder)s/b;
    fastcgi_temp_path %(folder)s/c; uwsgi_temp_path %(folder)s/d;
    scgi_temp_path %(folder)s/e;
    access_log %(folder)s/nginx-access.log;
    gzip %(gzip)s; gzip_proxied any; gzip_types text/css application/javascript;
    server {
        listen 127.0.0.1:%(http)d;
        server_name www.example.com;
        location / {
            proxy_set_header Host $host;
            rewrite ^(.*)$ /VirtualHostBase/http/$host:80/Plone/VirtualHostRoot$1 break;
            proxy_pass http://127.0.0.1:%(cache)d;
        }
    }
}
"""


@contextmanager
def usual(stage: Stage, gzip: str) -> Iterator[tuple[str, set[int]]]:
    """Run the usual chain in front of the same client; give address and sessions."""
    folder = stage.top / f"usual-{gzip}"
    folder.mkdir()
    http, cache = ports.take(2)
    values = {
        "cache": cache,
        "folder": folder,
        "gzip": gzip,
        "http": http,
        "plone": stage.stack.zope.clients[0].address.port,
        "workers": os.cpu_count() or 1,
    }
    (folder / "default.vcl").write_text(VCL % values)
    (folder / "nginx.conf").write_text(NGINX % values)
    commands = (
        (
            *("varnishd", "-F", "-n", f"{folder}/v", "-a", f"127.0.0.1:{cache}"),
            *("-f", f"{folder}/default.vcl", "-s", "malloc,256m"),
        ),
        ("nginx", "-e", f"{folder}/nginx-error.log", "-c", f"{folder}/nginx.conf"),
    )
    started = []
    with (folder / "out").open("wb") as out:
        for name, *words in commands:
            command = (run.find(name) or name, *words)
            started.append(
                subprocess.Popen(
                    command, stdout=out, stderr=out, start_new_session=True
                )
            )
    try:
        time.sleep(3)
        yield f"http://127.0.0.1:{http}", {one.pid for one in started}
    finally:
        for one in started:
            one.terminate()
            one.wait(10)


def compare(chains: dict[str, tuple[str, set[int]]]) -> dict[str, tuple[float, float]]:
    """Ask all by turns; return requests per second and µs of CPU for each request."""
    seen: dict[str, list[tuple[float, float]]] = {name: [] for name in chains}
    for number in range(ROUNDS + 1):
        for name, (url, sessions) in chains.items():
            before = _load.cpu_seconds(sessions)
            rate = _load.rate(f"{url}/page", SECONDS)
            used = _load.cpu_seconds(sessions) - before
            if number:  # the first round warms them
                seen[name].append((rate, used / (rate * SECONDS) * 1e6))
    return {
        name: (
            statistics.median(rate for rate, _ in rounds),
            statistics.median(cost for _, cost in rounds),
        )
        for name, rounds in seen.items()
    }


def main() -> int:
    """Measure by turns; print a row for each of the usual chains."""
    with Stage(load_balancer="none", clients=1) as stage:
        stage.plone.default = Answer((CACHED, HTML), body=_load.page())
        stage.start("varnish", "nginx")
        with usual(stage, "on") as compressing, usual(stage, "off") as plain:
            ours = {one.pid for one in stage.running.values()}
            found = compare(
                {
                    "ours": (f"http://{stage.stack.chain.http}", ours),
                    "with gzip in nginx": compressing,
                    "uncompressed": plain,
                }
            )
    rate, cost = found.pop("ours")
    for name, (other, price) in found.items():
        print(
            f"| cached page of 10 kB, our chain against the usual one {name} "
            f"| {rate:,.0f} and {other:,.0f} requests/s, {rate / other:.1f} times as "
            f"many; CPU {cost:.0f} and {price:.0f} µs a request |"
        )
    return 0 if all(rate >= other for other, _ in found.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
