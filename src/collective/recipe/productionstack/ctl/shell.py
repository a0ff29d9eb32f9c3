"""How a shell asks the control script for completions."""

from __future__ import annotations


def variable(name: str) -> str:
    """Return the variable that asks the script of a stack."""
    return f"_{name}_COMPLETE".replace("-", "_").replace(".", "_").upper()
