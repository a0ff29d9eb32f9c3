"""What every verb is given: which stack, where its files are, how to talk."""

from __future__ import annotations

import dataclasses
import os
from contextlib import AbstractContextManager
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from collective.recipe.productionstack.ctl.screen import Screen
from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.machine import locks
from collective.recipe.productionstack.model.stack import Stack
from collective.recipe.productionstack.tree.trees import Trees

LOCK = "control.lock"


@dataclass
class Control:
    """One stack of one buildout, as the verbs see it."""

    directory: Path
    name: str
    quiet: bool = False

    @cached_property
    def screen(self) -> Screen:
        """Where facts and trouble are shown."""
        return Screen(quiet=self.quiet)

    @property
    def script(self) -> str:
        """What a user types to get here."""
        return f"bin/{self.name}"

    @property
    def var(self) -> Path:
        """The folder of the stack's state."""
        return self.directory / "var" / self.name

    @cached_property
    def trees(self) -> Trees:
        """The kept trees."""
        return Trees(self.directory / "etc" / self.name, self.var / "applied")

    def generated(self) -> Stack:
        """Return the stack that buildout wrote last.

        Raises ControlError before the first run of buildout.
        """
        folder = self.trees.current()
        if folder is None:
            message = f"etc/{self.name} is not there. Run bin/buildout first."
            raise ControlError(message)
        return self.read(folder)

    def applied(self) -> Stack | None:
        """Return the stack that runs, or None when nothing was ever started."""
        folder = self.trees.applied()
        return self.read(folder) if folder else None

    def newest(self) -> Stack:
        """Return the stack that runs, else the generated one.

        How backups are kept, and when, is what was generated last, as the crontab has
        it: no program has to take that in. An upgrade may not be able to read what an
        earlier version applied; the generated one then tells best what there is.
        """
        with suppress(ControlError):
            if (applied := self.applied()) is not None:
                return self._kept_as_generated(applied)
        return self.generated()

    def _kept_as_generated(self, applied: Stack) -> Stack:
        if self.trees.applied() == self.trees.current():
            return applied
        try:
            generated = self.generated()
        except ControlError:
            return applied
        replace = dataclasses.replace
        return replace(
            applied,
            data=replace(applied.data, keeping=generated.data.keeping),
            announced=replace(applied.announced, jobs=generated.announced.jobs),
        )

    def read(self, folder: Path) -> Stack:
        """Return the stack that a tree describes.

        Raises ControlError where its ``stack.json`` cannot be used.
        """
        try:
            return Stack.from_json((folder / "stack.json").read_text(encoding="utf-8"))
        except (OSError, ValueError, TypeError, KeyError) as error:
            message = (
                f"{folder}/stack.json cannot be used ({error}). "
                "Run bin/buildout, which writes it again."
            )
            raise ControlError(message) from error

    def lock(self, seconds: float = 0) -> AbstractContextManager[int]:
        """Keep every other changing verb out until this one is done.

        Raises ControlError when one of them goes on for so many seconds.
        """
        return locks.held(self.var / LOCK, str(os.getpid()), self._busy, seconds)

    def _busy(self, holder: str) -> str:
        who = f" (pid {holder})" if holder else ""
        return (
            f"another {self.script} is changing this stack{who}. "
            "Wait until it has ended, then try again."
        )
