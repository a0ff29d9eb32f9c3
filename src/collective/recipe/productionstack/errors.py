"""Errors that a user can mend, and how they are worded."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

SECRET = re.compile(r"(//[^/@\s]*:)[^/@\s]+@")
"""A password in an address: no message repeats it."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Problem:
    """One fault in the configuration and what to write instead."""

    part: str
    option: str = ""
    value: str = ""
    message: str
    remedy: str = ""

    def __str__(self) -> str:
        """Word the problem as one line: ``[part] option = value: what. Remedy.``."""
        place = f"[{self.part}]"
        if self.option:
            shown = " ".join(printable(self.value).split())
            place += (
                f" {self.option} = {shown}".rstrip() if shown else f" {self.option}"
            )
        text = SECRET.sub(r"\1…@", f"{place}: {self.message.rstrip('.')}.")
        return f"{text} {self.remedy}" if self.remedy else text


class StackError(Exception):
    """A fault that has a remedy: shown as its text alone, never as a traceback."""


class ConfigurationError(StackError):
    """Every problem found in a buildout's configuration, at once."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        """Keep the distinct problems in a stable order."""
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(str(problem) for problem in self.problems))


class ControlError(StackError):
    """A control verb could not do its work; the text says what to do next."""


def printable(text: str, limit: int = 200) -> str:
    """Return text safe for a terminal: control characters escaped, not too long."""
    clean = "".join(
        char if char.isprintable() or char == "\n" else ascii(char)[1:-1]
        for char in text
    )
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"
