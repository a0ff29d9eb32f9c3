"""Every page by its name; written, or only compared."""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Iterator
from pathlib import Path

from collective.recipe.productionstack.reference import cli
from collective.recipe.productionstack.reference import errors
from collective.recipe.productionstack.reference import files
from collective.recipe.productionstack.reference import options

COMMAND = "make docs"
NOTE = f"<!-- Written by `{COMMAND}` from the code; edit there. -->\n"


def main(arguments: list[str] | None = None) -> int:
    """Write the pages, or only say which are not fresh."""
    parser = argparse.ArgumentParser(prog="reference")
    parser.add_argument("--check", action="store_true", help="write nothing")
    parser.add_argument("folder", nargs="?", default="docs/reference", type=Path)
    given = parser.parse_args(arguments)
    stale = [name for name in pages() if not _is_fresh(given.folder / name)]
    for name in stale:
        path = given.folder / name
        if given.check:
            sys.stdout.writelines(f"{line}\n" for line in _diff(path))
            sys.stderr.write(f"{path} is not fresh. Run: {COMMAND}\n")
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(pages()[name], encoding="utf-8")
    return 1 if given.check and stale else 0


def pages() -> dict[str, str]:
    """Return the text of every page by its file name."""
    return {
        "cli.md": _joined(cli.page()),
        "troubleshooting.md": _joined(errors.page()),
        "files.md": _joined(files.page()),
        "options.md": _joined(options.page()),
    }


def _is_fresh(path: Path) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == pages()[path.name]


def _diff(path: Path) -> Iterator[str]:
    old = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    new = pages()[path.name].splitlines()
    return difflib.unified_diff(old, new, str(path), f"{path} (fresh)", lineterm="")


def _joined(blocks: Iterator[str]) -> str:
    return NOTE + "\n" + "\n\n".join(blocks) + "\n"
