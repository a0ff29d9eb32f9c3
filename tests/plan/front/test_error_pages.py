"""Error pages of the user's own are checked before anything is written."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from collective.recipe.productionstack.daemons.front import pages
from collective.recipe.productionstack.model.front import Front
from collective.recipe.productionstack.plan.front import error_pages
from tests.support import samples

BAD = (
    ("500.html", b"x", "500.html is no page such as 503.html"),
    ("503.DE.html", b"x", "503.DE.html is no page"),
    ("style.css", b"x", "style.css is no page"),
    ("503.html", b"\x89PNG\r\n\x1a\n\x00", "503.html is no text in UTF-8"),
    ("503.html", b"a\x00b", "503.html is no text"),
    ("503.html", b" \n", "503.html is empty"),
    ("503.html", b"x" * 40000, "503.html is larger than 32 kB"),
)


@pytest.mark.parametrize(("name", "content", "said"), BAD)
def test_what_cannot_be_shown(
    tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=said):
        pages.read(str(tmp_path))


def test_a_folder_that_is_not_there_or_empty_or_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="No such file"):
        pages.read(str(tmp_path / "missing"))
    with pytest.raises(ValueError, match="holds no page"):
        pages.read(str(tmp_path))
    (tmp_path / "503.html").mkdir()
    with pytest.raises(ValueError, match=r"503.html cannot be read: Is a directory"):
        pages.read(str(tmp_path))


def test_each_folder_is_one_problem_that_names_option_and_value() -> None:
    site = samples.changed().sites[0]
    own = dataclasses.replace(site, error_pages="/nowhere/two")
    front = Front(error_pages="/nowhere/one")
    found = list(error_pages.problems("stack", front, (site, own)))
    shown = [(one.option, one.value) for one in found]
    assert shown == [
        ("error-pages", "/nowhere/one"),
        ("sites", "www.example.com error-pages=/nowhere/two"),
    ]


def test_good_pages_by_status_and_language(tmp_path: Path) -> None:
    (tmp_path / "503.html").write_text("away")
    (tmp_path / "503.pt-br.html").write_bytes(b"\xef\xbb\xbffora\r\n")
    (tmp_path / ".hidden").write_text("x")
    assert pages.read(str(tmp_path)) == {"503": {"": "away", "pt-br": "fora\n"}}
