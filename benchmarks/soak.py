"""A real site under editors, visitors and jobs, while whatever runs is killed.

    python benchmarks/soak.py [MINUTES [SECONDS]]

MINUTES (120) is for how long, SECONDS (30) pass between two kill -9. Counts what came
and ends with 1 where a saved edit was lost, a page was shown to the wrong person, an
answer was cut off without a word, or an old page was shown for longer than promised.
Needs the daemons and Plone; run as an ordinary user.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.support import plonesite
from tests.support import ports
from tests.support.plonesite import PloneSite
from tests.support.soak import Soak


def main(minutes: float = 120, every: float = 30) -> int:
    """Build a buildout, start it, let it all go on, end it."""
    site = PloneSite(plonesite.new_folder(), ports.take()[0])
    try:
        site.bootstrap()
        site.configure(
            sites=f"{plonesite.HOST} /Plone", stack=f"sync-target = {site.folder}/far"
        )
        site.buildout().good()
        site.stack("up").good()
        site.create().good()
        script = str(plonesite.ROOT / "tests/support/open_api.py")
        site.run("bin/instance", "run", script, "Plone").good()
        site.stack("plone-caching").good()
        soak = Soak(site, every, seed=int(time.time()))
        soak.prepare()
        soak.run(minutes * 60)
    finally:
        site.end()
    print(f"{minutes:g} minutes, seed {soak.seed}\n{soak.report}")
    return 1 if soak.wrong else 0


if __name__ == "__main__":
    sys.exit(main(*map(float, sys.argv[1:])))
