"""The reference pages say what the code says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from collective.recipe.productionstack.options.load import OPTIONS
from collective.recipe.productionstack.reference import options
from collective.recipe.productionstack.reference import pages as reference

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


SPOKEN = re.compile(r"`([^`]+)`(?: → (.*))?")


def _pattern(text: str) -> str:
    return ".*".join(re.escape(one.strip()) for one in text.split("…") if one.strip())


def test_every_error_that_is_known_is_there() -> None:
    """What buildout says in the cases that must fail is found on the page."""
    page = reference.pages()["troubleshooting.md"]
    texts = [_pattern(found[1]) for found in SPOKEN.finditer(page)]
    texts = [one for one in texts if len(one) > len("not an address") - 1]
    found = FOLDER.parents[1].glob("tests/scenarios/*/expected-error.txt")
    lines = {line for one in found for line in one.read_text("utf-8").splitlines()}
    # What stands between is the daemon's own.
    lines = {line for line in lines if line.startswith("[") and not line.endswith(":")}
    lines = {line for line in lines if "check = auto" not in line}
    assert len(lines) > 100
    unknown = [one for one in lines if not any(re.search(two, one) for two in texts)]
    assert unknown == []


def test_every_option_is_there() -> None:
    """Each option has its own heading, below one task."""
    page = reference.pages()["options.md"]
    assert sorted(re.findall(r"(?m)^### `(.+)`$", page)) == sorted(OPTIONS)


@pytest.mark.parametrize(
    ("option", "effect"),
    [
        ("cache-address", "a restart of `varnish`"),
        ("queue-length", "`haproxy/haproxy.cfg`; `bin/stack reload`"),
        ("programs", "`bin/stack up`"),
        ("mailto", "`bin/stack cron install`"),
        ("alert-mail", "what `bin/stack` itself does"),
    ],
)
def test_what_an_option_changes_is_measured(option: str, effect: str) -> None:
    """What the page says is what two trees differ in."""
    assert effect in options.effect(option)
