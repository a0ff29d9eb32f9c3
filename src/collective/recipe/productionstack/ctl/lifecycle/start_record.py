"""What each program was started with, so that a needed restart can be named."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.ctl.lifecycle.survey import Survey
from collective.recipe.productionstack.daemons.supervisor.control import CONF
from collective.recipe.productionstack.machine import processes
from collective.recipe.productionstack.machine import state
from collective.recipe.productionstack.model.announced import Program
from collective.recipe.productionstack.model.stack import Stack

NAME = "started.json"

SUBREAPER = "/subreaper.py"
OURS = re.compile(r'(?:"[^"]*|[^\s"]+)/(subreaper\.py)"?(?=\s)')
"""A program of this package: where that lies changes with its version."""


@dataclass(frozen=True, slots=True)
class Stale:
    """Why a program does not run as generated."""

    reload: bool = False
    reasons: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Whether there is any reason."""
        return bool(self.reasons)


def look(stack: Stack, program: Program, folder: Path) -> dict[str, Any]:
    """Return what a program would be started with from a tree now."""
    return {
        "definition": _sum(OURS.sub(r"\1", definition(folder, program.name))),
        "files": {path: _file_sum(Path(path)) for path in program.files},
        "tree": {
            path.relative_to(folder).as_posix(): _file_sum(path)
            for path in sorted(folder.rglob("*"))
            if path.is_file() and reads(program, path.relative_to(folder).as_posix())
        },
        "stack": stack.name,
    }


def reads(program: Program, path: str) -> bool:
    """Whether a program reads that file of the tree."""
    return any(
        path == one or path.startswith(f"{one.rstrip('/')}/")
        for one in program.tree_files
    )


def definition(folder: Path, name: str) -> str:
    """Return the program's section of supervisord.conf without its comments."""
    try:
        text = (folder / CONF).read_text(encoding="utf-8")
    except OSError:
        return ""
    found = re.search(rf"(?ms)^\[program:{re.escape(name)}\]$(.*?)(?=^\[|\Z)", text)
    lines = found[1].splitlines() if found else []
    kept = (line.partition(" ;")[0].rstrip() for line in lines)
    return "\n".join(line for line in kept if line and line[0] not in "#;")


def remember(stack: Stack, name: str, seen: Mapping[str, Any], pid: int) -> None:
    """Write down what a process was started with."""
    process = processes.process(pid)
    entry = {**seen, "pid": pid, "ticks": process.ticks if process else 0}
    save(stack, {**load(stack), name: entry})


def load(stack: Stack) -> dict[str, Any]:
    """Return everything written down; empty when there is nothing usable."""
    return state.read(Path(stack.folders.var, NAME))


def save(stack: Stack, values: Mapping[str, Any]) -> None:
    """Write everything down in one rename."""
    state.write(Path(stack.folders.var, NAME), values)


def why_stale(
    stack: Stack, program: Program, pid: int, record: Mapping[str, Any]
) -> Stale:
    """Return why a running program does not run as the applied tree says."""
    process = processes.process(pid)
    entry = record.get(program.name)
    if process is None or not entry:
        return Stale()
    # Where ours lies may change; but supervisord starts it again from where it was.
    ours = [Path(one) for one in processes.arguments(pid) if one.endswith(SUBREAPER)]
    if gone := [str(one) for one in ours if not one.exists()]:
        return Stale(reasons=(f"{gone[0]} is gone",))
    folder = Path(stack.folders.applied)
    now = look(stack, program, folder.resolve())
    since = 0.0
    if (entry["pid"], entry["ticks"]) != (pid, process.ticks):
        # supervisor started it again by itself: it has read what was there then.
        since = time.time() - process.uptime
    files = _newer(entry["files"], now["files"], since)
    switched = folder.lstat().st_mtime > since
    inside = _different(entry["tree"], now["tree"]) if switched else []
    if entry["definition"] not in {now["definition"], _as_first(program, folder, pid)}:
        return Stale(reasons=("its definition changed", *files, *inside))
    if files or not program.reload:
        return Stale(reasons=(*files, *inside))
    return Stale(reload=True, reasons=tuple(inside))


def _as_first(program: Program, folder: Path, pid: int) -> str:
    """Return the sum that the first release wrote down for the same definition.

    It held the whole path of the program of ours that runs there.
    """
    if not (found := OURS.search(processes.command(pid))):
        return ""
    return _sum(OURS.sub(found[0], definition(folder, program.name)))


def refresh(stack: Stack, program: Program) -> None:
    """Write down that a running program has read the applied tree again."""
    record = load(stack)
    if entry := record.get(program.name):
        entry["tree"] = look(stack, program, Path(stack.folders.applied).resolve())[
            "tree"
        ]
        save(stack, record)


def _different(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    return [path for path in sorted({*old, *new}) if old.get(path) != new.get(path)]


def _newer(old: Mapping[str, str], new: Mapping[str, str], since: float) -> list[str]:
    """Return the files that differ and were written after that time."""
    return [path for path in _different(old, new) if _time_of(path) > since]


def _time_of(path: str) -> float:
    try:
        return Path(path).stat().st_mtime
    except OSError:
        return time.time()


def _file_sum(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    except OSError:
        return ""


def _sum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def stale(stack: Stack, seen: Survey) -> dict[str, Stale]:
    """Return why running programs do not run as the applied tree says."""
    known = load(stack)
    found = {
        program.name: why_stale(stack, program, seen.pid(program.name), known)
        for program in stack.announced.programs
        if seen.pid(program.name)
    }
    return {name: one for name, one in found.items() if one}


def how_to_restart(control: Control, stack: Stack, name: str) -> str:
    """Return the commands that restart a program."""
    script = control.script
    if stack.chain.has_balancer and name in {one.name for one in stack.zope.clients}:
        return f"{script} restart {name}"
    every = stack.announced.programs
    if any(one.name == name and (one.is_extra or one.is_frontend) for one in every):
        return f"{script} restart {name}"
    return f"{script} down, then {script} up"
