"""Talk to a running Varnish: another VCL, bans."""

from __future__ import annotations

import re
import time

from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.machine import run
from collective.recipe.productionstack.model.stack import Stack

FILE = "default.vcl"
"""Loaded by its bare name: varnishd looks in its vcl_path only."""


def load(stack: Stack) -> None:
    """Compile the applied VCL and use it; the old one serves until that is done."""
    name = f"reload-{time.time_ns() // 1_000_000}"
    _admin(stack, "vcl.load", name, FILE)
    _admin(stack, "vcl.use", name)
    if active(stack) != name:
        message = f"Varnish did not take the new VCL into use. See {stack.folders.log}."
        raise ControlError(message)
    _discard_others(stack, name)


def active(stack: Stack) -> str:
    """Return the name of the VCL in use."""
    lines = [line.split() for line in _admin(stack, "vcl.list").splitlines()]
    return next((words[-1] for words in lines if words and words[0] == "active"), "")


def ban(stack: Stack, *words: str) -> None:
    """Drop every stored object that the words of a ban describe (vcl(7), BANS).

    Some versions of varnishadm quote their words and others do not: none may need it.

    Raises ControlError when Varnish refuses, or is not there.
    """
    if any(re.search(r"[^!-~]|[\"\\\\]", word) for word in words):
        message = f"{' '.join(words)!a} cannot be a ban"
        raise ControlError(message)
    _admin(stack, "ban", *words)


def _discard_others(stack: Stack, kept: str) -> None:
    for line in _admin(stack, "vcl.list").splitlines():
        words = line.split()
        if len(words) > 1 and words[0] == "available" and words[-1] != kept:
            # One that still serves a request refuses; the next reload drops it.
            run.run(_command(stack, "vcl.discard", words[-1]), timeout=10)


def _command(stack: Stack, *words: str) -> tuple[str, ...]:
    program = run.find("varnishadm") or "varnishadm"
    return (program, "-n", f"{stack.folders.var}/varnish", *words)


def _admin(stack: Stack, *words: str) -> str:
    result = run.run(_command(stack, *words), timeout=60)
    if not result.ok:
        message = f"Varnish refused {words[0]}: {result.text}"
        raise ControlError(message)
    return result.output
