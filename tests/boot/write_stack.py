"""Run in a machine by its user: write a stack that outlives a reboot, say where."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from tests.support.bench import Bench

if __name__ == "__main__":
    # /tmp may be emptied at boot.
    tempfile.tempdir = str(Path.home())
    one = Bench(tiers=("haproxy", "varnish", "nginx"))
    one.generate()
    print(json.dumps({"folder": str(one.folder), "port": one.ports[0]}))  # noqa: T201
