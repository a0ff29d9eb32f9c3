"""What a terminal shows while something is waited for."""

from __future__ import annotations

import io
import re
from typing import Any

from rich.console import Console

from collective.recipe.productionstack.ctl.screen import Screen

CONTROLS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal(Screen):
    """A screen with a terminal of 80 columns that remembers what it was sent."""

    is_live = True

    def __init__(self) -> None:
        super().__init__()
        self.file = io.StringIO()

    def console(self, width: int = 80) -> Any:
        return Console(file=self.file, force_terminal=True, width=width)

    def last(self) -> list[str]:
        """Return the lines that are left of the display."""
        text = CONTROLS.sub("", self.file.getvalue().rpartition("\x1b[1A")[2])
        return [line.strip() for line in text.splitlines() if line.strip()]


def test_a_step_has_one_line_that_turns_into_its_result() -> None:
    screen = Terminal()
    with screen.steps() as steps:
        for text in ("drained", "stopped", "serves"):
            steps.begin("instance1", "waiting")
            steps.done("instance1", text)
        steps.begin("instance2", "waiting")
        steps.done("instance2", "serves")
    (one, two) = screen.last()[-2:]
    assert one.startswith("✓ instance1")
    assert one.endswith("serves")
    assert two.startswith("✓ instance2")


def test_what_did_not_end_is_no_spinner_that_stands_still() -> None:
    screen = Terminal()
    with screen.steps() as steps:
        steps.begin("zeo", "starting")
        steps.done("zeo", "answers")
        steps.begin("one", "starting")
        steps.begin("two", "starting")
    said = CONTROLS.sub("", screen.file.getvalue())
    for name in ("one", "two"):
        assert re.search(rf"✗ {name} +starting", said)
    assert not re.search("[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏]", "".join(screen.last()))


def test_a_long_name_leaves_room_for_how_long_it_takes() -> None:
    screen = Terminal()
    with screen.steps() as steps:
        steps.begin("client-of-the-pages-of-a-whole-university", "starting: refuses")
        steps.done("client-of-the-pages-of-a-whole-university", "answers at last")
    assert re.search(r"\d:\d\d:\d\d answers", " ".join(screen.last()))


def test_what_is_watched_once_more_leaves_the_results_as_they_are() -> None:
    screen = Terminal()
    with screen.steps() as steps:
        steps.end_quietly("supervisord", "has nothing to do")
        steps.begin("one", "starting")
        steps.done("one", "answers")
        steps.begin("supervisord", "watches")
        steps.end_quietly("supervisord", "has seen them stay up")
    assert "nothing to do" not in screen.file.getvalue()
    (one, last) = screen.last()[-2:]
    assert one.endswith("answers")
    assert last.endswith("has seen them stay up")


def test_what_is_said_meanwhile_stands_above_the_display() -> None:
    screen = Terminal()
    with screen.steps() as steps:
        steps.begin("one", "waiting")
        screen.say("a [fact] of its own")
        steps.say("another")
        steps.done("one", "stopped")
    lines = CONTROLS.sub("", screen.file.getvalue()).replace("\r", "\n").splitlines()
    assert {"a [fact] of its own", "another"} <= {line.strip() for line in lines}
