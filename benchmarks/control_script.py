"""How long ``bin/stack`` takes to start, beside a Python that does nothing.

Run in the environment of the tests: python benchmarks/control_script.py
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import zc.buildout.easy_install

from collective.recipe.productionstack.ctl import main as control

RUNS = 21


def seconds(command: list[str]) -> float:
    """Return how long a command takes."""
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start


def main() -> None:
    """Print the row of the README's table."""
    with tempfile.TemporaryDirectory() as folder:
        zc.buildout.easy_install.scripts(
            [("stack", control.__name__, "main")],
            [],
            sys.executable,
            folder,
            extra_paths=[str(Path(control.__file__).parents[4])],
            arguments=f"{folder!r}, 'stack'",
        )
        commands = {
            "help": [f"{folder}/stack", "--help"],
            "nothing": [sys.executable, "-c", "pass"],
        }
        taken: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(RUNS):
            for name, command in commands.items():
                taken[name].append(seconds(command))
    median = {name: statistics.median(values) for name, values in taken.items()}
    print(
        "| `bin/stack --help`, and a Python that does nothing"
        f" | {median['help']:.3f} s, {median['nothing']:.3f} s |"
    )


if __name__ == "__main__":
    main()
