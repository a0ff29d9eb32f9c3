"""nginx under its subreaper: after any kill exactly one nginx serves."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

import pytest

from collective.recipe.productionstack.machine import processes
from tests.support.bench import Bench


def family(bench: Bench) -> tuple[int, int, list[int]]:
    """Return subreaper, master and workers."""
    table = processes.table()
    guard = bench.survey().pid("nginx")
    masters = processes.children(table, guard)
    assert len(masters) == 1, masters
    return guard, masters[0], sorted(processes.children(table, masters[0]))


def wait(true: Callable[[], bool], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def is_whole(bench: Bench) -> bool:
    try:
        _, _, workers = family(bench)
        return len(workers) == 2 and bench.get()[0] == 200
    except (AssertionError, OSError):
        return False


@pytest.mark.parametrize("victims", ["master", "worker", "subreaper", "both"])
def test_exactly_one_nginx_serves_after_a_kill(chain: Bench, victims: str) -> None:
    chain.up()
    guard, master, workers = family(chain)
    killed = {
        "master": [master],
        "worker": [workers[0]],
        "subreaper": [guard],
        "both": [guard, master],
    }[victims]
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    wait(lambda: not any(processes.alive(pid) for pid in killed))
    wait(lambda: is_whole(chain))
    every = {*family(chain)[2], *family(chain)[:2]}
    assert every == processes.holders(f"{chain.folders.var}/nginx.lock")
    if victims != "worker":
        assert not every & {guard, master, *workers}


def test_quit_lets_a_request_finish(chain: Bench) -> None:
    import threading

    chain.up()
    got: list[int] = []
    asking = threading.Thread(target=lambda: got.append(chain.get("/?sleep=2")[0]))
    asking.start()
    time.sleep(0.7)
    result = chain.run("down")
    asking.join()
    assert result.ok, result.text
    assert got == [200]
