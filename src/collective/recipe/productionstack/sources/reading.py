"""What the parts of other recipes mean; one module per recipe that we read."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from collective.recipe.productionstack.model.address import LAST_PORT
from collective.recipe.productionstack.model.address import Address


class UnreadableError(ValueError):
    """An option of another recipe's part that its process would refuse."""

    def __init__(self, option: str, message: str, example: str) -> None:
        """Keep the option and what could stand there instead."""
        super().__init__(message)
        self.option, self.example = option, example


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where the buildout has its folders; all absolute."""

    directory: str
    bin: str
    parts: str

    def absolute(self, path: str, base: str = "") -> str:
        """Join a path to a base, the buildout's folder by default."""
        return str(PurePosixPath(base or self.directory) / path)


NAME = re.compile(r"\$\(([A-Za-z_][A-Za-z0-9_]*)\)")


def environment(value: str) -> tuple[tuple[str, str], ...]:
    """Return the names that a value takes from the environment, with what they are.

    Who runs with another one than buildout's has to be given them.
    """
    names = sorted({*NAME.findall(value)})
    return tuple((one, os.environ[one]) for one in names if one in os.environ)


def expanded(value: str) -> str:
    """Put the environment's values for ``$(NAME)``, as ZConfig does at each start.

    Raises ValueError for a name that is not set here.
    """

    def found(name: re.Match[str]) -> str:
        try:
            return os.environ[name[1]]
        except KeyError:
            message = f"{name[0]} is not set where buildout runs"
            raise ValueError(message) from None

    return NAME.sub(found, value)


def listener(value: str, default_host: str) -> Address:
    """Read ``port``, ``host:port``, ``[v6]:port`` or a socket's path.

    ``$(NAME)`` is the environment's. Raises ValueError for anything else, or a port
    that does not exist.
    """
    value = expanded(value.strip())
    if "/" in value:
        return Address(path=value.removeprefix("unix:"))
    found = re.fullmatch(r"(?:(?:\[([^\]]+)\]|([^:\[\]\s]*)):)?([0-9]{1,5})", value)
    if found is None or not 1 <= int(found[3]) <= LAST_PORT:
        raise ValueError("not an address with a port from 1 to 65535")
    return Address(found[1] or found[2] or default_host, int(found[3]))


def addresses(
    section: Mapping[str, str], option: str, default: str, host: str
) -> tuple[Address, ...]:
    """Read an option that holds addresses, separated by white space.

    Raises UnreadableError for none, or for one that cannot be read.
    """
    example = f"127.0.0.1:{default}"
    try:
        words = section.get(option, default).split()
        found = tuple(listener(one, host) for one in words)
    except ValueError as error:
        raise UnreadableError(option, str(error), example) from error
    if not found:
        raise UnreadableError(option, "no address", example)
    if any(one.path and not one.path.startswith("/") for one in found):
        message = "not an absolute path (white space separates addresses)"
        raise UnreadableError(option, message, example)
    return found


def whole_number(section: Mapping[str, str], option: str, default: str) -> int:
    """Read an option that holds a whole number.

    Raises UnreadableError for anything else.
    """
    try:
        return int(section.get(option, default))
    except ValueError as error:
        raise UnreadableError(option, "not a whole number", default) from error


def is_on(value: str) -> bool:
    """Read a switch as the Plone recipes do."""
    return value.strip().lower() in {"on", "yes", "true", "1"}
