"""Uploads and long downloads pass every tier without filling its memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from collective.recipe.productionstack.model.front import Front
from tests.daemons.stage import Answer
from tests.daemons.stage import Stage

pytestmark = pytest.mark.usefixtures("daemons")

SIZE = 128 * 1024**2
GROWTH = 24 * 1024**2
"""Buffers of a request, and what an allocator keeps; far less than the file."""

TIERS = ("nginx", "varnish", "haproxy")


@pytest.fixture(scope="module")
def chain() -> Iterator[Stage]:
    front = Front(max_upload=2 * SIZE, rate_limits_exempt=("127.0.0.0/8",))
    with Stage(clients=1, front=front) as one:
        yield one.start()


def _memory(one: Stage) -> dict[str, int]:
    """Return the bytes of its own that each tier holds; a mapped file is none."""
    found = dict.fromkeys(TIERS, 0)
    groups = {one.running[name].pid: name for name in TIERS}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            name = groups.get(os.getpgid(int(entry.name)))
            lines = (entry / "status").read_text().splitlines() if name else []
        except OSError:
            continue
        anonymous = [line.split()[1] for line in lines if line.startswith("RssAnon:")]
        if name:
            found[name] += sum(int(kilobytes) * 1024 for kilobytes in anonymous)
    return found


def _grown(one: Stage, before: dict[str, int]) -> dict[str, int]:
    after = _memory(one)
    return {name: after[name] - before[name] for name in TIERS}


def test_memory_is_the_same_whatever_passes(chain: Stage) -> None:
    zipped = ("Content-Type", "application/zip")
    chain.plone.answers["/file.zip"] = Answer((zipped,), body=b"x" * SIZE)
    small = Answer(body=b"ok")
    chain.plone.default = small
    assert chain.get("/small").status == 200
    before = _memory(chain)
    assert min(before.values()) > 1024**2

    assert len(chain.get("/file.zip").body) == SIZE
    down = _grown(chain, before)
    assert chain.get("/up", method="POST", body=b"y" * SIZE).body == b"ok"
    up = _grown(chain, before)
    assert len(chain.plone.requests("/up")[0].body) == SIZE
    assert max(*down.values(), *up.values()) < GROWTH, (down, up)
