"""The extension: clients and production defaults, before any part is made.

It changes raw sections only, and only where the user has set nothing. What it cannot
do becomes a problem that the recipe reports together with all others.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import zc.buildout
from zc.buildout.configparser import parse

from collective.recipe.productionstack.buildout import guards
from collective.recipe.productionstack.buildout import sections
from collective.recipe.productionstack.buildout.clones import Clones
from collective.recipe.productionstack.buildout.defaults import Defaults
from collective.recipe.productionstack.buildout.edits import Preparation
from collective.recipe.productionstack.daemons import registry
from collective.recipe.productionstack.errors import StackError


def load(buildout: Any) -> None:
    """Prepare a buildout; called by zc.buildout, twice for editable installations.

    Raises UserError where the run must not go on: root, a second run, a live stack.
    """
    if getattr(buildout, "_productionstack_loaded", False) or not _is_listed(buildout):
        return
    buildout._productionstack_loaded = True  # noqa: SLF001 (the only object of a run)
    try:
        guards.refuse_root(buildout)
        guards.refuse_others(buildout)
        guards.hold_lock(buildout["buildout"]["directory"])
        guards.keep_private(buildout)
        for name in _dropped(buildout):
            guards.refuse_live(buildout["buildout"]["directory"], name)
    except StackError as error:
        raise zc.buildout.UserError(str(error)) from error
    _prepare(buildout)


def _is_listed(buildout: Any) -> bool:
    """Whether the user asked for it; buildout loads every installed extension."""
    names = buildout["buildout"].get("extensions", "").split()
    return sections.OURS in {sections.distribution(name) for name in names}


def _dropped(buildout: Any) -> Iterator[str]:
    """Yield our parts that were installed and are no longer listed."""
    path = Path(buildout["buildout"]["directory"], buildout["buildout"]["installed"])
    if not path.is_file():
        return
    with path.open(encoding="utf-8") as stream:
        installed = parse(stream, str(path))
    for name, section in installed.items():
        ours = sections.distribution(section.get("recipe", "")) == sections.OURS
        if ours and name not in sections.listed(buildout):
            yield name


def _prepare(buildout: Any) -> None:
    ours = sections.listed_with(buildout, sections.OURS)
    if not ours:
        return
    work = Preparation(buildout)
    for name in ours:
        Clones(work, name).make()
    work.set_parts()
    defaults = Defaults(work)
    defaults.set_all(ours[0])
    entries = [sections.entry_of(buildout, name) for name in ours]
    if any("backup" in registry.needs(entry) for entry in entries):
        defaults.add_backups(before=ours[0])
    work.set_parts()
    work.say()
    buildout._productionstack_problems = work.problems  # noqa: SLF001
