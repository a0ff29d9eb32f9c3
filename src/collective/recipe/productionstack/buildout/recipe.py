"""The recipe set: one part makes a stack, or a single piece of one.

Everything that can fail happens in the constructor, where an error leaves the disk
and the running stack alone. ``install`` only puts the finished tree in its place,
and returns no path: buildout deletes what a failing part had returned.
"""

from __future__ import annotations

import logging
import sys
from functools import partial
from pathlib import Path
from typing import Any

import zc.buildout
import zc.buildout.easy_install
import zc.recipe.egg

from collective.recipe.productionstack.buildout import guards
from collective.recipe.productionstack.buildout import our_parts
from collective.recipe.productionstack.buildout.last_run import Memory
from collective.recipe.productionstack.buildout.last_run import fingerprint
from collective.recipe.productionstack.buildout.our_parts import users_fault
from collective.recipe.productionstack.errors import ConfigurationError
from collective.recipe.productionstack.errors import Problem
from collective.recipe.productionstack.errors import StackError
from collective.recipe.productionstack.machine import scratch
from collective.recipe.productionstack.machine.files import make_private
from collective.recipe.productionstack.model.stack import Stack
from collective.recipe.productionstack.plan import rendering
from collective.recipe.productionstack.tree import check
from collective.recipe.productionstack.tree import diff
from collective.recipe.productionstack.tree import render
from collective.recipe.productionstack.tree import trees
from collective.recipe.productionstack.tree.check import Verdict
from collective.recipe.productionstack.tree.render import TemplateError
from collective.recipe.productionstack.tree.trees import Tree
from collective.recipe.productionstack.tree.trees import Trees

logger = logging.getLogger("productionstack")

DISTRIBUTION = "collective.recipe.productionstack"

FEW = 20
"""More changed files than these are counted, not named."""


class Recipe:
    """A whole stack, or the piece that the entry point behind the colon names."""

    @users_fault
    def __init__(self, buildout: Any, name: str, options: Any) -> None:
        """Read, judge, render and check; raises UserError with every problem."""
        self.name = name
        self.bin = buildout["buildout"]["bin-directory"]
        guards.refuse_root(buildout)
        guards.refuse_others(buildout)
        guards.hold_lock(buildout["buildout"]["directory"])
        self.stack, self.options = our_parts.plan_of(buildout)[name]
        self.memory = Memory(self.stack.folders)
        self.trees = Trees(self.stack.folders.etc, self.stack.folders.applied)
        self.made_from = _made_from(self.stack)
        self.tree = None if self._is_live() else self._render()
        self._refuse_foreign()
        self._check()
        for option in options:
            options.get(option)  # counts as used: we read sections of our own
        options["location"] = self.stack.folders.etc
        self.script_from = partial(_script_from, buildout, options, self.bin, name)
        same = self.memory.get("script") == self.script_from()
        self.working_set = None if same else _working_set(buildout, options)

    def install(self) -> list[str]:
        """Put the tree in its place and write the control script."""
        self._place()
        return []

    update = install

    @users_fault
    def _place(self) -> None:
        try:
            self._make_folders()
            if self.tree is None or self.trees.holds(self.tree):
                logger.info("%s: nothing has changed.", self.name)
            else:
                before = self.trees.current()
                self.trees.install(self.tree)
                self._say_changes(before)
            if self.working_set is not None:
                self._write_script()
            self._remember()
        except OSError as error:
            message = (
                f"[{self.name}] cannot be written: {error}. What ran before is"
                " untouched."
                " Mend that (is the disk full?), then run buildout again."
            )
            raise StackError(message) from error

    def _is_live(self) -> bool:
        """Whether the live tree was made from the same, and nobody has touched it."""
        current = self.trees.current()
        return (
            self.memory.get("made_from") == self.made_from
            and current is not None
            and self.memory.get("digest") == trees.digest_of(current)
        )

    @property
    def digest(self) -> str:
        """The digest of the tree that this run makes or keeps."""
        return self.tree.digest if self.tree else str(self.memory.get("digest"))

    def _remember(self) -> None:
        self.memory.keep(
            daemons=check.daemons(self.stack),
            digest=self.digest,
            made_from=self.made_from,
            script=self.script_from(),
            versions=dict(self.stack.host.versions),
        )

    def _render(self) -> Tree:
        try:
            return rendering.tree_of(self.stack)
        except TemplateError as error:
            problem = render.template_problem(
                self.name, self.stack.folders.templates, error
            )
            raise ConfigurationError([problem]) from error

    def _refuse_foreign(self) -> None:
        """Refuse a folder of the user's where our link is to stand."""
        live = self.trees.live
        if live.exists() and not live.is_symlink():
            message = (
                f"[{self.name}] {live} is there already and not ours."
                " Move it away, or give the part another name."
            )
            raise StackError(message)

    def _check(self) -> None:
        """Ask the daemons, unless they have accepted these very files before."""
        if self.options.check == "off":
            return
        if self.memory.knows(self.digest, check.daemons(self.stack)):
            verdicts = list(check.missing(self.stack))
        else:
            with scratch.folder() as folder:
                made = self.tree or self._render()
                made.write(folder, durable=False)
                verdicts = list(check.verdicts(self.stack, folder))
        problems = [
            problem for verdict in verdicts if (problem := self._judge(verdict))
        ]
        if problems:
            raise ConfigurationError(problems)

    def _judge(self, verdict: Verdict) -> Problem | None:
        if verdict.ok:
            return None
        if verdict.state == "missing" and self.options.check == "auto":
            logger.warning("[%s] not checked: %s", self.name, verdict.text)
            return None
        remedies = {
            "missing": "Install it, or write: check = auto",
            "old": "Install a newer one.",
            "refused": "Mend what made that line; nothing was changed.",
        }
        service = f"{verdict.service} refuses the configuration:\n{verdict.text}"
        return Problem(
            part=self.name,
            option="check",
            value=self.options.check,
            message=service if verdict.state == "refused" else verdict.text,
            remedy=remedies[verdict.state],
        )

    def _make_folders(self) -> None:
        folders = self.stack.folders
        Path(folders.log).mkdir(parents=True, exist_ok=True)
        var = Path(folders.var)
        var.mkdir(parents=True, exist_ok=True, mode=0o700)
        var.chmod(0o700)
        if folders.sockets != folders.var:
            make_private(Path(folders.sockets))

    def _say_changes(self, before: Path | None) -> None:
        paths = sorted(diff.changed(before, self.trees.current()))
        etc = self.stack.folders.etc
        if before is None or len(paths) > FEW:
            logger.info("%s: wrote %d files to %s", self.name, len(paths), etc)
        else:
            for path in paths:
                logger.info("%s: wrote %s/%s", self.name, etc, path)
        if self.trees.applied():
            logger.info(
                "%s: now see bin/%s diff, then run bin/%s reload", *[self.name] * 3
            )
        elif not self.stack.alone:
            logger.info("%s: next: bin/%s up", *[self.name] * 2)

    def _write_script(self) -> None:
        zc.buildout.easy_install.scripts(
            [(self.name, "collective.recipe.productionstack.ctl.main", "main")],
            self.working_set,
            sys.executable,
            self.bin,
            arguments=f"{self.stack.folders.buildout!r}, {self.name!r}",
        )


def _working_set(buildout: Any, options: Any) -> Any:
    """Return the distributions of the control script: ours with the extra ``ctl``."""
    eggs = zc.recipe.egg.Eggs(buildout, DISTRIBUTION, options)
    return eggs.working_set([f"{DISTRIBUTION}[ctl]"])[1]


def _made_from(stack: Stack) -> str:
    """Return the fingerprint of everything that a tree is rendered from."""
    package = Path(__file__).parents[1]
    folders = (
        [package, Path(stack.folders.templates)]
        if stack.folders.templates
        else [package]
    )
    files = [
        path
        for folder in folders
        for path in folder.rglob("*.*")
        if path.is_file()
        and path.suffix != ".pyc"  # made anew when a verb is first used
    ]
    return fingerprint(files, stack.to_json())


def _script_from(buildout: Any, options: Any, folder: str, name: str) -> str:
    """Return the fingerprint of everything that the control script is made from."""
    settings = buildout["buildout"]
    places = [settings["eggs-directory"], settings["develop-eggs-directory"], *sys.path]
    pins = buildout[settings["versions"]] if "versions" in settings else {}
    words = [
        sys.executable,
        options.get("eggs", ""),
        *(f"{k}={pins[k]}" for k in sorted(pins)),
    ]
    script = Path(folder, name)
    return fingerprint([*map(Path, places), script], "\n".join(words))
