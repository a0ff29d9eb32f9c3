"""Which clients are balanced, and which is kept for debugging."""

from __future__ import annotations

import re
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace

from collective.recipe.productionstack.errors import Problem
from collective.recipe.productionstack.model.clients import Client
from collective.recipe.productionstack.options.load import StackOptions
from collective.recipe.productionstack.plan import programs
from collective.recipe.productionstack.plan.facts import Facts

BY_NAME = re.compile(
    r"(debug)|(?:^|[-_.\d])(reserve|spare|worker|async|ftp|cron)(?:$|[-_.\d])",
    re.IGNORECASE,
)
"""In the names of clients that are there for something else than visitors.

Only the first is part of no other word.
"""


SERVER = (
    "and add [zeoserver] to parts, with recipe = plone.recipe.zeoserver: it takes over"
    " var/filestorage and var/blobstorage as they are"
)
"""What a Zope needs that has held its database itself."""


def set_aside(debugs: Mapping[str, bool]) -> dict[str, str]:
    """Say why clients get no visitors where nobody has said which do, by name.

    ``debugs`` tells of each client whether its debug mode is on. Where all of them
    look so, none does: somebody has to serve.
    """
    debugging = {name: "its debug-mode is on" for name, on in debugs.items() if on}
    found = dict(debugging)
    for name in debugs:
        if named := BY_NAME.search(name):
            found.setdefault(name, f'"{named[1] or named[2]}" in its name')
    return next((one for one in (found, debugging) if len(one) < len(debugs)), {})


def guess(part: str, options: StackOptions, facts: Facts) -> str:
    """Say which clients were set aside unasked, and what to write instead of that."""
    if options.clients:
        return ""
    chooser = Chooser(part, options, facts)
    debug = chooser.debug_client()
    aside = {
        name: why for name, why in chooser.aside.items() if name != options.debug_client
    }
    if not aside:
        return ""
    shown = ", ".join(f"{name} ({why})" for name, why in aside.items())
    lines = [f"clients = {' '.join(one.name for one in chooser.balanced(debug))}"]
    if debug and not options.debug_client:
        lines.append(f"debug-client = {debug.name}")
    said = (
        f"[{part}] clients: no visitors for {shown}. If that is right, write: "
        f"{'; '.join(lines)}"
    )
    kept = debug.name if debug else ""
    workers = [f"{name} zope-worker" for name in aside if name != kept]
    if not workers:
        return said
    how = " (one per line)" if workers[1:] else ""
    return f"{said}; programs = {' and '.join(workers)}{how}"


@dataclass
class Chooser:
    """Chooses the clients of one part, and notes what is wrong on the way."""

    part: str
    options: StackOptions
    facts: Facts
    problems: list[Problem] = field(default_factory=list)

    @property
    def aside(self) -> dict[str, str]:
        """Say why clients get no visitors though nobody has said so, by name."""
        if self.options.clients:
            return {}
        facts, workers = self.facts, programs.worker_names(self.options)
        visitors = (name for name in facts.clients if name not in workers)
        return set_aside({name: name in facts.debugging for name in visitors})

    def debug_client(self) -> Client | None:
        """Return the client that gets no visitors: the one named, or a likely one."""
        likely = (
            name
            for name in self.aside
            if name in self.facts.debugging or "debug" in name.lower()
        )
        name = self.options.debug_client or next(likely, "")
        if name and name not in self.facts.clients:
            self.problems += self.why_not("debug-client", name)
        return self.facts.clients.get(name)

    def balanced(self, debug: Client | None) -> tuple[Client, ...]:
        """Return the clients that are named, or all that seem to be for visitors."""
        wanted = self.options.clients
        if isinstance(wanted, int):
            self.add(
                str(wanted),
                "a number of clients is made by the extension, which is not at work",
                "Write in [buildout]: extensions = collective.recipe.productionstack;"
                " or name the parts here.",
            )
            return ()
        if not wanted:
            aside = {*self.aside, *programs.worker_names(self.options)}
            others = (one for one in self.facts.clients.values() if one != debug)
            return tuple(one for one in others if one.name not in aside)
        return tuple(self.named(wanted, debug))

    def named(self, wanted: tuple[str, ...], debug: Client | None) -> Iterator[Client]:
        """Yield the clients of those names."""
        workers = programs.worker_names(self.options)
        for name in dict.fromkeys(wanted):
            if wanted.count(name) > 1:
                self.add(name, "is named twice", "Name every client once.")
            if debug and name == debug.name:
                self.add(
                    name,
                    "is the debug client, which gets no visitors",
                    "Name it in one of the two options only.",
                )
            elif name in workers:
                self.add(
                    name,
                    "is a zope-worker in programs, which gets no visitors",
                    "Name it in one of the two options only.",
                )
            elif name in self.facts.clients:
                yield self.facts.clients[name]
            else:
                self.problems += self.why_not("clients", name)

    def need_one(self) -> None:
        """Note that there is no client at all, and why the parts here are none."""
        self.problems += [
            self._with_server(problem) for problem in self.facts.no_clients.values()
        ]
        if not self.facts.no_clients:
            remedy = (
                "Add one with recipe = plone.recipe.zope2instance, zeo-client = true"
            )
            if self.facts.storages:
                remedy += "; or, on a machine for the ZEO server alone: remove sites"
            self.add("", "no ZEO client is listed in parts", f"{remedy}.")

    def _with_server(self, problem: Problem) -> Problem:
        if problem.option != "zeo-client" or self.facts.storages:
            return problem
        return replace(problem, remedy=f"{problem.remedy}; {SERVER}")

    def why_not(self, option: str, name: str) -> Iterator[Problem]:
        """Say why a named part is no client, unless its own problem says it."""
        if name in self.facts.unreadable:
            return
        if name in self.facts.no_clients:
            yield self.facts.no_clients[name]
            return
        known = ", ".join(sorted(self.facts.clients)) or "none"
        yield Problem(
            part=self.part,
            option=option,
            value=name,
            message="no plone.recipe.zope2instance part of that name is in parts",
            remedy=f"ZEO clients here: {known}.",
        )

    def add(self, value: str, message: str, remedy: str) -> None:
        """Note a problem of the option ``clients``."""
        self.problems.append(
            Problem(
                part=self.part,
                option="clients",
                value=value,
                message=message,
                remedy=remedy,
            )
        )
