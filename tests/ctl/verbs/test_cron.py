"""``cron``: pure text editing, and the user's real crontab."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from collective.recipe.productionstack.daemons.cron import control as crontab
from collective.recipe.productionstack.errors import ControlError
from tests.support.bench import Bench
from tests.support.crontab import emptied

BEGIN, END = crontab.fences("/some where/b", "stack")
BLOCK = f"{BEGIN}\n1 1 * * * true\n{END}\n"
OTHER = (
    "# BEGIN collective.recipe.productionstack [stack] /other\n2 2 * * * x\n"
    "# END collective.recipe.productionstack [stack] /other\n"
)


@pytest.mark.parametrize(
    "text",
    ["", "1 2 3 4 5 mine\n", "a\r\n\r\nb\r\n", OTHER, "# caf\udce9\n", "A=\x0c1\n"],
)
def test_what_is_installed_is_removed_without_a_trace(text: str) -> None:
    installed = crontab.edited(text, BLOCK, BEGIN, END)
    assert installed == text + BLOCK
    assert crontab.edited(installed, BLOCK, BEGIN, END) == installed
    assert crontab.edited(installed + "after\n", "", BEGIN, END) == text + "after\n"
    assert crontab.edited(installed, "", BEGIN, END) == text


def test_a_missing_final_newline_is_no_trap() -> None:
    assert crontab.edited("mine", BLOCK, BEGIN, END) == f"mine\n{BLOCK}"


def test_a_new_block_replaces_the_old_one_in_its_place() -> None:
    old = f"{BEGIN}\nold\n{END}\n"
    text = f"before\n{old}after"
    assert crontab.edited(text, BLOCK, BEGIN, END) == f"before\n{BLOCK}after"


@pytest.mark.parametrize(
    "text", [f"{BEGIN}\n", f"{END}\n", f"{END}\n{BEGIN}\n", BLOCK + BLOCK]
)
def test_a_broken_fence_is_refused(text: str) -> None:
    with pytest.raises(ControlError, match="crontab -e"):
        crontab.edited(text, BLOCK, BEGIN, END)


def raw(folder: Path) -> bytes:
    """Return the crontab as it is: crontab -l prints \\r as two letters."""
    copies = folder / "copies"
    copies.mkdir()
    env = {**os.environ, "VISUAL": f"cp -t {copies}"}
    subprocess.run(("crontab", "-e"), check=True, env=env, capture_output=True)
    (copy,) = copies.iterdir()
    found = copy.read_bytes()
    copy.unlink()
    copies.rmdir()
    return found


def test_the_real_crontab(bench: Bench, own_crontab: None, tmp_path: Path) -> None:
    assert not crontab.installed(str(bench.folder), "stack")
    result = bench.run("cron", "install")
    assert result.ok, result.text
    assert raw(tmp_path).decode() == bench.run("cron", "show").output
    assert crontab.installed(str(bench.folder), "stack")
    assert not crontab.installed(str(bench.folder), "other")
    assert "nothing to change" in bench.run("cron", "install").output
    assert bench.run("cron", "remove").ok
    assert subprocess.run(("crontab", "-l"), check=False).returncode == 1
    assert "nothing to change" in bench.run("cron", "remove").output


def test_lines_of_others_survive_byte_for_byte(
    bench: Bench, own_crontab: None, tmp_path: Path
) -> None:
    mine = b"# caf\xe9\r\n5 5 * * * echo one\n\n# two\n"
    path = tmp_path / "mine"
    path.write_bytes(mine)
    subprocess.run(("crontab", str(path)), check=True)
    assert bench.run("cron", "install").ok
    assert raw(tmp_path).startswith(mine)
    assert bench.run("cron", "remove").ok
    assert raw(tmp_path) == mine


def test_any_other_failure_of_crontab_refuses_to_write(
    bench: Bench, tmp_path: Path
) -> None:
    fake = tmp_path / "crontab"
    fake.write_text(
        '#!/bin/sh\n[ "$1" = -l ] || touch "$0.written"\necho no >&2; exit 1\n'
    )
    fake.chmod(0o755)
    env = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    result = bench.run("cron", "install", env=env)
    assert result.status == 1
    assert "crontab -l failed: no" in result.errors
    assert not (tmp_path / "crontab.written").exists()


def test_lines_that_do_the_same_are_named_by_up_and_by_who_installs(
    bench: Bench,
) -> None:
    theirs = f"@reboot {bench.folder}/bin/one start"
    with emptied():
        crontab.write(f"{theirs}\n")
        for words in (("up",), ("cron", "install"), ("boot", "install")):
            result = bench.run(*words)
            assert result.ok, result.text
            said = [one for one in result.errors.splitlines() if "does the same" in one]
            assert len(said) == 1
            assert said[0].endswith(f"Delete it (crontab -e): {theirs}")
