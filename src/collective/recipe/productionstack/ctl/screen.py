"""Facts to stdout, trouble to stderr; rich where a person watches, plain lines else."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from typing import Any

import click

if TYPE_CHECKING:
    from rich.console import Console


def fail(text: str) -> None:
    """Write words to stderr."""
    click.echo(_fitted(text) if sys.stderr.isatty() else text, err=True)


def _fitted(text: str) -> str:
    """Let lines end between words, where the terminal would end them anywhere.

    What is indented is somebody else's, as the end of a log, and stays as it is.
    """
    from textwrap import fill

    width = shutil.get_terminal_size().columns
    return "\n".join(
        line
        if len(line) <= width or line.startswith(" ")
        else fill(line, width, break_long_words=False, break_on_hyphens=False)
        for line in text.split("\n")
    )


class Screen:
    """What a verb says."""

    def __init__(self, *, quiet: bool = False) -> None:
        """Remember whether only errors are wanted."""
        self.quiet = quiet
        self.above: Callable[..., None] | None = None

    @property
    def is_live(self) -> bool:
        """Whether a person watches a terminal that can be redrawn."""
        return (
            not self.quiet and sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
        )

    def say(self, text: str = "") -> None:
        """Show a fact."""
        if self.above is not None:
            self.above(text, markup=False)
        elif not self.quiet:
            click.echo(text)

    def tell(self, text: str) -> None:
        """Show a fact in words; ``say`` leaves lines as they are, for a machine too."""
        self.say(_fitted(text) if sys.stdout.isatty() else text)

    def warn(self, text: str) -> None:
        """Show trouble that is no failure."""
        if not self.quiet:
            self.fail(text)

    def fail(self, text: str) -> None:
        """Show an error; ``--quiet`` does not hide it."""
        if self.above is not None and sys.stderr.isatty():
            self.above(_fitted(text), markup=False)
        else:
            fail(text)

    def coloured(self, text: str, colour: str | None) -> str:
        """Colour a text where a person watches and has not declined."""
        wanted = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        return click.style(text, fg=colour) if colour and wanted else text

    @property
    def width(self) -> int:
        """Characters of a line; 0 for any, where nobody watches."""
        return shutil.get_terminal_size().columns if sys.stdout.isatty() else 0

    def console(self, width: int = 80) -> Console:
        """Return a rich console, of that width where nobody watches."""
        from rich.console import Console

        shown = None if sys.stdout.isatty() else width
        return Console(highlight=False, quiet=self.quiet, soft_wrap=True, width=shown)

    @contextmanager
    def steps(self) -> Iterator[Steps]:
        """Show what is waited for until the block is left."""
        if not self.is_live:
            yield Steps(self)
            return
        from rich.progress import Progress
        from rich.progress import SpinnerColumn
        from rich.progress import TextColumn
        from rich.progress import TimeElapsedColumn
        from rich.table import Column

        columns = (
            SpinnerColumn(finished_text="✓"),
            TextColumn("{task.fields[step]:<16}"),
            TimeElapsedColumn(table_column=Column(no_wrap=True)),
            TextColumn("{task.description}", table_column=Column()),
        )
        with Progress(*columns, console=self.console()) as progress:
            steps = LiveSteps(self, progress)
            # click writes past what rich draws anew, into the middle of a line.
            self.above = progress.console.print
            try:
                yield steps
            finally:
                steps.close()
                self.above = None


class Steps:
    """Steps as plain lines: one for each that is done."""

    def __init__(self, screen: Screen) -> None:
        """Write to that screen."""
        self.screen = screen
        self.begun: dict[str, float] = {}

    def begin(self, step: str, text: str) -> None:
        """Begin a step or say what it waits for now."""
        self.begun.setdefault(step, time.monotonic())
        self._show(step, text)

    def done(self, step: str, text: str) -> None:
        """End a step."""
        taken = time.monotonic() - self.begun.pop(step, time.monotonic())
        self.screen.say(f"{step:<16} {text} ({taken:.1f} s)")

    def end_quietly(self, step: str, text: str) -> None:
        """End a step that is worth a line only where somebody waits for it."""
        self.begun.pop(step, None)
        self._show(step, text)

    def say(self, text: str) -> None:
        """Show a fact between the steps."""
        self.screen.say(text)

    def _show(self, step: str, text: str) -> None:
        """Show nothing: waiting is not worth a line where nobody watches."""


class LiveSteps(Steps):
    """Steps as a display that is redrawn: one line for each, in its place."""

    def __init__(self, screen: Screen, progress: Any) -> None:
        """Draw with rich's progress display."""
        super().__init__(screen)
        self.progress = progress
        self.tasks: dict[str, Any] = {}
        self.ended: set[str] = set()

    def done(self, step: str, text: str) -> None:
        """End a step; its line stays, for what may come next of the same."""
        self._show(step, text)
        self.begun.pop(step, None)
        self.progress.update(self.tasks[step], total=1, completed=1)
        self.ended.add(step)

    def end_quietly(self, step: str, text: str) -> None:
        """End a step, if it was begun at all."""
        if step in self.begun:
            self.done(step, text)

    def close(self) -> None:
        """Leave no line behind that looks as if something was still at work."""
        known = {one.id: one for one in self.progress.tasks}
        for step in self.begun:
            task = self.tasks[step]
            text = known[task].description
            self.progress.remove_task(task)
            self.progress.console.print(f"✗ {step:<16} {text}", markup=False)

    def _show(self, step: str, text: str) -> None:
        if step not in self.tasks:
            self.tasks[step] = self.progress.add_task(text, total=None, step=step)
        elif step in self.ended:
            self._go_on(self.tasks[step])
        self.ended.discard(step)
        self.progress.update(self.tasks[step], description=text)

    def _go_on(self, number: Any) -> None:
        """Let a step that had ended go on, its time still running."""
        (task,) = (one for one in self.progress.tasks if one.id == number)
        begun = task.start_time
        self.progress.reset(number)
        task.start_time = begun
