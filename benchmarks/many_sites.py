"""Five hundred sites in one part against one: what a request costs, what a reload does.

Two whole chains in one run, asked by turns for a cached page of 3 kB at the same
address of one host; then the large one is reloaded while visitors ask. Prints rows of
a Markdown table; ends with status 1 where a request costs more than a twentieth more,
where a reload takes two seconds, or where one request fails.
Needs wrk and the daemons; run as an ordinary user: python benchmarks/many_sites.py
"""

from __future__ import annotations

import os
import signal
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import _load
from collective.recipe.productionstack.daemons.nginx.process import Nginx
from tests.daemons import stage
from tests.daemons.stage import CACHED
from tests.daemons.stage import HTML
from tests.daemons.stage import Answer
from tests.daemons.stage import Stage
from tests.daemons.stage import site

MANY = 500
LEAST = 0.95
LONGEST = 2.0
ROUNDS = 7
PATH = "/news/2026/a-page-of-some-length"


def sites(count: int) -> tuple[stage.Site, ...]:
    """Return the site that is asked for, among others with names of all letters."""
    words = ("town", "museum", "school", "library", "festival", "transport", "waste")
    others = (
        site(f"{words[n % 7]}-{n}.example.org", f"/{words[n % 7]}{n}/Site-{n}")
        for n in range(1, count)
    )
    return (site(), *others)


def rates(one: Stage, many: Stage) -> list[tuple[float, float]]:
    """Return requests per second of both, asked by turns."""
    for chain in (one, many):
        chain.plone.default = Answer((CACHED, HTML), body=_load.page(3_000))
        assert [chain.get(PATH, _load.GZIPPED).result for _ in range(2)][1] == "HIT"
    urls = [f"http://{chain.stack.chain.http}{PATH}" for chain in (one, many)]
    return [(_load.rate(urls[0]), _load.rate(urls[1])) for _ in range(ROUNDS)]


def reload(many: Stage) -> tuple[float, dict[int, int]]:
    """Return how long a reload under load takes, and the answers meanwhile."""
    nginx = Nginx(many.stack, 30)
    with stage.load(8, lambda: many.get(PATH)) as replies:
        stage.until(lambda: len(replies) > 100)
        begun = time.monotonic()
        nginx.reload(lambda: os.kill(nginx.master(), signal.SIGHUP))
        seconds = time.monotonic() - begun
        last = len(replies)
        stage.until(lambda: len(replies) > last + 100)
    return seconds, dict(stage.statuses(replies))


def main() -> int:
    """Measure; print a row each."""
    with Stage(sites=sites(1)) as one, Stage(sites=sites(MANY)) as many:
        one.start()
        many.start()
        pairs = rates(one, many)
        seconds, answers = reload(many)
    few, lots = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = statistics.median(other / first for first, other in pairs)
    failed = sum(count for status, count in answers.items() if status != 200)
    print(
        f"| a cached page, one site and {MANY} | {few:,.0f} and {lots:,.0f} requests/s "
        f"| ratio {ratio:.2f} (promised: {LEAST}) |"
    )
    print(
        f"| reload with {MANY} sites under load | {seconds:.2f} s (promised: {LONGEST})"
        f" | {failed} of {sum(answers.values()):,} requests failed |"
    )
    return 0 if ratio >= LEAST and seconds < LONGEST and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
