"""The raw sections of a buildout while the extension changes them."""

from __future__ import annotations

import logging
import re
from typing import Any

from collective.recipe.productionstack.buildout import sections
from collective.recipe.productionstack.errors import Problem

OPENED = re.compile(r"^\s*<[^/#][^>]*(?<!/)>\s*$", re.MULTILINE)
CLOSED = re.compile(r"^\s*</[^>]*>\s*$", re.MULTILINE)

logger = logging.getLogger("productionstack")


class Preparation:
    """One run's changes to the raw sections, and what is said about them."""

    def __init__(self, buildout: Any) -> None:
        self.buildout = buildout
        self.parts = sections.listed(buildout)
        self.problems: list[Problem] = []
        self.said: dict[tuple[str, str], list[str]] = {}

    def view(self, name: str) -> dict[str, str]:
        """Return a section with references resolved, not made a part."""
        return sections.view(self.buildout, name)

    def set_parts(self) -> None:
        """Let buildout and other extensions see our list of parts."""
        value = "\n".join(self.parts)
        self.buildout["buildout"]["parts"] = value
        self.buildout._raw["buildout"]["parts"] = value  # noqa: SLF001

    def set_default(self, section: str, key: str, value: str) -> None:
        """Set an option that the user has not set anywhere, and remember to say so."""
        if key in sections.flat(self.buildout, section):
            return
        self.buildout._raw[section][key] = value  # noqa: SLF001
        self.said.setdefault((key, value), []).append(section)

    def add_line(self, section: str, key: str, line: str) -> bool:
        """Add a line to an option, unless it stands there already.

        Return False where the user's text is one that it cannot be added to: ZConfig's
        sections must all be closed in it.
        """
        given = sections.flat(self.buildout, section).get(key)
        if given is None:
            self.set_default(section, key, line)
            return True
        if any(one.split() == line.split() for one in given.splitlines()):
            return True
        if len(OPENED.findall(given)) != len(CLOSED.findall(given)):
            return False
        raw = self.buildout._raw[section]  # noqa: SLF001
        raw.pop(f"{key} +", None)  # is in what was given
        raw[key] = f"{given}\n{line}" if given.strip() else line
        self.said.setdefault((f"{key} +", line), []).append(section)
        return True

    def replace(self, section: str, key: str, value: str) -> None:
        """Write what the user has set in another way; it means the same."""
        raw = self.buildout._raw[section]  # noqa: SLF001
        raw.pop(f"{key} +", None)  # is in the value
        raw[key] = value

    def problem(
        self, part: str, option: str, value: str, message: str, remedy: str
    ) -> None:
        """Note what the recipe is to report."""
        self.problems.append(
            Problem(
                part=part, option=option, value=value, message=message, remedy=remedy
            )
        )

    def say(self) -> None:
        """Say in one line each what was set, and where."""
        for (key, value), names in self.said.items():
            shown = value if "\n" not in value else value.split("\n")[0] + " …"
            places = " ".join(f"[{name}]" for name in names)
            mark = "" if key.endswith("+") else " "
            logger.info("set in %s: %s%s= %s", places, key, mark, shown)
