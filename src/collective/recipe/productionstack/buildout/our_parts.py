"""All parts of ours in one buildout run: planned once, complaining once."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any
from typing import TypeVar

import zc.buildout

from collective.recipe.productionstack.buildout import guards
from collective.recipe.productionstack.buildout import other_parts
from collective.recipe.productionstack.buildout import rivals
from collective.recipe.productionstack.buildout import sections
from collective.recipe.productionstack.buildout.last_run import Memory
from collective.recipe.productionstack.daemons import registry
from collective.recipe.productionstack.errors import ConfigurationError
from collective.recipe.productionstack.errors import Problem
from collective.recipe.productionstack.errors import StackError
from collective.recipe.productionstack.model.folders import Folders
from collective.recipe.productionstack.model.stack import Stack
from collective.recipe.productionstack.options.load import StackOptions
from collective.recipe.productionstack.plan import advice
from collective.recipe.productionstack.plan import clients
from collective.recipe.productionstack.plan import folders
from collective.recipe.productionstack.plan import stacks
from collective.recipe.productionstack.plan.stacks import Part
from collective.recipe.productionstack.sources import zeoserver
from collective.recipe.productionstack.tree import check

logger = logging.getLogger("productionstack")

CLIENT_PORTS = "client-port-base"

Plan = dict[str, tuple[Stack, StackOptions]]
Returned = TypeVar("Returned")


def users_fault(function: Callable[..., Returned]) -> Callable[..., Returned]:
    """Show a StackError as buildout shows a user's mistake: without a traceback."""

    @functools.wraps(function)
    def wrapped(*arguments: Any, **named: Any) -> Returned:
        try:
            return function(*arguments, **named)
        except StackError as error:
            raise zc.buildout.UserError(str(error)) from error

    return wrapped


def plan_of(buildout: Any) -> Plan:
    """Plan all parts of ours once a run, so that all problems show together.

    Raises ConfigurationError with all of them.
    """
    kept: Plan | None = getattr(buildout, "_productionstack_plan", None)
    if kept is not None:
        return kept
    parts = [
        Part(
            name=name,
            entry=sections.entry_of(buildout, name),
            section=_view(buildout, name),
        )
        for name in sections.listed_with(buildout, sections.OURS)
    ]
    memory = Memory(_places(buildout, parts[0].name))
    versions = tuple(
        sorted(check.versions(registry.versioned(), memory.values).items())
    )
    found, problems = other_parts.gather(buildout, buildout.__getitem__, versions)
    built, more = stacks.stacks(parts, found)
    problems += more
    problems = _with_extensions(buildout, problems)
    if problems:
        raise ConfigurationError(problems)
    for stack, options in built.values():
        _say_once(buildout, [clients.guess(stack.name, options, found)])
        _warn(buildout, stack)
        if not stack.alone:
            _say_once(buildout, rivals.found(buildout, stack))
    names = {one.name for stack, _ in built.values() for one in stack.zope.all_clients}
    guards.warn_of_open_files(buildout, sorted(names))
    buildout._productionstack_plan = built  # noqa: SLF001 (the only object of a run)
    return built


def _with_extensions(buildout: Any, problems: list[Problem]) -> list[Problem]:
    """Put what the extension could not do in the place of what follows from it."""
    noted: list[Problem] = getattr(buildout, "_productionstack_problems", [])
    hidden = {(problem.part, problem.option) for problem in noted}
    hidden |= {(part, "clients") for part, option in hidden if option == CLIENT_PORTS}
    return noted + [one for one in problems if (one.part, one.option) not in hidden]


def _warn(buildout: Any, stack: Stack) -> None:
    def given(part: str, option: str) -> bool:
        return option in sections.flat(buildout, part)

    _say_once(buildout, advice.warnings(stack, given=given))
    for storage in () if stack.alone else stack.data.storages:
        _say_once(buildout, _unkept(storage.name, buildout[storage.name]))


def _unkept(part: str, section: Mapping[str, str]) -> Iterator[str]:
    """Yield the databases of a ZEO server that no job of the stack knows."""
    for name, path in zeoserver.beside(section).items():
        yield (
            f"[{part}] zeo-conf-additional: the database {name} is in no backup and is"
            " never packed. Give it a part of its own: recipe = plone.recipe.zeoserver,"
            f" file-storage = {path or 'its file'}, zeopack-script-name ="
            f" zeopack-{name}, blob-storage and zeo-address of its own"
        )


def _say_once(buildout: Any, lines: Iterable[str]) -> None:
    """Warn with lines that are not empty, each once a run: several parts share some."""
    said: set[str] = buildout.__dict__.setdefault("_productionstack_said", set())
    for line in lines:
        if line and line not in said:
            logger.warning(line)
        said.add(line)


def _view(buildout: Any, name: str) -> dict[str, str]:
    """Return a section's options; what other parts' recipes know is there by now."""
    found = sections.view(buildout, name)
    options = buildout.Options(buildout, name, found)
    return {option: options.get(option) for option in found}


def _places(buildout: Any, name: str) -> Folders:
    options = buildout["buildout"]
    return folders.of(options["directory"], options["bin-directory"], name)
