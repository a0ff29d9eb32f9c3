"""Rules of the system's logrotate for the logs of the stack."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from collective.recipe.productionstack.daemons.logrotate import rivals
from collective.recipe.productionstack.model.announced import Announced
from collective.recipe.productionstack.model.announced import Log
from tests.support import samples

LOGS = samples.FOLDERS.log
STACK = dataclasses.replace(
    samples.STACK, announced=Announced(logs=(Log(path=f"{LOGS}/instance1.log"),))
)


@pytest.mark.parametrize(
    ("rule", "same"),
    [
        (f"{LOGS}/*.log {{\n  weekly\n}}\n", True),
        (f'/var/log/other.log "{LOGS}/instance1.log" {{\n}}\n', True),
        (f"# {LOGS}/*.log {{ }}\n/var/log/other.log {{ }}\n", False),
        ("/var/log/a/*.log {\n  postrotate\n  echo it's done\n  endscript\n}", False),
    ],
)
def test_a_rule_for_our_logs_is_named(
    rule: str,
    same: bool,  # noqa: FBT001
    tmp_path: Path,
) -> None:
    (tmp_path / "plone").write_text(rule)
    found = rivals.warnings(STACK, tmp_path)
    assert len(found) == same
    assert all(one.startswith(f"{tmp_path}/plone rotates {LOGS}/") for one in found)


def test_who_does_not_let_us_rotate_may_do_so(tmp_path: Path) -> None:
    (tmp_path / "plone").write_text(f"{LOGS}/*.log {{\n}}\n")
    without = dataclasses.replace(STACK, services=("nginx",))
    assert rivals.warnings(without, tmp_path) == []
    assert rivals.warnings(STACK, tmp_path / "not there") == []
