"""What is read of the machine for the plan."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from collective.recipe.productionstack.buildout import other_parts


def test_what_others_write_to_the_disk_changes_no_plan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else Varnish would have to be restarted since a log has grown."""
    names = ("directory", "bin-directory", "parts-directory")
    buildout = {"buildout": {**dict.fromkeys(names, str(tmp_path)), "parts": ""}}

    def read(free: int) -> object:
        usage = SimpleNamespace(total=100 << 30, free=free)
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
        facts, problems = other_parts.gather(buildout, lambda _: {})
        assert problems == []
        return facts

    assert read(free=60 << 30) == read(free=1 << 30)
