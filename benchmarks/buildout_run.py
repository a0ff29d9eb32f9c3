"""What our part adds to a buildout run that changes nothing, and how it grows.

Run in the environment of the tests: python benchmarks/buildout_run.py
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RUNS = 7
BUILDOUT = """
import sys
from zc.buildout.buildout import main
sys.argv[0] = "buildout"
main()
"""

PARTS = """
[zeoserver]
recipe = plone.recipe.zeoserver

[instance]
recipe = plone.recipe.zope2instance
user = admin:benchmark
eggs =
zeo-client = true
http-address = 127.0.0.1:18080
"""


def configuration(folder: Path, clients: int, sites: int, *, ours: bool) -> None:
    """Write a buildout with our part, or the parts that ours would make by hand."""
    empty = folder / "empty"
    empty.mkdir(exist_ok=True)
    lines = ["[buildout]", f"index = {empty}"]
    if ours:
        named = "\n".join(f"    www{n}.example.com /Plone{n}" for n in range(sites))
        lines += ["extensions = collective.recipe.productionstack"]
        lines += ["parts = zeoserver instance stack", PARTS, "[stack]"]
        lines += ["recipe = collective.recipe.productionstack"]
        lines += [f"clients = {clients}", "port-base = 17000", "sites =", named]
    else:
        names = [f"instance{n}" for n in range(1, clients + 1)]
        lines += [f"parts = zeoserver instance {' '.join(names)} backup", PARTS]
        lines += ["[backup]", "recipe = collective.recipe.backup"]
        for number, name in enumerate(names, 1):
            lines += [
                f"[{name}]",
                "<= instance",
                f"http-address = 127.0.0.1:{18080 + number}",
            ]
    (folder / "buildout.cfg").write_text("\n".join(lines) + "\n", encoding="utf-8")


def run(folder: Path) -> float:
    """Run buildout once and return its seconds."""
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", BUILDOUT, "-N"],
        cwd=folder,
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    return time.perf_counter() - start


def unchanged(clients: int, sites: int) -> tuple[float, float]:
    """Return median seconds of unchanged runs with and without us, side by side."""
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        folders = {True: Path(one), False: Path(other)}
        for ours, folder in folders.items():
            configuration(folder, clients, sites, ours=ours)
            run(folder)
        seconds: dict[bool, list[float]] = {True: [], False: []}
        for _ in range(RUNS):
            for ours, folder in folders.items():
                seconds[ours].append(run(folder))
    return statistics.median(seconds[True]), statistics.median(seconds[False])


def main() -> None:
    """Print the rows of the README's table."""
    ours, without = unchanged(2, 1)
    print(
        "| our part's share of an unchanged `bin/buildout -N` run"
        f" | {ours - without:.2f} s of {ours:.2f} s |"
    )
    for clients, sites in ((2, 1), (16, 125), (32, 250), (64, 500)):
        print(
            f"| planning, rendering, checking {clients} clients, {sites} sites"
            f" | {plan(clients, sites)} |"
        )


def plan(clients: int, sites: int) -> str:
    """Return seconds and peak memory of our part alone, in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, "plan", str(clients), str(sites)],
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


def measure_plan(clients: int, sites: int) -> None:
    """Plan, render and check one stack; print seconds and peak megabytes."""
    from collective.recipe.productionstack.plan import rendering
    from collective.recipe.productionstack.plan.stacks import Facts
    from collective.recipe.productionstack.plan.stacks import Part
    from collective.recipe.productionstack.plan.stacks import stacks
    from collective.recipe.productionstack.sources import zeoserver
    from collective.recipe.productionstack.sources import zope2instance
    from collective.recipe.productionstack.sources.reading import Places
    from collective.recipe.productionstack.tree import check

    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        places = Places(directory=folder, bin=f"{folder}/bin", parts=f"{folder}/parts")
        made = {
            f"instance{n}": zope2instance.read(
                f"instance{n}", {"http-address": f"127.0.0.1:{18080 + n}"}, places
            )
            for n in range(1, clients + 1)
        }
        socket = {"zeo-address": f"{folder}/zeo.sock", "zeo-log-level": "WARN"}
        facts = Facts(
            directory=folder,
            bin=places.bin,
            clients=made,
            storages={"zeoserver": zeoserver.read("zeoserver", socket, places)},
            versions=tuple(sorted(check.versions({}).items())),
        )
        lines = "\n".join(f"www{n}.example.com /Plone{n}" for n in range(sites))
        section = {"sites": lines, "port-base": "17000"}
        built, problems = stacks(
            [Part(name="stack", entry="default", section=section)], facts
        )
        if problems:
            sys.exit("\n".join(map(str, problems)))
        stack = built["stack"][0]
        target = Path(folder, "tree")
        target.mkdir()
        rendering.tree_of(stack).write(target, durable=False)
        bad = [
            verdict.text for verdict in check.verdicts(stack, target) if not verdict.ok
        ]
        if bad:
            sys.exit("\n".join(bad))
        seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{seconds:.2f} s, {peak:.0f} MB")


if __name__ == "__main__":
    if sys.argv[1:2] == ["plan"]:
        measure_plan(int(sys.argv[2]), int(sys.argv[3]))
    else:
        main()
