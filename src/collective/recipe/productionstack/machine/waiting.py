"""Try again and again until something is so, or it is too late."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from collections.abc import Iterator

PAUSE = 0.1


def tries(
    seconds: float = math.inf,
    pause: float = PAUSE,
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[None]:
    """Yield at once, and again after each pause until time is up or ``stop`` says so.

    A loop over it is left by ``break`` or ``return``; its ``else`` is for too late.
    """
    deadline = time.monotonic() + seconds
    while True:
        yield
        if time.monotonic() >= deadline or stop():
            return
        time.sleep(pause)


def until(
    done: Callable[[], object],
    seconds: float,
    pause: float = PAUSE,
    stop: Callable[[], bool] = lambda: False,
) -> bool:
    """Wait until something is so; return whether it came true in time."""
    return any(done() for _ in tries(seconds, pause, stop))
