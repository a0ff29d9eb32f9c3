"""Whether there is room on a disk."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.machine import files


def test_no_room_is_said_with_what_there_is(tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free
    files.need_room(tmp_path, free // 2, "a pack")
    with pytest.raises(ControlError) as caught:
        files.need_room(tmp_path, 2 * free, "a pack")
    text = str(caught.value)
    assert text.startswith(f"{tmp_path} has ")
    assert f"a pack may need {files.megabytes(2 * free)}" in text
    assert text.endswith("Make room.")
