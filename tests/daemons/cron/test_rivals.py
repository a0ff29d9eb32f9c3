"""Lines of a crontab that do what the stack does."""

from __future__ import annotations

import pytest

from collective.recipe.productionstack.daemons.cron import control
from collective.recipe.productionstack.daemons.cron import rivals
from tests.support.samples import STACK

BIN = f"{STACK.folders.buildout}/bin"


@pytest.mark.parametrize(
    ("line", "same"),
    [
        (f"0 3 * * * {BIN}/backup -q", True),
        (f"0 3 * * * cd {STACK.folders.buildout} && bin/zeopack >/dev/null", True),
        (f"@reboot {BIN}/supervisord", True),
        (f"@reboot {BIN}/instance1 start", True),
        (f"@reboot {BIN}/../parts/instance1/bin/interpreter", True),
        (f"0 3 * * * {BIN}/../parts/instance1/bin/interpreter a.py", False),
        (f"5 0 * * * logrotate -s {BIN}/state {BIN}/../etc/logs.conf", True),
        (f"0 3 * * * {BIN}/instance1 run clean.py", False),
        (f"#0 3 * * * {BIN}/backup", False),
        ("0 3 * * * /srv/another/bin/backup", False),
        ("@reboot /usr/bin/something", False),
    ],
)
def test_lines_of_the_same_work(line: str, same: bool) -> None:  # noqa: FBT001
    assert rivals.lines(STACK, f"MAILTO=a\n{line}\n") == [line] * same


def test_our_own_blocks_are_none() -> None:
    begin, end = control.fences(STACK.folders.buildout, "stack")
    lines = f"1 1 * * * {BIN}/stack --quiet backup\n@reboot {BIN}/instance1"
    block = f"{begin}\n{lines}\n{end}"
    mine = f"5 5 * * * {BIN}/backup"
    assert rivals.lines(STACK, f"{block}\n{mine}\n{block}\n") == [mine]
    (said,) = rivals.warnings(STACK, f"{block}\n{mine}\n")
    assert said.endswith(f"Delete it (crontab -e): {mine}")
