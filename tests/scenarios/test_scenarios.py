"""Every folder here is a case: a buildout and what must come out, byte for byte.

``buildout.cfg`` and whatever else lies in the folder is copied into a new buildout
folder (called as ``folder.txt`` says), where buildout runs. Then

* ``expected/`` is the tree that must lie in ``etc/stack``; its ``stack.json``, the
  stack as bin/stack reads it, is there only in the cases that are about it, but is
  read back as the same stack in all of them;
* or ``expected-error.txt`` is what must be said, with nothing changed on disk;
* ``expected-output.txt``, where it is, is all that this package said.

A ``daemons`` folder in a case holds daemons of other versions than the usual ones.

``pytest tests/scenarios --regenerate`` writes them anew: look at the diff.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from collective.recipe.productionstack.model.stack import Stack
from tests.support.buildouts import Buildouts
from tests.support.buildouts import Site
from tests.support.buildouts import a_site

HERE = Path(__file__).parent
CASES = sorted(path.parent for path in HERE.glob("*/buildout.cfg"))
STACK = "stack.json"
OURS = ("daemons", "expected", "expected-*.txt", "folder.txt")


def cases(*, bad: bool) -> list[Path]:
    """Return the cases that must fail, or the others."""
    return [c for c in CASES if (c / "expected-error.txt").exists() == bad]


@pytest.fixture(scope="module")
def used(buildouts: Buildouts) -> Iterator[Site]:
    """Give a folder with a stack in it, which a refused run must leave alone."""
    with a_site(buildouts) as one:
        shutil.copy(HERE / "base.cfg", one.folder)
        good = "[buildout]\nextends = base.cfg\n[stack]\nsites = good.example /Plone\n"
        one.built(good)
        yield one


@pytest.mark.parametrize("case", cases(bad=False), ids=lambda case: case.name)
def test_tree(case: Path, buildouts: Buildouts, request: pytest.FixtureRequest) -> None:
    """A buildout makes exactly the expected files."""
    with a_site(buildouts, folder_of(case)) as site:
        place(case, site)
        said = site.built().ours
        tree = steady(site)
        written = (site.etc / STACK).read_text("utf-8")
        again = site.built().ours
    assert [line for line in again if line.endswith("nothing has changed.")]
    assert Stack.from_json(written).to_json() == written
    if not (case / "expected" / STACK).exists():
        del tree[STACK]
    compare(case / "expected", tree, request)
    if (case / "expected-output.txt").exists():
        output = {"expected-output.txt": site.masked("\n".join(said)) + "\n"}
        compare(case, output, request, "expected-output.txt")


@pytest.mark.parametrize("case", cases(bad=True), ids=lambda case: case.name)
def test_error(
    case: Path, used: Site, buildouts: Buildouts, request: pytest.FixtureRequest
) -> None:
    """A mistake is named, with its remedy, and nothing on disk changes."""
    if (case / "folder.txt").exists():
        with a_site(buildouts, folder_of(case)) as site:
            place(case, site)
            error = site.refused()
    else:
        before = {path.name for path in used.folder.iterdir()}
        usual = dict(used.environment)
        place(case, used)
        error = used.refused()
        used.environment.update(usual)
        for path in used.folder.iterdir():
            if path.name not in before:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
    text = {"expected-error.txt": error + "\n"}
    compare(case, text, request, "expected-error.txt")


def folder_of(case: Path) -> str:
    """Return the name of the buildout folder that a case asks for."""
    named = case / "folder.txt"
    return named.read_text("utf-8").strip("\n") if named.exists() else "site"


def place(case: Path, site: Site) -> None:
    """Copy a case into a buildout folder."""
    shutil.copy(HERE / "base.cfg", site.folder)
    site.copy(case, *OURS)
    if (case / "daemons").is_dir():
        site.environment["PATH"] = f"{case}/daemons:{site.environment['PATH']}"


def steady(site: Site) -> dict[str, str]:
    """Return the live tree without the times that are spread by the folder's name."""
    stack = json.loads((site.etc / STACK).read_text("utf-8"))
    sockets = site.masked(stack["folders"]["sockets"])
    tree = site.tree()
    if not sockets.startswith("@DIR@"):
        tree = {path: text.replace(sockets, "@SOCKETS@") for path, text in tree.items()}
    for path, mark in (
        (STACK, r'(?<="workers": )\d+'),
        ("nginx/nginx.conf", r"(?<=worker_processes )\d+"),
    ):
        if path in tree:
            tree[path] = re.sub(mark, "@WORKERS@", tree[path])
    for job in stack["announced"]["jobs"]:
        if job["name"] in {"backup", "certificate", "pack", "verify"}:
            mark = f"@{job['name'].upper()}-TIME@"
            times = re.compile(
                rf"(^|\"){re.escape(job['schedule'])}(?=[ \"])", re.MULTILINE
            )
            for path in tree.keys() & {"crontab", STACK}:
                tree[path] = times.sub(rf"\g<1>{mark}", tree[path])
    return tree


def compare(
    folder: Path, found: dict[str, str], request: pytest.FixtureRequest, only: str = ""
) -> None:
    """Compare texts with the files of a folder, or write them anew."""
    paths = [folder / only] if only else folder.rglob("*")
    expected = {
        path.relative_to(folder).as_posix(): path.read_text("utf-8")
        for path in paths
        if path.is_file()
    }
    if request.config.getoption("--regenerate") and found != expected:
        if not only:
            shutil.rmtree(folder, ignore_errors=True)
        for name, text in found.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, "utf-8")
        return
    assert sorted(found) == sorted(expected)
    for name, text in expected.items():
        assert found[name] == text, name
