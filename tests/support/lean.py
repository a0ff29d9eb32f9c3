"""A folder of links to just the distributions that a buildout run needs.

zc.buildout looks at every installed distribution again and again; among the many of
a whole Plone that takes seconds a run.
"""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

OURS = "collective.recipe.productionstack"
NEEDED = (
    f"{OURS}[ctl]",
    "collective.recipe.backup",
    "plone.recipe.zeoserver",
    "plone.recipe.zope2instance",
    "zc.buildout",
    "zc.recipe.egg",
)

OTHERS = (
    "collective.recipe.supervisor",
    "z3c.recipe.usercrontab",
    "plone.recipe.varnish",
    "collective.recipe.template",
    "collective.recipe.cmd",
)
"""Recipes of buildouts that are there already; what they would make matters nowhere."""

MAKES_NOTHING = """\
class Recipe:
    def __init__(self, buildout, name, options):
        pass

    def install(self):
        return ()

    update = install
"""


def closure(names: tuple[str, ...] = NEEDED) -> dict[str, metadata.Distribution]:
    """Return distributions and all that they require, by normalised name."""
    found: dict[str, metadata.Distribution] = {}
    todo = [Requirement(name) for name in names]
    seen = set()
    while todo:
        wanted = todo.pop()
        name = canonicalize_name(wanted.name)
        key = (name, tuple(sorted(wanted.extras)))
        if key in seen:
            continue
        seen.add(key)
        found[name] = metadata.distribution(wanted.name)
        for text in found[name].requires or ():
            more = Requirement(text)
            extras = ("", *wanted.extras)
            if more.marker is None or any(
                more.marker.evaluate({"extra": extra}) for extra in extras
            ):
                todo.append(more)
    return found


def link(folder: Path) -> None:
    """Fill a folder with links to what the distributions consist of."""
    ours = canonicalize_name(OURS)
    for name, distribution in closure().items():
        for file in distribution.files or ():
            if file.parts[0] == ".." or "__pycache__" in file.parts[:1]:
                continue
            if name == ours and not file.parts[0].endswith(".dist-info"):
                continue  # editable: the source folder itself is on the path
            source = Path(str(distribution.locate_file("")))
            _link(folder, source, file.parts)


def stand_ins(folder: Path) -> None:
    """Let the recipes of others be found, as something that makes nothing."""
    (folder / "makes_nothing.py").write_text(MAKES_NOTHING)
    for name in OTHERS:
        info = folder / f"{name}-1.0.dist-info"
        info.mkdir()
        text = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
        (info / "METADATA").write_text(text)
        points = "[zc.buildout]\ndefault = makes_nothing:Recipe\n"
        (info / "entry_points.txt").write_text(points)


def _link(folder: Path, source: Path, parts: tuple[str, ...]) -> None:
    """Link the outermost folder that belongs to one distribution alone."""
    for depth in range(1, len(parts) + 1):
        target = folder.joinpath(*parts[:depth])
        origin = source.joinpath(*parts[:depth])
        if target.is_symlink():
            return
        if target.is_dir() or _is_namespace(origin):
            target.mkdir(exist_ok=True)
            continue
        if origin.exists():
            target.symlink_to(origin)
        return


def _is_namespace(folder: Path) -> bool:
    if not folder.is_dir() or folder.suffix == ".dist-info":
        return False
    return not (folder / "__init__.py").exists()
