"""``explain``: the topology with ports and files, or the option behind a line."""

from __future__ import annotations

import re
from pathlib import Path

import click

from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.model import Client
from collective.recipe.productionstack.model import Stack

ORIGIN = re.compile(r"\[[^\]\s]+\] [a-z][a-z-]*")
PLACE = re.compile(r"(?P<file>.*?)(?::(?P<line>\d+))?")

Branch = tuple[str, list["Branch"]]
"""A line of the topology and what hangs below it."""


@click.command("explain", short_help="Show the topology, or the option behind a line.")
@click.argument("place", required=False, metavar="[FILE[:LINE]]")
@click.pass_obj
def command(control: Control, *, place: str | None) -> None:
    """Show the topology with its ports and files.

    With FILE:LINE, show which option made a generated line; with FILE alone, every
    line of it that an option made.

    \b
    Example: bin/stack explain
             bin/stack explain etc/stack/haproxy/haproxy.cfg:40
    """
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


def topology(stack: Stack) -> list[Branch]:
    """Return who talks to whom, from the visitor to the disk."""
    chain: list[Branch] = _clients(stack)
    if stack.load_balancer == "haproxy":
        chain = [(f"HAProxy  {stack.balancer}, statistics {stack.stats}", chain)]
    if stack.proxy_cache == "varnish":
        text = f"Varnish  {stack.cache}, {stack.cache_socket}, purge {stack.purge}"
        chain = [(text, chain)]
    if stack.web_server == "nginx":
        secure = f", https {stack.https}" if stack.https else ""
        chain = [(f"nginx  http {stack.http}{secure}", chain)]
    sites: list[Branch] = [(f"{site.url} -> {site.path}", []) for site in stack.sites]
    return [("visitors", [*sites, *chain]), *_beside(stack)]


def _clients(stack: Stack) -> list[Branch]:
    found = [(_client(client), list[Branch]()) for client in stack.clients]
    return [*found, *_storage(stack)]


def _client(client: Client) -> str:
    return (
        f"{client.name}  {client.address}, {client.threads} threads, "
        f"maxconn {client.maxconn}"
    )


def _storage(stack: Stack) -> list[Branch]:
    if stack.storage is None:
        return []
    files = [f"data {stack.storage.data_file}", f"blobs {stack.storage.blob_dir}"]
    below: list[Branch] = [(text, []) for text in files if not text.endswith(" ")]
    return [(f"{stack.storage.name} (ZEO)  {stack.storage.address}", below)]


def _beside(stack: Stack) -> list[Branch]:
    folders = stack.folders
    files = [folders.etc, f"{folders.applied} (applied)", folders.var, folders.sockets]
    found: list[Branch] = []
    if stack.debug_client:
        text = (
            f"debug client  {_client(stack.debug_client)}, {stack.debug_client.script}"
        )
        found.append((text, []))
    found.append(("files", [(text, []) for text in dict.fromkeys(files)]))
    found.append((f"logs  {folders.log}", [(log.path, []) for log in stack.logs]))
    jobs = [
        (f"{job.schedule}  {job.name}: {job.why}", list[Branch]()) for job in stack.jobs
    ]
    if jobs:
        found.append(("jobs", list(jobs)))
    return found


def _show(control: Control, stack: Stack) -> None:
    from rich.text import Text
    from rich.tree import Tree

    base = f"{stack.folders.buildout}/"

    def grow(tree: Tree, branches: list[Branch]) -> None:
        for text, below in branches:
            grow(tree.add(Text(text.replace(base, ""), no_wrap=True)), below)

    whole = Tree(Text(f"[{stack.name}] in {stack.folders.buildout}", no_wrap=True))
    grow(whole, topology(stack))
    control.screen.console(width=400).print(whole)


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
    for at in range(number, 0, -1):
        if found := ORIGIN.search(_comment(lines[at - 1])):
            where = "this line" if at == number else f"line {at}, the nearest above,"
            return [lines[number - 1].strip(), f"{where} comes from {found[0]}"]
    return [lines[number - 1].strip(), "no option made this line: it is always so"]


def _comment(line: str) -> str:
    """Return a line's comment: where the option's name stands."""
    found = re.search(r"(?:^|\s)(?:[#;]|//)(.*)", line)
    return found[1] if found else ""
