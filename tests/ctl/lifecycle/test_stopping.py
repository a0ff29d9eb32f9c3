"""Stopping in time for somebody who waits no longer, such as systemd."""

from __future__ import annotations

import os
import signal
import time

from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.ctl.lifecycle import stopping
from tests.support.bench import Bench


def test_what_hangs_is_killed_in_time_for_the_deadline(bench: Bench) -> None:
    bench.up()
    # The storage, which is given half a minute otherwise, and is waited for last.
    os.kill(bench.pid("zeo"), signal.SIGSTOP)
    control = Control(bench.folder, "stack", quiet=True)
    begun = time.monotonic()
    with control.screen.steps() as steps:
        deadline = begun + stopping.STORAGE_RESERVE + 2
        stopping.everything(control, bench.stack, steps, deadline)
    assert time.monotonic() < deadline
    assert bench.survey().roots == {}
