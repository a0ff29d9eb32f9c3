"""Flags that contradict each other are refused before anything is done."""

from __future__ import annotations

import pytest

from tests.support.bench import Bench

ODD = [
    (("status", "--json", "--metrics"), "--json and --metrics do not go together"),
    (
        ("plone-caching", "--undo", "--proxy", "http://10.0.0.2:8003"),
        "--undo and --proxy do not go together",
    ),
    (("restore", "--to", "x", "--blobs"), "--to and --blobs do not go together"),
    (
        ("restore", "--object", "/a", "--to", "x", "--blobs"),
        "--to, --object and --blobs do not go together",
    ),
    (("restore", "--unproven", "--blobs"), "--unproven and --blobs do not go"),
    (("verify-backup", "--part"), "--part is for copies"),
    (("verify-backup", "--part", "--from", "/tmp"), "is a folder here"),
    (("purge",), "say what to drop"),
    (("purge", "--everything", "/news"), "say what to drop"),
]


@pytest.mark.parametrize(("words", "said"), ODD, ids=lambda one: " ".join(one)[:40])
def test_a_contradiction(bench: Bench, words: tuple[str, ...], said: str) -> None:
    result = bench.run(*words)
    assert result.status == 2, result.text
    assert said in result.errors
    assert "Traceback" not in result.text
