"""Sections of a buildout, read without making them parts.

``buildout[name]`` would fetch a recipe and install the part even when nobody
listed it; these functions look at the raw options, with macros applied.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

OURS = "collective-recipe-productionstack"

REFERENCE = re.compile(r"(?<!\$)\$\{([^:{}]*):([^{}]*)\}")

DEPENDENCIES = "<part-dependencies>"
"""The option by which a part names others that it needs (zc.buildout's own)."""


def distribution(recipe: str) -> str:
    """Return the normalised distribution of a ``recipe`` value.

    ``plone.recipe.zeoserver[zrs] >=3:default`` gives ``plone-recipe-zeoserver``.
    """
    name = re.split(r"[\s\[<>=!~;:(]", recipe.strip(), maxsplit=1)[0]
    return re.sub(r"[-_.]+", "-", name).lower()


def flat(buildout: Any, name: str) -> dict[str, str]:
    """Return a section's raw options with ``<=``, ``+=`` and ``-=`` applied."""
    raw: Mapping[str, str] = buildout._raw.get(name, {})  # noqa: SLF001 (no public way)
    if "<" in raw:
        options = buildout.Options(buildout, name, raw)
        raw = options._do_extend_raw(name, raw, [])  # noqa: SLF001
    return dict(raw)


def view(buildout: Any, name: str) -> dict[str, str]:
    """Return a section's options with their references resolved.

    Nothing becomes a part by it, as it would with ``buildout[name]``. What only
    another part's recipe knows (``${instance:location}``) is left as it stands.
    """
    found = flat(buildout, name)
    return {
        option: _resolved(buildout, name, value, frozenset({(name, option)}))
        for option, value in found.items()
    }


def _resolved(
    buildout: Any, name: str, value: str, doing: frozenset[tuple[str, str]]
) -> str:
    def referred(found: re.Match[str]) -> str:
        section, option = found[1] or name, found[2]
        if option == "_buildout_section_name_":
            return section
        if section == "buildout":
            return str(buildout["buildout"].get(option, found[0]))
        values = flat(buildout, section)
        if option not in values or (section, option) in doing:
            return found[0]
        return _resolved(buildout, section, values[option], doing | {(section, option)})

    return REFERENCE.sub(referred, value) if "${" in value else value


def recipe_of(buildout: Any, name: str) -> str:
    """Return the normalised distribution that makes a part, or nothing."""
    return distribution(_recipe(buildout, name))


def _recipe(buildout: Any, name: str) -> str:
    """Return what a section has as its recipe, also by ``${instance1:recipe}``."""
    value = flat(buildout, name).get("recipe", "")
    return _resolved(buildout, name, value, frozenset({(name, "recipe")}))


def listed(buildout: Any) -> list[str]:
    """Return the parts that this run installs, in their order, each once.

    A part that another one refers to, or names as one that it depends on, is installed
    too, before it, as buildout does.
    """
    found: dict[str, None] = {}

    def add(name: str, doing: frozenset[str]) -> None:
        if name in doing or name in found:
            return
        values = flat(buildout, name)
        referred = [
            one for text in values.values() for one, _ in REFERENCE.findall(text)
        ]
        for section in (*referred, *values.get(DEPENDENCIES, "").split()):
            if section != "buildout":
                add(section, doing | {name})
        found[name] = None

    typed = buildout["buildout"].get("parts", "").split()
    for name in typed:
        add(name, frozenset())
    # A section without a recipe only leads to others.
    return [name for name in found if name in typed or recipe_of(buildout, name)]


def listed_with(buildout: Any, recipe: str) -> list[str]:
    """Return the listed parts that a distribution makes."""
    return [name for name in listed(buildout) if recipe_of(buildout, name) == recipe]


def entry_of(buildout: Any, name: str) -> str:
    """Return the entry point behind the colon of a recipe, ``default`` without one."""
    _, _, entry = _recipe(buildout, name).strip().partition(":")
    return entry.strip() or "default"
