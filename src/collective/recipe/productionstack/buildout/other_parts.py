"""Read the other recipes' parts of a buildout, and the daemons of the machine."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from typing import TypeVar

from collective.recipe.productionstack.buildout import sections
from collective.recipe.productionstack.errors import Problem
from collective.recipe.productionstack.plan.facts import Facts
from collective.recipe.productionstack.sources import backup
from collective.recipe.productionstack.sources import zeoserver
from collective.recipe.productionstack.sources import zope2instance
from collective.recipe.productionstack.sources.reading import Places
from collective.recipe.productionstack.sources.reading import UnreadableError
from collective.recipe.productionstack.sources.reading import is_on

Made = TypeVar("Made")


def gather(
    buildout: Any,
    section_of: Callable[[str], Mapping[str, str]],
    versions: tuple[tuple[str, tuple[int, ...]], ...] = (),
) -> tuple[Facts, list[Problem]]:
    """Read every listed part that we know, and note what cannot be read."""
    places = places_of(buildout)
    problems: list[Problem] = []

    def read_all(recipe: str, read: Callable[..., Made]) -> dict[str, Made]:
        found = {}
        for name in sections.listed_with(buildout, recipe):
            section = section_of(name)
            try:
                found[name] = read(name, section, places)
            except UnreadableError as error:
                problems.append(_unreadable(name, section, error))
        return found

    clients = read_all(zope2instance.RECIPE, zope2instance.read)
    none = {name: zope2instance.no_client(name, section_of(name)) for name in clients}
    found = Facts(
        directory=places.directory,
        bin=places.bin,
        clients={name: one for name, one in clients.items() if not none[name]},
        no_clients={name: problem for name, problem in none.items() if problem},
        storages=read_all(zeoserver.RECIPE, zeoserver.read),
        backups=read_all(backup.RECIPE, backup.read),
        debugging=frozenset(
            name for name in clients if is_on(section_of(name).get("debug-mode", ""))
        ),
        versions=versions,
        cores=len(os.sched_getaffinity(0)),
        memory=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        # What is free changes by the hour, and the cache's own files are part of it.
        disk=shutil.disk_usage(places.directory).total,
    )
    faulty = frozenset(problem.part for problem in problems)
    return replace(found, unreadable=faulty), problems


def places_of(buildout: Any) -> Places:
    """Return where the buildout has its folders."""
    options = buildout["buildout"]
    return Places(
        directory=options["directory"],
        bin=options["bin-directory"],
        parts=options["parts-directory"],
    )


def _unreadable(
    name: str, section: Mapping[str, str], error: UnreadableError
) -> Problem:
    return Problem(
        part=name,
        option=error.option,
        value=section.get(error.option, ""),
        message=str(error),
        remedy=f"Write for example: {error.option} = {error.example}",
    )
