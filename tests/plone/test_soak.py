"""A minute of everything at once: edits, visits, jobs, and kill -9 of whatever runs.

PRODUCTIONSTACK_SOAK is the seconds of it; ``make soak`` gives it five minutes, and
``benchmarks/soak.py`` as many as one likes.
"""

from __future__ import annotations

import os

import pytest

from tests.support.plonesite import PloneSite
from tests.support.soak import Soak

pytestmark = pytest.mark.slow

SECONDS = float(os.environ.get("PRODUCTIONSTACK_SOAK") or 60)


@pytest.mark.timeout(SECONDS + 900)
def test_nothing_is_lost_mixed_up_or_cut(live: PloneSite) -> None:
    live.configure(stack=f"sync-target = {live.folder}/far")
    live.buildout().good()
    live.stack("reload").good()
    soak = Soak(live, every=min(30, SECONDS / 5))
    soak.prepare()
    soak.run(SECONDS)
    assert soak.wrong == [], soak.report
    assert soak.promises.saved
