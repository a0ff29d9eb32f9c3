"""Fork buildout runs from a process that has everything imported.

    python -I -S zygote.py PATH…    with the entries of sys.path

Reads one JSON request a line and answers each with one line. ``{"argv": …, "cwd": …,
"env": …, "output": FILE}`` starts a run and gives ``{"pid": …}``; ``{"wait": PID}``
gives ``{"status": …}``.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import sys
import traceback
from typing import Any


def main() -> None:
    """Answer requests until the other side has gone."""
    sys.path[:0] = sys.argv[1:]
    preload()
    for line in sys.stdin:
        request = json.loads(line)
        answer = wait(request["wait"]) if "wait" in request else start(request)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def preload() -> None:
    """Import what every run needs; nothing is run."""
    import jinja2  # noqa: F401
    from zc.buildout.easy_install import pkg_resources

    remember(pkg_resources, frozenset(sys.path))
    for distribution in pkg_resources.working_set:
        distribution.requires()
    gc.freeze()


def remember(pkg_resources: Any, fixed: frozenset[str]) -> None:
    """Look once at the folders that no run changes: a run does so a hundred times."""
    original = pkg_resources.find_distributions
    known: dict[tuple[str, Any], list[Any]] = {}

    def find(path: str, only: Any = None) -> Any:
        if path not in fixed:
            return original(path, bool(only))
        if (path, only) not in known:
            known[path, only] = list(original(path, bool(only)))
            for distribution in known[path, only]:
                distribution.requires()
        return known[path, only]

    pkg_resources.find_distributions = find
    # zc.recipe.egg copies all of them each time, with all they know of themselves.
    pkg_resources.Distribution.__deepcopy__ = lambda self, _memory: self
    for path in fixed:
        find(path)


def start(request: dict[str, Any]) -> dict[str, int]:
    """Fork one run in a session of its own."""
    pid = os.fork()
    if pid == 0:
        run(request)
    return {"pid": pid}


def wait(pid: int) -> dict[str, int]:
    """Return how a run ended: negative is the signal that ended it."""
    _, status = os.waitpid(pid, 0)
    return {"status": os.waitstatus_to_exitcode(status)}


def run(request: dict[str, Any]) -> None:
    """Be buildout, as bin/buildout is."""
    status: object = 1
    try:
        prepare(request)
        from zc.buildout.buildout import main as buildout

        buildout(request["argv"])
        status = 0
    except SystemExit as end:
        status = end.code
    except BaseException:  # noqa: BLE001 (whatever it is, the test must see it)
        traceback.print_exc()
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status if isinstance(status, int) else int(status is not None))


def prepare(request: dict[str, Any]) -> None:
    """Take the folder, environment and output of a run."""
    os.setsid()
    os.chdir(str(request["cwd"]))
    os.environ.clear()
    os.environ.update(request["env"])
    output = os.open(str(request["output"]), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    sys.argv[:] = ["buildout"]
    import tempfile

    from collective.recipe.productionstack.machine import run

    # This machine's own daemons are left out of it.
    vars(run)["SYSTEM_FOLDERS"] = ()

    tempfile.tempdir = None  # another TMPDIR may be meant


if __name__ == "__main__":
    main()
