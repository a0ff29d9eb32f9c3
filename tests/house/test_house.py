"""The house rules that no other tool holds us to."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from collective.recipe.productionstack.daemons import registry
from collective.recipe.productionstack.daemons.registry import Service
from collective.recipe.productionstack.options.values.parse import SERVICE_NAMES

CHECKOUT = Path(__file__).parents[2]
SOURCE = CHECKOUT / "src/collective/recipe/productionstack"
MODULES = sorted(SOURCE.rglob("*.py"))
TEMPLATES = sorted((SOURCE / "templates").rglob("*/*.j2"))
EXECUTES = {"machine/run.py", "daemons/nginx/subreaper.py"}
"""The second is a program of its own that must need nothing of ours."""

WRITES = {
    "daemons/systemd/control.py",
    "machine/files.py",
    "reference/pages.py",
    "tree/trees.py",
}


def name(path: Path) -> str:
    return path.relative_to(SOURCE).as_posix()


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node


def calls(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func)


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_sizes(path: Path) -> None:
    """A function has at most 40 lines, a module 300."""
    assert len(path.read_text("utf-8").splitlines()) <= 300
    long = [f.name for f in functions(path) if (f.end_lineno or 0) - f.lineno >= 40]
    assert long == []


ROOMS = sorted({path.parent for path in MODULES})


@pytest.mark.parametrize("room", ROOMS, ids=name)
def test_rooms(room: Path) -> None:
    """A folder has at most 12 modules; each verb has one of its own."""
    modules = [one for one in room.glob("*.py") if one.name != "__init__.py"]
    assert len(modules) <= 12 or name(room) == "ctl/verbs"


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_template_sizes(path: Path) -> None:
    """A template has at most 120 lines; the VCL may have more."""
    limit = 500 if path.name == "default.vcl.j2" else 120
    assert len(path.read_text("utf-8").splitlines()) <= limit


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_docstrings(path: Path) -> None:
    """Every module says what it is; no comment is left to be done."""
    tree = ast.parse(path.read_text("utf-8"))
    assert ast.get_docstring(tree), "no docstring"
    assert not re.search(r"\b(TODO|FIXME|XXX)\b", path.read_text("utf-8"))


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_one_module_executes(path: Path) -> None:
    """Nothing but run.py starts programs, and nobody gives a shell a string."""
    text = path.read_text("utf-8")
    assert not re.search(r"shell\s*=\s*True|os\.system|os\.popen|getoutput", text)
    if name(path) not in EXECUTES:
        assert not re.search(r"^\s*(import|from) subprocess", text, re.MULTILINE)
        assert not [
            one for one in calls(path) if re.match(r"os\.(exec|spawn|posix_)", one)
        ]


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_one_module_writes(path: Path) -> None:
    """Configuration is written by tree.py alone; ctl keeps only state of its own."""
    if name(path) in WRITES or name(path).startswith("ctl/"):
        return
    writing = {"write_text", "write_bytes", "os.replace", "shutil.copy", "shutil.move"}
    found = [one for one in calls(path) if one.rpartition(".")[2] in writing]
    assert [one for one in found if "scratch" not in one] == []


def missing_pieces(service: str) -> list[str]:
    """Return what a service still lacks."""
    setup = (CHECKOUT / "setup.py").read_text("utf-8")
    files = CHECKOUT / "docs/reference/files.md"
    pages = files.read_text("utf-8") if files.exists() else ""
    pieces = {
        f"daemons/{service}/config.py": (
            SOURCE / f"daemons/{service}/config.py"
        ).is_file(),
        f"templates/{service}/": any((SOURCE / "templates" / service).rglob("*.j2")),
        f"SERVICES in daemons/registry.py: {service}": service
        in {one.NAME for one in registry.SERVICES},
        f"SERVICE_NAMES in options/values/parse.py: {service}": service
        in SERVICE_NAMES,
        f"RECIPES in setup.py: {service}": f'"{service}",' in setup,
        f"tests/daemons/{service}/test_config.py": (
            CHECKOUT / f"tests/daemons/{service}/test_config.py"
        ).is_file(),
        f"docs/reference/files.md (make docs): {service}": f"## {service}\n" in pages,
        f"a scenario only-{service}": (
            CHECKOUT / f"tests/scenarios/only-{service}/buildout.cfg"
        ).is_file(),
    }
    return [piece for piece, there in pieces.items() if not there]


KNOWN = sorted(
    {path.parent.name for path in (SOURCE / "daemons").glob("*/config.py")}
    | {path.name for path in (SOURCE / "templates").iterdir() if path.is_dir()}
    | set(SERVICE_NAMES)
)


@pytest.mark.parametrize("service", KNOWN)
def test_service_is_whole(service: str) -> None:
    """A new service needs these pieces; the failure names those that are missing."""
    assert missing_pieces(service) == []


@pytest.mark.parametrize("service", registry.SERVICES, ids=lambda one: one.NAME)
def test_members_in_order(service: Service) -> None:
    """Every service has the same members in the same order."""
    path = SOURCE / f"daemons/{service.NAME}/config.py"
    tree = ast.parse(path.read_text("utf-8"))
    found = [
        node.name if isinstance(node, ast.FunctionDef) else ast.unparse(node.targets[0])
        for node in tree.body
        if isinstance(node, (ast.FunctionDef, ast.Assign))
    ]
    members = ["files", "programs", "logs", "jobs", "checks"]
    assert [one for one in found if one in members] == members


def test_a_piece_that_is_missing_is_named() -> None:
    """The completeness test has teeth."""
    assert "daemons/squid/config.py" in missing_pieces("squid")
    assert "tests/daemons/squid/test_config.py" in missing_pieces("squid")


def test_headers() -> None:
    """Every generated file says which part made it."""
    for path in TEMPLATES:
        first = path.read_text("utf-8")[:400]
        assert "collective.recipe.productionstack for [" in first, path


def raises(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether a function itself raises something, not only passes it on."""
    left: list[ast.AST] = list(function.body)
    while left:
        node = left.pop()
        if isinstance(node, ast.Raise) and node.exc is not None:
            return True
        if not isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Lambda)):
            left += ast.iter_child_nodes(node)
    return False


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_what_raises_says_so(path: Path) -> None:
    """A public function that raises says when; a verb's help is its module's."""
    if path.parent.name == "verbs":
        return
    silent = [
        one.name
        for one in functions(path)
        if not one.name.startswith("_")
        and ast.get_docstring(one)
        and raises(one)
        and "Raises" not in (ast.get_docstring(one) or "")
    ]
    assert silent == []


def test_a_class_name_stands_once() -> None:
    """Who searches for a class finds one."""
    found: dict[str, list[str]] = {}
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef):
                found.setdefault(node.name, []).append(name(path))
    assert {one: where for one, where in found.items() if len(where) > 1} == {}
