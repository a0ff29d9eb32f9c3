"""The tutorial, word for word, in an empty folder, by somebody who has nothing yet."""

from __future__ import annotations

import os
import re
import shutil
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from collective.recipe.productionstack.ctl.lifecycle import survey
from collective.recipe.productionstack.machine import own_processes
from collective.recipe.productionstack.machine import processes
from collective.recipe.productionstack.machine import run
from tests.support import ports

CHECKOUT = Path(__file__).parents[2]
PAGE = CHECKOUT / "docs/tutorial/first-stack.md"
BLOCK = re.compile(r"(?ms)^```(shell|ini)\n(.*?)^```$")
PORT = re.compile(r"(?<=127\.0\.0\.1:)(80\d\d)|(?<=example\.com:)(80\d\d)")


def blocks() -> list[tuple[str, str]]:
    """Return the kind and the text of each block of the page."""
    return BLOCK.findall(PAGE.read_text("utf-8"))


@pytest.fixture
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give an empty folder that is somebody's whole home; what runs there ends."""
    folder = tmp_path_factory.mktemp("tutorial")
    yield folder
    table = processes.table()
    tops = own_processes.roots(str(folder / "var/stack"), table, ("nginx",)).values()
    survey.end({pid for pids in tops for pid in pids}, "KILL", 10)


@pytest.mark.daemon
def test_the_tutorial_as_it_is_printed(place: Path) -> None:
    taken = ports.take(20)
    said = []
    try:
        packages, *others = blocks()
        assert "apt-get install" in packages[1]
        for kind, text in others:
            shown = PORT.sub(lambda found: str(taken[0] + int(found[0]) - 8000), text)
            if kind == "ini":
                more = f"port-base = {taken[0]}\n"
                shown = shown.replace("127.0.0.1:8080", f"127.0.0.1:{taken[10]}")
                (place / "buildout.cfg").write_text(shown + more)
                continue
            if "git clone" in shown:
                shown = _from_here(place, shown)
            done = run.run(
                ("bash", "-euo", "pipefail", "-c", shown),
                cwd=place,
                env=_environment(place),
                timeout=500,
            )
            assert done.ok, f"{shown}\n{done.text}"
            said.append(done.text)
    finally:
        ports.give_back(taken)
    whole = "\n".join(said)
    for words in (
        "next: bin/stack up",
        "bin/stack create-site",
        "www.example.com (/Plone): created",
        "next: bin/stack plone-caching",
        "X-Cache: MISS",
        "X-Cache: HIT",
        "www.example.com: ok",
    ):
        assert words in whole
    assert whole.index("X-Cache: MISS") < whole.index("X-Cache: HIT")
    assert b"<title>" in (place / "page.html").read_bytes()


def _from_here(place: Path, text: str) -> str:
    """Take this checkout for the clone, and what is installed here for the index."""
    ours = shutil.ignore_patterns(".git", ".*_cache", "__pycache__", "*.egg-info")
    shutil.copytree(CHECKOUT, place / "productionstack", ignore=ours)
    site = sysconfig.get_path("purelib")
    made = f"""
echo {site} > "$(echo venv/lib/python3*/site-packages)/installed.pth"
for one in pip:pip._internal.cli.main buildout:zc.buildout.buildout; do
    printf '#!%s\\nfrom %s import main\\nraise SystemExit(main())\\n' \\
        "$PWD/venv/bin/python" "${{one#*:}}" > "venv/bin/${{one%:*}}"
    chmod +x "venv/bin/${{one%:*}}"
done"""
    lines = [line for line in text.splitlines() if not line.startswith("git clone")]
    assert lines[0] == "python3 -m venv venv"
    lines[0] = f"{sys.executable} -m venv --without-pip venv{made}"
    return "\n".join(lines)


def _environment(place: Path) -> dict[str, str]:
    """Return what somebody has who has just logged in; the index holds nothing."""
    (place / ".buildout").mkdir(exist_ok=True)
    (place / ".nothing").mkdir(exist_ok=True)
    (place / ".buildout/default.cfg").write_text(
        f"[buildout]\nindex = {place}/.nothing\n"
    )
    return {
        "HOME": str(place),
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
        # Everything is there already: nothing is fetched.
        "PIP_NO_INDEX": "1",
        "PIP_NO_BUILD_ISOLATION": "0",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
