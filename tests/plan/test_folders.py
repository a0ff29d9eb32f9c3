"""Where sockets live when the buildout's own folder is no place for them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from collective.recipe.productionstack.daemons.systemd import control as systemd
from collective.recipe.productionstack.plan import folders

DEEP = "/srv/" + "very-deep-folder/" * 6 + "var/stack"


@pytest.mark.parametrize("var", [DEEP, "/srv/a blank/var/stack"])
def test_the_runtime_folder_is_used_by_those_who_linger_alone(
    var: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes with the last login of everybody else."""
    runtime, lingering = tmp_path / "runtime", tmp_path / "linger"
    runtime.mkdir(0o700)
    lingering.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    monkeypatch.setattr(systemd, "LINGERING", str(lingering))
    found = folders.socket_folder(var, "stack")
    assert Path(found).name.startswith(f"stack-{os.getuid()}-")
    (lingering / systemd.user()).touch()
    assert Path(folders.socket_folder(var, "stack")).parent == runtime
    runtime.rmdir()
    assert folders.socket_folder(var, "stack") == found
