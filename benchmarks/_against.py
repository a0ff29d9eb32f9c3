"""How fast this checkout is beside another one, an earlier release say.

    python benchmarks/_against.py PYTHON

PYTHON is that of the other checkout's environment (dev/environment prints its folder).
Runs of both alternate; ends with 1 where a median is slower by more than a twentieth.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from buildout_run import BUILDOUT
from buildout_run import configuration

RUNS = 7
SLOWER = 1.05
SIZES = {"small": (2, 1), "large": (64, 500)}


def seconds(command: list[str], folder: Path, allowed: tuple[int, ...] = (0,)) -> float:
    """Run a command and return how long it took."""
    start = time.perf_counter()
    done = subprocess.run(
        command, cwd=folder, check=False, capture_output=True, text=True
    )
    taken = time.perf_counter() - start
    if done.returncode not in allowed:
        sys.exit(done.stdout + done.stderr)
    return taken


def commands(python: str, base: Path) -> dict[str, tuple[list[str], Path, set[int]]]:
    """Generate a small and a large stack; return what is measured in each."""
    found = {}
    for size, (clients, sites) in SIZES.items():
        folder = base / size
        folder.mkdir()
        configuration(folder, clients, sites, ours=True)
        buildout = [python, "-c", BUILDOUT, "-N"]
        seconds(buildout, folder)
        found[f"unchanged bin/buildout -N, {clients} clients, {sites} sites"] = (
            buildout,
            folder,
            {0},
        )
    script = str(base / "small/bin/stack")
    found["bin/stack --help"] = ([script, "--help"], base / "small", {0})
    # Nothing runs: what is measured is our own work, not the daemons' answers.
    found["bin/stack status"] = ([script, "status"], base / "small", {1})
    return found


def main(other: str) -> int:
    """Print a row for each thing that is measured."""
    slower = 0
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        ours = commands(sys.executable, Path(one))
        theirs = commands(other, Path(two))
        print("| | here | there | ratio |\n|---|---|---|---|")
        for what in ours:
            taken: dict[str, list[float]] = {"ours": [], "theirs": []}
            for _ in range(RUNS):
                for name, known in (("ours", ours), ("theirs", theirs)):
                    command, folder, allowed = known[what]
                    taken[name].append(seconds(command, folder, tuple(allowed)))
            here, there = (statistics.median(taken[name]) for name in taken)
            slower += here > SLOWER * there
            print(f"| {what} | {here:.3f} s | {there:.3f} s | {here / there:.2f} |")
    return 1 if slower else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
