"""The page of troubles: every text that is raised or noted, read from the code."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from collective.recipe.productionstack import errors
from collective.recipe.productionstack.daemons import cannot
from collective.recipe.productionstack.daemons import registry
from collective.recipe.productionstack.reference import files

ROOT = Path(errors.__file__).parent
GAP = "…"
NOTES = frozenset(["Problem", "problem", "_problem", "_path", "add"])
"""Who notes a fault of an option: the last texts are what is said and the remedy."""

SAID = frozenset(["message", "wants", "hint"])
"""Names of a text that is to be said, wherever that is done."""

LEAST = 12
"""Letters of a text; what is shorter is a word of another one."""

ROOMS = {
    "options": "bin/buildout: a value cannot be read",
    "sources": "bin/buildout: a part of another recipe",
    "plan": "bin/buildout: options and parts together",
    "buildout": "bin/buildout: the run itself",
    "tree": "A configuration is refused",
    "daemons": "A daemon does not do what it is told",
    "machine": "The machine",
    "model": "A value of the stack",
    "ctl/lifecycle": "bin/stack up, down, reload, boot",
    "ctl/traffic": "bin/stack restart, drain, ready, add, remove, maintenance",
    "ctl/caching": "bin/stack plone-caching, purge, purge-check",
    "ctl/backups": "bin/stack backup, verify-backup, restore, sync-backup, pack",
    "ctl/plone": "Asking Plone",
    "ctl/jobs": "Jobs",
    "ctl/watching": "bin/stack status, watch",
    "ctl/verbs": "bin/stack: what was asked for",
    "ctl": "bin/stack",
    "": "Everything",
}


@dataclass(frozen=True, slots=True, order=True)
class Text:
    """What is said, with a gap for each value in it; the remedy if that is apart."""

    said: str
    remedy: str = ""


def page() -> Iterator[str]:
    """Yield the blocks of the page."""
    yield "# Troubleshooting"
    yield (
        "Every error of this package, as it is printed: search for a few words of it."
        f" {GAP} stands for a value. What to do stands in the error itself, or behind"
        " the arrow. More: [why a page was not cached]"
        "(../how-to/see-why-a-page-was-not-cached.md), [restore a backup]"
        "(../how-to/restore-a-backup.md), [health and queue]"
        "(../explanation/health-and-queue.md)."
    )
    found = texts()
    asked = [check for one in registry.SERVICES for check in one.checks(files.sample())]
    for check in asked:
        found["tree"] |= {Text(said, remedy) for said, remedy in check.remedies}
    found["plan"] |= {Text(*one) for one in cannot.texts(GAP)}
    for room, title in ROOMS.items():
        if lines := found.get(room):
            yield f"## {title}"
            yield "\n".join(_line(one) for one in sorted(lines))


def texts() -> dict[str, set[Text]]:
    """Return every text of every room."""
    found: dict[str, set[Text]] = {}
    for path in sorted(ROOT.rglob("*.py")):
        inside = path.relative_to(ROOT)
        if inside.parts[0] == "reference":
            continue
        room = next(one for one in ROOMS if f"{inside}".startswith(one))
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found.setdefault(room, set()).update(_texts(tree))
    return found


def _line(text: Text) -> str:
    said = f"- `{text.said}`".replace("\n", " ")
    return f"{said} → {text.remedy}".replace("\n", " ") if text.remedy else said


def _texts(tree: ast.AST) -> Iterator[Text]:
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef):
            continue
        pairs = list(_assigned(function))
        known = dict(pairs)
        found = [one for node in ast.walk(function) for one in _of(node, known)]
        there = {one.said for one in found}
        for name, value in pairs if known.keys() & SAID else ():
            text = Text(_said(value, known))
            if name in SAID and text.said not in there:
                found.append(text)
        yield from (one for one in found if _is_text(one.said))


def _assigned(function: ast.FunctionDef) -> Iterator[tuple[str, ast.expr]]:
    """Yield every name with what it is given, one of a pair too."""
    for node in ast.walk(function):
        if not isinstance(node, ast.Assign):
            continue
        value = node.value
        for target in node.targets:
            if isinstance(target, ast.Name):
                yield target.id, value
            elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
                for name, one in zip(target.elts, value.elts, strict=True):
                    if isinstance(name, ast.Name):
                        yield name.id, one


def _of(node: ast.AST, known: dict[str, ast.expr]) -> Iterator[Text]:
    """Yield what a call says: one that is raised, or one that notes a fault."""
    if not isinstance(node, ast.Call):
        return
    name = getattr(node.func, "id", getattr(node.func, "attr", ""))
    if not name.endswith("Error") and name not in NOTES:
        return
    named = {one.arg: one.value for one in node.keywords if one.arg}
    given = [*node.args, *(named[one] for one in ("message", "remedy") if one in named)]
    found = [text for one in given if _is_text(text := _said(one, known))]
    if found:
        said, remedy = [*found[-2:], ""][:2]
        yield Text(said, remedy)


def _is_text(said: str) -> bool:
    return " " in said and len(said.replace(GAP, "").strip()) >= LEAST


def _said(node: ast.expr | None, known: dict[str, ast.expr]) -> str:
    """Return a text with a gap for what is not known before it runs."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(_said(one, known) for one in node.values)
    if isinstance(node, ast.FormattedValue):
        return GAP
    if isinstance(node, ast.BinOp):
        return _said(node.left, known) + _said(node.right, known)
    if isinstance(node, ast.Name) and node.id in known:
        return _said(known[node.id], {**known, node.id: ast.Constant(GAP)})
    return "" if node is None else GAP
