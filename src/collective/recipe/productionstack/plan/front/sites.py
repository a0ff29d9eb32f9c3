"""The ``sites`` option: one line per site, host names and a path in the ZODB."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

from collective.recipe.productionstack.errors import Problem
from collective.recipe.productionstack.errors import printable
from collective.recipe.productionstack.model.chain import Chain
from collective.recipe.productionstack.model.folders import Folders
from collective.recipe.productionstack.model.site import Site
from collective.recipe.productionstack.options.frontends import frontend
from collective.recipe.productionstack.options.load import StackOptions
from collective.recipe.productionstack.options.tls import file_paths
from collective.recipe.productionstack.options.values.names import folder_name
from collective.recipe.productionstack.options.values.names import served_name
from collective.recipe.productionstack.options.values.parse import file_path
from collective.recipe.productionstack.options.values.parse import lines as parse_lines
from collective.recipe.productionstack.options.values.parse import zodb_path
from collective.recipe.productionstack.plan.front import hosts
from collective.recipe.productionstack.plan.front import virtual_hosts
from collective.recipe.productionstack.plan.front.hosts import Line
from collective.recipe.productionstack.sources.reading import is_on

EXAMPLE = "Write for example: www.example.com,example.com /Plone"


FILE = "file:"
"""What stands before the path of a file with more lines."""


def lines(
    part: str, options: StackOptions, directory: str
) -> tuple[list[Line], list[Problem]]:
    """Take every line apart; a faulty one becomes a problem and is left out.

    Paths of files with lines count from the buildout's directory.
    """
    good: list[Line] = []
    texts, problems = _all(part, options, directory)
    for text in texts:
        try:
            good.append(_line(text))
        except ValueError as error:
            problems.append(_problem(part, text, str(error)))
    problems += hosts.faults(part, good)
    return hosts.shared(good), problems


def _all(
    part: str, options: StackOptions, directory: str
) -> tuple[list[str], list[Problem]]:
    """Return the lines with those of files in their place."""
    found: list[str] = []
    problems: list[Problem] = []
    for text in options.sites:
        if not text.startswith(FILE):
            found.append(text)
            continue
        path = Path(directory, text.removeprefix(FILE).strip())
        try:
            inside = parse_lines(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "not UTF-8"
            message, remedy = (
                f"{path} cannot be read: {why}",
                "Write it, a site per line.",
            )
            problems.append(_problem(part, text, message, remedy))
            continue
        if nested := [one for one in inside if one.startswith(FILE)]:
            message = f"{path} names another file: {nested[0]}"
            problems.append(_problem(part, text, message, "Name it in sites."))
        found += [one for one in inside if one not in nested]
    return found, problems


def sites(
    part: str, found: list[Line], options: StackOptions, chain: Chain, folders: Folders
) -> tuple[tuple[Site, ...], list[Problem]]:
    """Build the sites; certificates and addresses come from the other options."""
    built = tuple(_site(line, options, chain, folders) for line in found)
    faults = virtual_hosts.problems(part, found, options, built)
    return built, [*faults, *virtual_hosts.strangers(part, built)]


def has_certificate(found: list[Line], options: StackOptions) -> bool:
    """Whether any site is served over TLS."""
    of_all = bool(options.certificate) or (bool(found) and options.acme != "off")
    return of_all or any("certificate" in line.names for line in found)


def _line(text: str) -> Line:
    words = text.split()
    if not words[1:]:
        raise ValueError("a site needs host names and the path of a Plone site")
    first, *aliases = words[0].split(",")
    name, slash, folder = first.partition("/")
    found = tuple(_host(one) for one in (name, *aliases))
    if len(set(found)) < len(found):
        raise ValueError("a host name stands there twice")
    pairs = [_pair(word) for word in words[2:]]
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValueError("a name stands there twice")
    names = dict(pairs)
    below = folder_name(folder.removesuffix("/")) if slash and folder else ""
    return Line(_canonical(found, names), zodb_path(words[1]), names, below)


def _host(name: str) -> str:
    if "/" in name:
        raise ValueError(f"{name!r}: the folder stands with the first host, for all")
    try:
        return served_name(name)
    except ValueError:
        raise ValueError(f"{printable(name, 80)!r} is no host name") from None


def _canonical(found: tuple[str, ...], names: dict[str, Any]) -> tuple[str, ...]:
    """Return the hosts with one first that links can be made with."""
    if not found[0].startswith("*"):
        return found
    if "url" not in names:
        raise ValueError(
            f"{found[0]} is many names, and links need one: write it first, as in "
            f"www{found[0][1:]},{found[0]}, or url=https://www{found[0][1:]}"
        )
    return tuple(dict.fromkeys((names["url"][1], *found)))


def _pair(word: str) -> tuple[str, Any]:
    name, equals, value = word.partition("=")
    if not equals or name not in NAMES:
        near = difflib.get_close_matches(name, NAMES, n=1)
        hint = (
            f" (did you mean {near[0]}=…)"
            if near
            else f" (there are {', '.join(sorted(NAMES))})"
        )
        raise ValueError(f"{word!r} is not name=value of a site{hint}")
    try:
        return name, NAMES[name](value)
    except ValueError as error:
        raise ValueError(f"{name}={value}: {error}") from None


def switch(value: str) -> bool:
    """Parse ``on`` or ``off``.

    Raises ValueError for anything else.
    """
    if value.lower() not in {"on", "off", "true", "false", "yes", "no"}:
        raise ValueError("neither on nor off")
    return is_on(value)


NAMES: dict[str, Any] = {
    "redirect": switch,
    "url": virtual_hosts.address,
    "certificate": file_paths,
    "key": file_paths,
    "error-pages": file_path,
    "frontend": frontend,
}


def _site(line: Line, options: StackOptions, chain: Chain, folders: Folders) -> Site:
    host = virtual_hosts.values(line, options, chain, folders)
    return Site(folder=line.folder, path=line.path, **host)


def _problem(part: str, value: str, message: str, remedy: str = EXAMPLE) -> Problem:
    return Problem(
        part=part, option="sites", value=value, message=message, remedy=remedy
    )
