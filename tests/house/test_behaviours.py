"""Every numbered behaviour of the cache is proven by a test."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.support.behaviours import BEHAVIOURS

TESTS = Path(__file__).parents[1]


def _proven() -> Iterator[str]:
    """Yield the numbers in ``@pytest.mark.proves(...)`` above test functions."""
    for path in TESTS.rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                for mark in node.decorator_list:
                    if isinstance(mark, ast.Call) and ast.unparse(mark.func).endswith(
                        "mark.proves"
                    ):
                        yield from (ast.literal_eval(one) for one in mark.args)


def test_all_are_proven_and_no_other() -> None:
    proven = set(_proven())
    assert sorted(BEHAVIOURS.keys() - proven) == []
    assert sorted(proven - BEHAVIOURS.keys()) == []
