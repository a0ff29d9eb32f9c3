"""Let the database's own Python read a Data.fs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from collective.recipe.productionstack.ctl.jobs.task import Task
from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.machine.run import last_lines
from collective.recipe.productionstack.machine.run import work

RESULT, PROGRESS = "PRODUCTIONSTACK ", "PROGRESS "
BEGIN = (
    "import sys; sys.path.insert(0, sys.argv[1]); from inside.reader import main; "
    "del sys.path[0]; main()"
)
"""Our names are not on its path, but for that one folder."""


def ask(task: Task, seconds: float, wanted: dict[str, Any]) -> dict[str, Any]:
    """Let it read what is wanted; return what it found.

    Raises ControlError where it gives no result.
    """

    def line(text: str) -> None:
        if text.startswith(PROGRESS):
            done, total = text.split()[1:3]
            share = 100 * int(done) // max(1, int(total))
            task.steps.begin("objects", f"{share} % of the database read")

    task.steps.begin("objects", "opening the database")
    done = work(
        (interpreter(wanted["script"]), "-c", BEGIN, str(Path(__file__).parent)),
        cwd=task.stack.folders.var,
        timeout=seconds,
        text=json.dumps(wanted),
        keep=(task.lock,),
        line=line,
    )
    for text in done.output.splitlines():
        if done.ok and text.startswith(RESULT):
            values: dict[str, Any] = json.loads(text.removeprefix(RESULT))
            task.steps.done("objects", "read")
            return values
    said = last_lines(done.errors)
    message = f"the scratch copy could not be read (status {done.status}).{said}"
    raise ControlError(message)


def interpreter(script: str) -> str:
    """Return the Python of a script that buildout wrote; it has ZODB on its path.

    Raises ControlError where its first line names none.
    """
    try:
        first, second = (Path(script).read_text(encoding="utf-8") + "\n\n").split("\n")[
            :2
        ]
    except OSError as error:
        message = f"{script} cannot be read ({error.strerror}). Run bin/buildout."
        raise ControlError(message) from None
    # A long path stands in the second line, for a shell (packaging of pip and others).
    line = second.removeprefix("'''exec' ") if first == "#!/bin/sh" else first[2:]
    return line.strip().strip('"').partition('" "')[0].strip().strip('"')
