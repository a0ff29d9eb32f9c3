"""logrotate's file: what the others announce, each as its writer can bear it."""

from __future__ import annotations

import dataclasses
import re

from collective.recipe.productionstack.model.announced import Log
from collective.recipe.productionstack.model.stack import Stack
from collective.recipe.productionstack.plan import announcing
from collective.recipe.productionstack.plan import rendering
from tests.support import samples

LOGS = (
    Log(path="/b/var/log/instance1.log", how="rename"),
    Log(path="/b/var/log/old client.log", how="truncate"),
)


def text_of(stack: Stack) -> str:
    """Return the rendered file."""
    return rendering.tree_of(announcing.complete(stack)).text_of(
        "logrotate/logrotate.conf"
    )


def with_logs(*logs: Log) -> Stack:
    """Return the sample stack with a client that writes these."""
    client = dataclasses.replace(samples.client(1), logs=logs)
    return samples.changed(samples.STACK, clients=(client,))


def block(text: str, path: str) -> str:
    """Return what is said about a log."""
    return text.partition(f'"{path}" {{')[2].partition("\n}")[0]


def test_everything_announced_is_rotated() -> None:
    """Every log is there once, in the order of their names."""
    text = text_of(with_logs(*LOGS))
    paths = re.findall(r'(?m)^"(.+)" \{', text)
    assert paths == sorted(paths)
    assert {log.path for log in LOGS} <= set(paths)
    assert "/b/var/log/stack-nginx-access.log" in paths


def test_writers_that_reopen_are_renamed() -> None:
    """Only a writer that cannot reopen its file is copied and cut."""
    text = text_of(with_logs(*LOGS))
    assert "copytruncate" not in block(text, LOGS[0].path)
    assert "copytruncate" in block(text, LOGS[1].path)


def test_signals() -> None:
    """A daemon is told with its own signal, and its absence is no failure."""
    said = block(text_of(samples.STACK), "/b/var/log/stack-nginx-error.log")
    assert "kill -USR1" in said
    assert "|| true" in said


def test_no_root_words() -> None:
    """It runs as an ordinary user: su, create with owner and mail have no place."""
    assert not re.search(r"(?m)^\s*(su|mail|create \d+ \w+)\b", text_of(samples.STACK))
