"""What the documentation shows is run as it stands there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.buildouts import MINIMAL
from tests.support.buildouts import Site

CHECKOUT = Path(__file__).parents[2]
PAGES = [CHECKOUT / "README.md", *sorted((CHECKOUT / "docs").rglob("*.md"))]
EXAMPLES = sorted((CHECKOUT / "examples").glob("*/buildout.cfg"))
BLOCK = re.compile(r"(?ms)^```ini([^\n]*)\n(.*?)^```$")
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
EGGS = re.compile(r"(?m)^(eggs = )Plone$|^    collective\.(?:purgebyid|xsendfile)\n")
"""Plone itself and its add-ons are not among what these runs see."""

FOLDERS = re.compile(r"(?:root=| static )\$\{buildout:directory\}/(\w+)")
"""Of applications, and must be there."""

PAGES_FOLDER = re.compile(r"error-pages ?= ?\$\{buildout:directory\}/(\S+)")
"""Must be there, with a page in it."""

FRONTEND = re.compile(r"(?m)^frontend-folder = (\w+)$")
"""Must be there, with what a build leaves in it."""


@dataclass(frozen=True)
class Block:
    """An ini block of a page: where it is, what stands behind ``ini``, its text."""

    place: str
    info: str
    text: str


def blocks() -> Iterator[Block]:
    """Yield every ini block of the documentation."""
    for page in PAGES:
        text = page.read_text("utf-8")
        for found in BLOCK.finditer(text):
            line = text.count("\n", 0, found.start()) + 1
            place = f"{page.relative_to(CHECKOUT)}:{line}"
            yield Block(place, found[1].strip(), found[2])


def place(site: Site, text: str) -> None:
    """Write a block as a whole buildout: one that shows a piece gets the rest."""
    text = EGGS.sub(r"\1", text)
    if "parts =" not in text:
        site.write(MINIMAL, "base.cfg")
        section = "" if re.search(r"(?m)^\[", text) else "[stack]\n"
        text = f"[buildout]\nextends = base.cfg\n\n{section}{text}"
    site.write(text)
    for named in FOLDERS.findall(text):
        (site.folder / named).mkdir(exist_ok=True)
    for named in FRONTEND.findall(text):
        site.write("// A build of Volto.\n", f"{named}/build/server.js")
    for named in PAGES_FOLDER.findall(text):
        folder = site.folder / named
        folder.mkdir(exist_ok=True)
        (folder / "503.html").write_text("<p>Back soon")


@pytest.mark.parametrize("block", list(blocks()), ids=lambda block: block.place)
def test_block(block: Block, site: Site) -> None:
    """Every ini block works, or fails where its info string says so."""
    place(site, block.text)
    if block.info == "fails":
        assert site.refused()
    else:
        assert block.info == "", f"{block.place}: ini {block.info} is not known"
        site.built()


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.parent.name)
def test_example(example: Path, site: Site) -> None:
    """Every example is built as it is."""
    site.write(EGGS.sub(r"\1", example.read_text("utf-8")))
    site.built()
    assert (site.etc / "stack.json").is_file()


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_links(page: Path) -> None:
    """A link into the repository leads somewhere."""
    for target in LINK.findall(page.read_text("utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target
