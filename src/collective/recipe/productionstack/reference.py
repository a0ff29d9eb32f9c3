"""Write the reference pages from what the code declares.

python -m collective.recipe.productionstack.reference [--check] [FOLDER]
"""

from __future__ import annotations

import argparse
import difflib
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

from collective.recipe.productionstack.daemons import registry
from collective.recipe.productionstack.daemons.registry import Service
from collective.recipe.productionstack.model.address import Address
from collective.recipe.productionstack.model.announced import Check
from collective.recipe.productionstack.model.chain import LISTENERS
from collective.recipe.productionstack.model.chain import ROLES
from collective.recipe.productionstack.model.chain import Chain
from collective.recipe.productionstack.model.folders import Folders
from collective.recipe.productionstack.model.site import Site
from collective.recipe.productionstack.model.stack import Stack
from collective.recipe.productionstack.options.load import FREE
from collective.recipe.productionstack.options.load import OPTIONS
from collective.recipe.productionstack.options.load import RESERVED
from collective.recipe.productionstack.tree import render

if TYPE_CHECKING:
    import click


COMMAND = "make docs"
WIDE: dict[str, Any] = {
    "help_option_names": ["-h", "--help"],
    "max_content_width": 88,
    "terminal_width": 88,
}
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
        "cli.md": _joined(cli_page()),
        "files.md": _joined(files_page()),
        "options.md": _joined(options_page()),
    }


def options_page() -> Iterator[str]:
    """Yield the blocks of the page about the options."""
    yield "# Options"
    yield (
        "Of a part with `recipe = collective.recipe.productionstack`, or with one of"
        f" its pieces ({', '.join(f'`:{s.NAME}`' for s in registry.SERVICES)})."
    )
    for name, field in OPTIONS.items():
        about = field.metadata
        default = about["shown"] or f"`{field.default}`"
        yield f"## `{name}`"
        yield about["doc"]
        yield f"- Type: {about['kind']}\n- Default: {default}"
        yield f"```text\n{name} = {about['example']}\n```"
    yield "## Other names"
    yield f"Not ours and always allowed: {_codes(FREE)} and all that start with `x-`."
    yield f"Reserved for later releases: {_codes(sorted(RESERVED))}."
    yield "Any other name is an error."


def files_page() -> Iterator[str]:
    """Yield the blocks of the page about the generated files."""
    yield "# Generated files"
    yield (
        "Below `etc/PART`. A template of the same name in your own `templates` folder"
        " is taken instead; it may extend the stock one and refill its blocks"
        " ([how](../how-to/change-a-generated-file.md))."
    )
    yield "`stack.json` is what `bin/PART` reads: the topology, programs, jobs, checks."
    sample = _sample()
    for service in registry.SERVICES:
        yield f"## {service.NAME}"
        yield "\n".join(_file_table(service, sample))
        yield from map(_asked, service.checks(sample))


def cli_page() -> Iterator[str]:
    """Yield the blocks of the page about the control script."""
    import click

    from collective.recipe.productionstack.ctl.main import group

    context = click.Context(group, info_name="bin/stack", **WIDE)
    yield "# bin/stack"
    yield "The script is called as the part is; here it is `[stack]`."
    yield f"```text\n{group.get_help(context).rstrip()}\n```"
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is not None:
            yield from _verb(name, command, context)


def _verb(name: str, command: click.Command, parent: click.Context) -> Iterator[str]:
    import click

    context = click.Context(command, info_name=name, parent=parent, **WIDE)
    yield f"## {name}"
    yield f"```text\n{command.get_help(context).rstrip()}\n```"


def _file_table(service: Service, sample: Stack) -> Iterator[str]:
    yield "| file | template | blocks |"
    yield "|---|---|---|"
    for path, template, _ in service.files(sample):
        shown = path.replace(sample.sites[0].host, "HOST")
        blocks = _codes(render.blocks(template)) or "-"
        yield f"| `{shown}` | `{template}` | {blocks} |"


def _asked(check: Check) -> str:
    least = ".".join(map(str, check.minimum))
    words = shlex.join(check.command).replace("'", "")
    command = re.sub(r"\{(\w+)\}", lambda found: found[1].upper(), words)
    return (
        f"{check.daemon} {least} or newer is asked, on a copy that neither writes nor"
        f" listens anywhere:\n\n```text\n{command}\n```"
    )


def _sample() -> Stack:
    """Return a stack with one of everything that decides which files there are."""
    places = Folders(
        buildout="/srv/site",
        bin="/srv/site/bin",
        etc="/srv/site/etc/stack",
        var="/srv/site/var/stack",
        log="/srv/site/var/log",
        sockets="/srv/site/var/stack",
    )
    site = Site(
        host="www.example.com",
        path="/Plone",
        scheme="http",
        url_host="www.example.com",
        url_port=80,
    )
    words = dict.fromkeys(ROLES, "x")
    listens = {one: Address() for names in LISTENERS.values() for one in names}
    chain: Any = {**words, **listens, "https": None}
    every = tuple(service.NAME for service in registry.SERVICES)
    return Stack(
        name="stack",
        folders=places,
        services=every,
        sites=(site,),
        chain=Chain(**chain),
    )


def _is_fresh(path: Path) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == pages()[path.name]


def _diff(path: Path) -> Iterator[str]:
    old = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    new = pages()[path.name].splitlines()
    return difflib.unified_diff(old, new, str(path), f"{path} (fresh)", lineterm="")


def _codes(words: Any) -> str:
    return " ".join(f"`{word}`" for word in words)


def _joined(blocks: Iterator[str]) -> str:
    return NOTE + "\n" + "\n\n".join(blocks) + "\n"


if __name__ == "__main__":
    sys.exit(main())
