"""Show the topology with its ports and files, or the option behind a line.

With FILE:LINE, show which option made a generated line; with FILE alone, every
line of it that an option made.

\b
Example: bin/stack explain
         bin/stack explain etc/stack/haproxy/haproxy.cfg:40
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click

from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.ctl.watching.topology import Branch
from collective.recipe.productionstack.ctl.watching.topology import topology
from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.model.stack import Stack

ORIGIN = re.compile(r"\[[^\]\s]+\] (?!in buildout[.]cfg)[a-z][a-z-]*")
"""Where a line comes from; not the head of a file, which names the part alone."""
COMMENTS = ("#", ";", "//")
BLANK = -2
PLACE = re.compile(r"(?P<file>.*?)(?::(?P<line>\d+))?")


@click.command("explain", help=__doc__)
@click.argument("place", required=False, metavar="[FILE[:LINE]]")
@click.pass_obj
def command(control: Control, *, place: str | None) -> None:
    stack = control.generated()
    if place is None:
        _show(control, stack)
        return
    found = PLACE.fullmatch(place)
    assert found is not None  # noqa: S101 (the pattern matches everything)
    path = _path_of(control, found["file"])
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    for line in _explained(path, lines, int(found["line"] or 0)):
        control.screen.say(line)


def _show(control: Control, stack: Stack) -> None:
    from rich.text import Text
    from rich.tree import Tree

    base = f"{stack.folders.buildout}/"

    def grow(tree: Tree, branches: list[Branch]) -> None:
        for text, below in branches:
            grow(tree.add(Text(text.replace(base, ""))), below)

    whole = Tree(Text(f"[{stack.name}] in {stack.folders.buildout}"))
    grow(whole, topology(stack))
    # Soft wrapping would cut a tree's lines off, ports and all.
    control.screen.console(width=400).print(whole, soft_wrap=False)


def _path_of(control: Control, name: str) -> Path:
    folder = control.trees.current()
    inside = [folder / name] if folder else []
    for path in (Path(name), control.directory / name, *inside):
        if path.is_file():
            return path
    message = (
        f"there is no file {name}. Name one below etc/{control.name}, "
        f"such as etc/{control.name}/stack.json."
    )
    raise ControlError(message)


def _explained(path: Path, lines: list[str], number: int) -> list[str]:
    if number > len(lines):
        message = f"{path} has {len(lines)} lines only. Give one of these."
        raise ControlError(message)
    if number:
        return _one_line(lines, number)
    return [
        f"{at}: {found[0]}"
        for at, line in enumerate(lines, 1)
        if (found := ORIGIN.search(_comment(line)))
    ] or ["no line of this file is made by an option"]


def _one_line(lines: list[str], number: int) -> list[str]:
    for at, where in (*_around(lines, number), *_head(lines)):
        if found := ORIGIN.search(_comment(lines[at - 1])):
            what = "this line" if at == number else f"line {at}, {where},"
            return [lines[number - 1].strip(), f"{what} comes from {found[0]}"]
    return [lines[number - 1].strip(), "no option made this line: it is always so"]


def _around(lines: list[str], number: int) -> Iterator[tuple[int, str]]:
    """Yield the lines that may say where one comes from, and where each stands.

    That is the line itself, those just above it up to a comment, the comments above
    it up to a blank line, and the same comments of the blocks that it is in. What is
    indented alike is in the same block; what is inside another block is left out.
    """
    yield number, ""
    depths = _depths(lines)
    depth, near, together = depths[number - 1], True, True
    for at in range(number - 1, 0, -1):
        line = lines[at - 1]
        if depths[at - 1] > depth:
            continue
        if not line.strip():
            near = together = False
        elif line.lstrip().startswith(COMMENTS):
            near = False
            if together:
                yield at, "above it"
        elif depths[at - 1] < depth:
            yield at, "around it"
            depth, near, together = depths[at - 1], False, True
        elif near:
            yield at, "beside it"


def _head(lines: list[str]) -> Iterator[tuple[int, str]]:
    """Yield the comments that a file begins with, which are for all of it."""
    for at, line in enumerate(lines, 1):
        if not line.startswith(COMMENTS):
            return
        yield at, "for the whole file"


def _depths(lines: list[str]) -> list[int]:
    """Return how far each line is indented.

    The head of a section, as ``[program:nginx]``, is around all that follows; a blank
    line is where the farther one of its neighbours is.
    """
    own = [_indent(one) for one in lines]
    above, below = list(own), list(own)
    for at in range(1, len(own)):
        above[at] = max(own[at], above[at - 1]) if own[at] == BLANK else own[at]
        below[-1 - at] = below[-at] if own[-1 - at] == BLANK else own[-1 - at]
    return list(map(max, above, below))


def _indent(line: str) -> int:
    if not line.strip():
        return BLANK
    return -1 if line[0] == "[" else len(line) - len(line.lstrip())


def _comment(line: str) -> str:
    """Return a line's comment: where the option's name stands."""
    found = re.search(r"(?:^|\s)(?:[#;]|//)(.*)", line)
    return found[1] if found else ""
