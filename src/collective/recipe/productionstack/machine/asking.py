"""Ask many at once, and wait for none of them too long."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from collections.abc import Iterable
from typing import TypeVar

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")

AT_ONCE = 16


def together(
    ask: Callable[[Asked], Answer], wanted: Iterable[Asked], seconds: float
) -> dict[Asked, Answer]:
    """Return the answers that came in time, in the order of the questions."""
    every = list(wanted)
    left: queue.SimpleQueue[Asked] = queue.SimpleQueue()
    for one in every:
        left.put(one)
    found: dict[Asked, Answer] = {}

    def work() -> None:
        while time.monotonic() < deadline:
            try:
                one = left.get_nowait()
            except queue.Empty:
                return
            found[one] = ask(one)

    # Daemon threads: one that hangs must not keep the interpreter alive.
    threads = [
        threading.Thread(target=work, daemon=True)
        for _ in range(min(AT_ONCE, len(every)))
    ]
    deadline = time.monotonic() + seconds
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    came = dict(found)
    return {one: came[one] for one in every if one in came}
