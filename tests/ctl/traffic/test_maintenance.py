"""``maintenance``: the hosts, who is told, and what waits."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from collective.recipe.productionstack.plan import announcing
from collective.recipe.productionstack.plan import rendering
from tests.support import samples
from tests.support.bench import HOST
from tests.support.bench import Bench


def test_on_and_off_and_what_is_said(chain: Bench) -> None:
    chain.up()
    on = chain.run("maintenance", "on")
    assert on.ok, on.text
    assert f"maintenance: on for {HOST}" in on.output
    assert "nobody gets through" in on.output
    assert chain.run("maintenance", "show").output.split() == [HOST]
    shown = chain.run("status")
    assert shown.ok
    assert f"visitors of {HOST} see 503" in shown.output
    assert json.loads(chain.run("status", "--json").output)["maintenance"] == [HOST]
    # It is there after a restart, and up does not wait for visitors' pages.
    assert chain.run("down").ok
    chain.up()
    assert chain.run("maintenance", "show").output.split() == [HOST]

    off = chain.run("maintenance", "off", "/Plone")
    assert off.ok, off.text
    assert "maintenance: off" in off.output
    assert not Path(chain.stack.maintenance_file).exists()
    assert "maintenance" not in chain.run("status").output


def test_an_unknown_site_is_named(bench: Bench) -> None:
    said = bench.run("maintenance", "on", "ww.example.com")
    assert said.status == 1
    assert f"Did you mean {HOST}?" in said.errors
    assert not Path(bench.stack.maintenance_file).exists()


@pytest.mark.parametrize("on", [False, True])
def test_jobs_on_the_database_wait(tmp_path: Path, on: bool) -> None:  # noqa: FBT001
    """The real line, with a command of our own, as cron runs it."""
    stack = announcing.complete(samples.STACK)
    text = rendering.tree_of(stack).text_of("crontab")
    line = next(one for one in text.splitlines() if "/b/bin/stack" in one)
    line = line.replace("/b/var/stack", str(tmp_path)).split(" * * * ", 1)[1]
    line = line.replace("/b/bin/stack --quiet backup", f"touch {tmp_path}/ran")
    if on:
        (tmp_path / "maintenance.map").write_text("www.example.com 1;\n")
    environment = {"PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        ("/bin/sh", "-c", line), env=environment, capture_output=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert (tmp_path / "ran").exists() != on
