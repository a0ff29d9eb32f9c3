"""What a whole backup costs: ``bin/stack backup`` beside ``rsync -a`` of the same data.

A database with so many blobs is backed up from nothing and copied to another folder, in
turn; a backup copies, compresses the Data.fs, sums all up and judges it. Then one of
what a tenth more blobs have added, and one of next to nothing: what each backup costs
that has nothing to do with its size. All until it is on the disk. Needs rsync, ZODB and
25 GB of disk; run as any user.
"""

from __future__ import annotations

import os
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

BLOBS = 4000
SIZE = 1024**2
ROUNDS = 3
PROMISED = 1.5


def seconds(act: Callable[[], object]) -> float:
    """Return how long something took until all of it is on the disk.

    A backup waits for its list to be there, and with it for much of what was copied.
    """
    os.sync()
    begun = time.monotonic()
    act()
    os.sync()
    return time.monotonic() - begun


def backup(kept: keeping.Kept) -> float:
    """Return how long a backup took, and only that."""
    keeping.wait_for_a_second()
    return seconds(lambda: keeping.good(kept.stack("backup")))


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
        backed_up = backup(kept)
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
            more = backup(kept)
            keeping.work(kept, "little", blobs=1)
            least = backup(kept)
    finally:
        buildouts.close()
    whole, copied = statistics.median(ours), statistics.median(plain)
    size = BLOBS * SIZE / 1024**3
    ratio = (whole - least) / copied
    print(
        f"| a whole backup of {size:.1f} GB in {BLOBS:,} blobs, against rsync -a of "
        f"them | {whole:.1f} and {copied:.1f} s, {whole / copied:.2f} times; one of "
        f"next to nothing {least:.1f} s, so {ratio:.2f} times for each GB (wanted: "
        f"{PROMISED}); a tenth more {more:.1f} s |"
    )
    return 0 if ratio <= PROMISED else 1


if __name__ == "__main__":
    sys.exit(main())
