"""What a whole backup costs: ``bin/stack backup`` beside ``rsync -a`` of the same data.

A database with so many blobs is backed up from nothing and copied to another folder, in
turn; a backup copies, compresses the Data.fs, sums all up and judges it. Then a backup
of what a tenth more blobs have added. Needs rsync and ZODB; run as any user.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.ctl.backups import kept as keeping
from tests.support.buildouts import MINIMAL
from tests.support.buildouts import Buildouts
from tests.support.buildouts import a_site

BLOBS = 1000
SIZE = 1024**2
ROUNDS = 3
PROMISED = 1.5


def seconds(act: Callable[[], object]) -> float:
    """Return how long something took."""
    begun = time.monotonic()
    act()
    return time.monotonic() - begun


def measure(kept: keeping.Kept) -> tuple[list[float], list[float]]:
    """Return the seconds of each whole backup, and of each copy."""
    ours, plain = [], []
    other = kept.folder / "copied"
    sources = [str(kept.data_file.parent), str(kept.live_blobs)]

    def copy() -> None:
        subprocess.run(("rsync", "-a", *sources, str(other)), check=True)

    for number in range(ROUNDS + 1):
        for one in (kept.data, kept.blobs, kept.var / "manifests", other):
            shutil.rmtree(one, ignore_errors=True)
        kept.ledger.unlink(missing_ok=True)
        copied = seconds(copy)
        backed_up = seconds(lambda: keeping.back_up(kept))
        if number:  # the first one warms up
            plain.append(copied)
            ours.append(backed_up)
    return ours, plain


def main() -> int:
    """Fill, measure, add, measure."""
    buildouts = Buildouts()
    try:
        with a_site(buildouts) as site:
            site.built(MINIMAL)
            kept = keeping.of(site)
            keeping.begin(kept)
            keeping.work(kept, "first", blobs=BLOBS, size=SIZE)
            ours, plain = measure(kept)
            keeping.work(kept, "more", blobs=BLOBS // 10, size=SIZE)
            more = seconds(lambda: keeping.back_up(kept))
    finally:
        buildouts.close()
    ratio = statistics.median(ours) / statistics.median(plain)
    size = BLOBS * SIZE / 1024**3
    print(
        f"| a whole backup of {size:.1f} GB in {BLOBS:,} blobs | "
        f"{statistics.median(ours):.1f} s, {ratio:.2f} times that of rsync -a "
        f"({statistics.median(plain):.1f} s); a tenth more {more:.1f} s |"
    )
    return 0 if ratio <= PROMISED else 1


if __name__ == "__main__":
    sys.exit(main())
