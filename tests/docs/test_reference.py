"""The reference pages say what the code says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from collective.recipe.productionstack import reference
from collective.recipe.productionstack.options.load import OPTIONS

FOLDER = Path(__file__).parents[2] / "docs/reference"


@pytest.mark.parametrize("name", sorted(reference.pages()))
def test_fresh(name: str) -> None:
    """A page is what the code declares; if not, the failure says how to mend it."""
    path = FOLDER / name
    text = path.read_text("utf-8") if path.is_file() else ""
    if text != reference.pages()[name]:
        pytest.fail(f"docs/reference/{name} is not fresh. Run: {reference.COMMAND}")


def test_check_names_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """``--check`` writes nothing, shows the difference and names the command."""
    assert reference.main(["--check", str(tmp_path)]) == 1
    said = capsys.readouterr()
    assert "Run: make docs" in said.err
    assert "+# Options" in said.out
    assert not list(tmp_path.iterdir())
    assert reference.main([str(tmp_path)]) == 0
    assert reference.main(["--check", str(tmp_path)]) == 0


def test_every_option_is_there() -> None:
    """Each option has its own heading."""
    page = reference.pages()["options.md"]
    assert re.findall(r"(?m)^## `(.+)`$", page) == list(OPTIONS)
