"""Small JSON files: private, whole or not at all, and read without trust."""

from __future__ import annotations

from pathlib import Path

import pytest

from collective.recipe.productionstack.machine import state


def test_what_is_written_is_read_and_nobody_elses(tmp_path: Path) -> None:
    path = tmp_path / "var/one.json"
    assert state.read(path) == {}
    state.write(path, {"b": [1, "ä"], "a": None})
    assert state.read(path) == {"a": None, "b": [1, "ä"]}
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", "\x00"])
def test_what_cannot_be_used_is_nothing(tmp_path: Path, text: str) -> None:
    path = tmp_path / "one.json"
    path.write_text(text)
    assert state.read(path) == {}


def test_what_cannot_be_written_leaves_the_old_values(tmp_path: Path) -> None:
    path = tmp_path / "one.json"
    state.write(path, {"a": 1})
    with pytest.raises(TypeError):
        state.write(path, {"a": object()})
    assert state.read(path) == {"a": 1}
    assert list(tmp_path.iterdir()) == [path]
