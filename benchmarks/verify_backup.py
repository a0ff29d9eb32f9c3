"""What it costs to read a whole database: ours beside reading and unpickling alone.

A Data.fs of so many objects is made, and read by the reader of ``verify-backup`` and by
a loop that does nothing but read every record and load it. Both are processes of
their own; their memory is the most that they ever had. Needs ZODB; run as any user.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from collective.recipe.productionstack.ctl.backups import asking

SIZES = (10_000, 1_000_000)
INSIDE = str(Path(asking.__file__).parent)
ROUNDS = 3
PROMISED = 0.5

MAKE = """
import sys, transaction
from persistent import Persistent
from BTrees.OOBTree import OOBTree
from ZODB import DB
from ZODB.FileStorage import FileStorage
class Page(Persistent): pass
import __main__; Page.__module__ = "plone.page"
import types; module = types.ModuleType("plone"); sys.modules["plone"] = module
inner = types.ModuleType("plone.page"); inner.Page = Page
sys.modules["plone.page"] = inner
db = DB(FileStorage(sys.argv[1])); connection = db.open(); root = connection.root()
number = int(sys.argv[2])
pages = root["pages"] = OOBTree()
for one in range(number):
    page = Page()
    page.id, page.title = f"page-{one}", f"The title of page {one}"
    page.text = "some words " * 20
    page.subjects = ("a", "b", str(one)); page.parent = pages
    pages[page.id] = page
    if one % 2000 == 1999:
        transaction.savepoint(True)
        connection.cacheMinimize()
    if one % 20000 == 19999:
        transaction.commit()
transaction.commit(); db.close()
"""

PLAIN = """
import sys
from io import BytesIO
from ZODB.FileStorage.FileStorage import FileIterator
from ZODB._compat import PersistentUnpickler
class Stub:
    def __new__(cls, *a, **k): return object.__new__(cls)
    def __init__(self, *a, **k): pass
    def __setstate__(self, state): pass
known = {}
def find(module, name): return known.setdefault((module, name), Stub)
def load(ref): return None
for transaction in FileIterator(sys.argv[1]):
    for record in transaction:
        one = PersistentUnpickler(find, load, BytesIO(record.data))
        one.load(); one.load()
"""


def timed(command: list[str], text: str = "") -> tuple[float, float]:
    """Return the seconds that a process took, and the most megabytes that it had."""
    begun = time.monotonic()
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    assert process.stdin is not None
    process.stdin.write(text)
    process.stdin.close()
    _, status, used = os.wait4(process.pid, 0)
    assert status == 0, command
    return time.monotonic() - begun, used.ru_maxrss / 1024


def main() -> int:
    """Make, read, compare."""
    worst = 1.0
    for number in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            data, script = f"{folder}/Data.fs", Path(folder, "script")
            script.write_text(f"#!{sys.executable}\n")
            subprocess.run((sys.executable, "-c", MAKE, data, str(number)), check=True)
            wanted = json.dumps({"data": data, "script": str(script)})
            rounds = [
                (
                    timed([sys.executable, "-c", PLAIN, data]),
                    timed([sys.executable, "-c", asking.BEGIN, INSIDE], wanted),
                )
                for _ in range(ROUNDS)
            ]
            size = Path(data).stat().st_size / 1024**2
        plain, ours = (min(one[kind] for one in rounds) for kind in (0, 1))
        ratio = plain[0] / ours[0]
        worst = min(worst, ratio)
        print(
            f"| reading a backup of {number:,} objects ({size:,.0f} MB), against "
            f"reading and unpickling alone | {ours[0]:.1f} s and {plain[0]:.1f} s, "
            f"{ratio:.2f} of its speed (promised: {PROMISED}); {ours[1]:.0f} MB and "
            f"{plain[1]:.0f} MB of memory |"
        )
    return 0 if worst >= PROMISED else 1


if __name__ == "__main__":
    sys.exit(main())
