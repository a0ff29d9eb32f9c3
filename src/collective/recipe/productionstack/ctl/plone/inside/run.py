"""Start one of our modules inside Zope: ``bin/instance run run.py``.

This package is not on Zope's path, so what runs there imports nothing of ours but its
neighbours in this folder. What is wanted comes as JSON on the standard input, since
that command hands its arguments to a shell; what was done leaves as JSON on one
marked line.
"""

from __future__ import annotations

import json
import signal
import sys
from importlib import import_module
from importlib.util import module_from_spec
from importlib.util import spec_from_file_location
from typing import Any

RESULT = "PRODUCTIONSTACK "
"""Begins the line of the result; add-ons may print too."""

NAME = "productionstack_inside"


def main(root: Any) -> None:
    """Do what the standard input asks for."""
    wanted = json.load(sys.stdin)
    # Nobody may wait for us any longer than the control script does.
    signal.alarm(wanted["timeout"])
    folder = wanted["folder"]
    spec = spec_from_file_location(
        NAME, f"{folder}/__init__.py", submodule_search_locations=[folder]
    )
    assert spec is not None  # noqa: S101 (for the type checker)
    sys.modules[NAME] = module_from_spec(spec)
    result = import_module(f"{NAME}.{wanted['module']}").work(root, wanted)
    sys.stdout.write(f"\n{RESULT}{json.dumps(result)}\n")
    sys.stdout.flush()


if "app" in globals():
    main(globals()["app"])
