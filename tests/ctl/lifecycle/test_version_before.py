"""A stack that was started with the first release's tree is taken over as it serves.

``version-before`` is what that release generated for the scenario ``minimal``, with the
same marks for folders as the scenarios have. The daemons are the real ones; small
servers stand for Zope and ZEO.
"""

from __future__ import annotations

import http.client
import os
import re
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typing_extensions import Self

from collective.recipe.productionstack.daemons.nginx import subreaper
from collective.recipe.productionstack.machine import processes
from collective.recipe.productionstack.tree.trees import File
from collective.recipe.productionstack.tree.trees import Tree
from tests.support.bench import Bench
from tests.support.source import SOURCE

HERE = Path(__file__).parent
BEFORE = HERE / "version-before"
NOW = HERE.parents[1] / "scenarios/minimal/expected"
PORTS = (*range(8000, 8006), 8080, 8081, 8082)
LEFT = (
    "varnish must be restarted (its definition changed): "
    "bin/stack down, then bin/stack up\n"
)
"""Its new storages are made at its start; until then all is kept in the one it has."""

TAKEN_OVER = ("haproxy", "varnish", "nginx")


class Site(Bench):
    """A buildout folder whose trees come from kept files."""

    def masked(self, text: str) -> str:
        """Put folders and ports of this test in the place of the kept ones."""
        marks: dict[str, object] = {
            "@DIR@": self.folder,
            "@PYTHON@": sys.executable,
            "@SOURCE@": SOURCE,
        }
        marks["@WORKERS@"] = "1"
        for mark, value in marks.items():
            text = text.replace(mark, str(value))
        new = dict(zip(map(str, PORTS), map(str, self.ports), strict=True))
        return re.sub(
            r"(?<![\d.])(80\d\d)(?!\d)", lambda one: new.get(one[1], one[1]), text
        )

    def kept(self, folder: Path, more: str = "") -> Tree:
        found = (path for path in sorted(folder.rglob("*")) if path.is_file())
        return Tree(
            tuple(
                File(
                    path.relative_to(folder).as_posix(),
                    self.masked(path.read_text("utf-8"))
                    + (more if path.name in {"haproxy.cfg", "default.vcl"} else ""),
                )
                for path in found
            )
        )

    def write_parts(self) -> None:
        """Write what the other recipes make: commands that serve."""
        server = HERE.parents[1] / "support/server.py"
        addresses = {
            "parts/zeoserver/bin/runzeo": f"{self.folder}/var/stack/zeoserver.sock",
            **{
                f"bin/{name}": f"127.0.0.1:{port}"
                for name, port in zip(
                    ("instance", "instance1", "instance2"), self.ports[6:], strict=True
                )
            },
        }
        for path, address in addresses.items():
            script = self.folder / path
            script.parent.mkdir(parents=True, exist_ok=True)
            name = Path(path).name
            words = (sys.executable, str(server), name, address)
            script.write_text(f"#!/bin/sh\nexec {' '.join(words)}\n")
            script.chmod(0o700)


@contextmanager
def a_site(kept: Path) -> Iterator[Site]:
    """Give a buildout folder with a kept tree."""
    with Site() as site:
        site.generate()
        site.write_parts()
        site.trees.install(site.kept(kept))
        yield site


@pytest.fixture
def old(daemons: None) -> Iterator[Site]:
    with a_site(BEFORE) as site:
        yield site


class Visitors:
    """Ask again and again, each a kept connection; remember what went wrong."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.good = 0
        self.wrong: list[str] = []
        self.done = threading.Event()
        self.threads = [threading.Thread(target=self.visit) for _ in range(4)]

    def __enter__(self) -> Self:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.done.set()
        for thread in self.threads:
            thread.join()

    def visit(self) -> None:
        number = 0
        while not self.done.is_set():
            number += 1
            try:
                status, _ = self.site.get(f"/page?{number}-{id(self)}")
            except (OSError, http.client.HTTPException) as error:
                self.wrong.append(repr(error))
                continue
            if status == 200:
                self.good += 1
            else:
                self.wrong.append(str(status))


def test_it_is_taken_over_without_a_lost_request(old: Site) -> None:
    assert '"format": 1,' in (BEFORE / "stack.json").read_text("utf-8")
    old.up()
    before = {name: old.pid(name) for name in (*TAKEN_OVER, "instance1", "watchdog")}
    assert "/ctl/subreaper.py" in processes.command(before["nginx"])

    # So that each of them has something to take in.
    old.trees.install(old.kept(NOW, more="\n# more\n"))
    assert old.run("diff").status == 1
    assert old.status()["ok"]
    with Visitors(old) as visitors:
        begin = visitors.good
        reloaded = old.run("reload")
        wait_for(lambda: visitors.good > begin + 50)

    assert reloaded.errors == LEFT
    assert "haproxy, varnish, nginx, watchdog took the new" in reloaded.output
    assert visitors.wrong == []
    after = {name: old.pid(name) for name in before}
    assert after.pop("watchdog") != before.pop("watchdog")
    assert after == before
    assert old.run("diff").ok
    assert old.run("reload").errors == LEFT
    assert not list(old.folder.rglob("for-a-while.vcl"))


def test_what_is_killed_afterwards_comes_back_as_it_was_started(old: Site) -> None:
    old.up()
    old.trees.install(old.kept(NOW))
    assert old.run("reload").errors == LEFT
    top = old.pid("nginx")
    os.kill(top, signal.SIGKILL)
    wait_for(lambda: old.pid("nginx") not in {0, top})
    old.wait_ok()
    assert old.get()[0] == 200


def test_a_program_that_is_gone_from_the_disk_is_told(old: Site) -> None:
    """Killed, nginx could not come back: supervisord starts what it once was told."""
    place = old.folder / "old-egg"
    place.mkdir()
    shutil.copy(subreaper.__file__, place)
    mine = f"{SOURCE}/collective/recipe/productionstack/ctl/subreaper.py"
    there = f"{place}/subreaper.py"
    tree = old.kept(BEFORE)
    old.trees.install(
        Tree(tuple(File(one.path, one.text.replace(mine, there)) for one in tree.files))
    )
    old.up()
    old.trees.install(old.kept(NOW))
    (place / "subreaper.py").unlink()

    told = old.run("reload")

    assert told.status == 1
    assert f"nginx must be restarted ({there} is gone)" in told.errors


def test_a_restart_and_down_know_it(old: Site) -> None:
    old.up()
    old.trees.install(old.kept(NOW))
    assert old.run("restart", "instance1").ok
    assert old.run("down").ok
    assert old.run("up").ok


def wait_for(true: object) -> None:
    deadline = time.monotonic() + 30
    assert callable(true)
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)
