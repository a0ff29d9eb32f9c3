"""The ``programs`` option: one line per program, and the workers among the clients."""

from __future__ import annotations

import difflib
import os
import re
import shlex
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from typing import Any

from collective.recipe.productionstack.errors import Problem
from collective.recipe.productionstack.machine import run
from collective.recipe.productionstack.model.address import Address
from collective.recipe.productionstack.model.address import unsafe_in
from collective.recipe.productionstack.model.announced import COMMAND
from collective.recipe.productionstack.model.announced import WORKER
from collective.recipe.productionstack.model.announced import Extras
from collective.recipe.productionstack.model.announced import Health
from collective.recipe.productionstack.model.announced import Log
from collective.recipe.productionstack.model.announced import Program
from collective.recipe.productionstack.model.clients import Client
from collective.recipe.productionstack.options.load import StackOptions
from collective.recipe.productionstack.options.values import parse
from collective.recipe.productionstack.plan.facts import Facts
from collective.recipe.productionstack.sources import zope2instance

KINDS = (WORKER, COMMAND)
SIGNALS = ("TERM", "INT", "QUIT", "HUP", "USR1", "USR2")
"""Those of supervisord but KILL, which asks nobody."""

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
URL_PATH = re.compile(r"/[A-Za-z0-9._~!&'()*+,;=:@/?-]*")
REDIRECTION = re.compile(r"[0-9&]?[<>]")
OF_SHELL = frozenset(["|", "||", "&&", "&", ";", ">", ">>", "<", "2>&1"])
EXAMPLE = "Write for example: solr command bin/solr-foreground health=127.0.0.1:8983"


@dataclass(frozen=True, slots=True)
class ProgramLine:
    """A line taken apart; nothing in it depends on the other parts yet."""

    name: str
    kind: str
    command: tuple[str, ...]
    names: dict[str, Any]


@dataclass
class Chosen:
    """What the lines come to, and what is wrong with them."""

    extras: Extras = Extras()
    workers: tuple[Client, ...] = ()
    problems: list[Problem] = field(default_factory=list)


def worker_names(options: StackOptions) -> frozenset[str]:
    """Return the names of the workers, which get no visitors."""
    found = (_words(text) for text in options.programs)
    return frozenset(words[0] for words in found if words[1:2] == [WORKER])


def _words(text: str) -> list[str]:
    """Return the words of a line; none where a quotation mark is not closed."""
    try:
        return shlex.split(text)
    except ValueError:
        return []


def choose(
    part: str, options: StackOptions, facts: Facts, taken: Collection[str]
) -> Chosen:
    """Return the programs of the lines; ``taken`` are names that others have."""
    chosen = Chosen()
    before: list[Program] = []
    after: list[Program] = []
    logs: list[Log] = []
    names = set(taken)
    for text in options.programs:
        try:
            line = _line(text)
            _refuse_taken(line, names)
            names.add(line.name)
            client = _client(line, facts)
            made = _program(line, client, facts)
        except ValueError as error:
            chosen.problems.append(_problem(part, text, error))
            continue
        if client:
            chosen.workers += (client,)
        is_early = line.names.get("start", _usual_start(line)) == "before"
        (before if is_early else after).append(made)
        if path := line.names.get("log"):
            logs.append(Log(path=_absolute(path, facts), how="truncate"))
    chosen.extras = Extras(before=tuple(before), after=tuple(after), logs=tuple(logs))
    return chosen


class _RemedyError(ValueError):
    """A fault with another remedy than the usual example."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


def _problem(part: str, text: str, error: ValueError) -> Problem:
    remedy = error.remedy if isinstance(error, _RemedyError) else EXAMPLE
    return Problem(
        part=part, option="programs", value=text, message=str(error), remedy=remedy
    )


def _line(text: str) -> ProgramLine:
    words = _words(text)
    if not words:
        raise ValueError("a quotation mark is not closed")
    name, kind, *rest = words if words[1:] else [*words, ""]
    if not NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name for a program")
    if kind not in KINDS:
        near = difflib.get_close_matches(kind, KINDS, n=1)
        shown = f"did you mean {near[0]}" if near else f"there are {', '.join(KINDS)}"
        raise ValueError(f"{kind!r} is no kind of program ({shown})")
    command, pairs = _without_pairs(rest)
    for word in command:
        if word in OF_SHELL or REDIRECTION.match(word):
            message = f"no shell reads this line, so {word} would be an argument"
            raise _RemedyError(message, "Write a script, and name that here.")
        if unsafe := unsafe_in(word):
            raise ValueError(f"{unsafe} cannot stand in a command")
    if kind == COMMAND and not command:
        raise ValueError("names no command")
    return ProgramLine(name, kind, tuple(command), pairs)


def _without_pairs(words: Sequence[str]) -> tuple[list[str], dict[str, Any]]:
    """Take the names of ours from the end; a command may hold ``a=b`` of its own.

    A lone ``--`` parts the two where such a word could be either.
    """
    command, found = list(words), dict[str, Any]()
    while command and (pair := re.fullmatch(r"([a-z][a-z-]*)=(.*)", command[-1])):
        name, value = pair.groups()
        if name not in NAMES:
            near = difflib.get_close_matches(name, NAMES, n=1, cutoff=0.75)
            if near:
                raise ValueError(f"{command[-1]!r}: did you mean {near[0]}=…")
            break
        if name in found:
            raise ValueError(f"{name} stands there twice")
        try:
            found[name] = NAMES[name](value)
        except ValueError as error:
            raise ValueError(f"{name}={value}: {error}") from None
        command.pop()
    if command and command[-1] == "--":
        command.pop()
    return command, found


def _health(value: str) -> Health:
    """Read ``HOST:PORT``, ``HOST:PORT/PATH`` with or without http://, or a socket."""
    if value.startswith("/"):
        return Health(address=Address(path=parse.file_path(value)), opens=True)
    bare = value.removeprefix("http://")
    if bare.startswith("https:"):
        raise ValueError("is not asked over TLS; write HOST:PORT alone")
    host, slash, path = bare.partition("/")
    at = parse.address(host).to_connect
    if not slash:
        return Health(address=at, opens=True)
    if not URL_PATH.fullmatch(slash + path):
        raise ValueError("not the path of a URL")
    return Health(address=at, path=slash + path)


def _signal(value: str) -> str:
    name = value.upper().removeprefix("SIG")
    if name not in SIGNALS:
        raise ValueError(f"not one of {', '.join(SIGNALS)}")
    return name


NAMES: dict[str, Callable[[str], Any]] = {
    "health": _health,
    "stop-signal": _signal,
    "stop-seconds": parse.seconds(1, 3600),
    "start": parse.choice("before", "after"),
    "log": parse.file_path,
}


def _usual_start(line: ProgramLine) -> str:
    """Say when: what Plone asks is there before it, who asks Plone's database after."""
    return "after" if line.kind == WORKER else "before"


def _refuse_taken(line: ProgramLine, names: Collection[str]) -> None:
    if line.name in names:
        message = f"{line.name} is the name of another program of this stack"
        raise _RemedyError(message, "Choose another name.")


def _client(line: ProgramLine, facts: Facts) -> Client | None:
    """Return the part that a worker is, if it is one."""
    if line.kind != WORKER:
        return None
    client = facts.clients.get(line.name)
    if client is None and line.name in facts.no_clients:
        why = facts.no_clients[line.name]
        message = f"[{why.part}] {why.option} = {why.value}: {why.message}"
        raise _RemedyError(message, why.remedy.replace(":", f" in [{why.part}]:", 1))
    if client is None and not line.command:
        known = ", ".join(sorted(facts.clients)) or "none"
        message = "no plone.recipe.zope2instance part of that name is in parts"
        remedy = f"ZEO clients here: {known}; or write its command."
        raise _RemedyError(message, remedy)
    return client


def _program(line: ProgramLine, client: Client | None, facts: Facts) -> Program:
    if client and not line.command:
        made = replace(zope2instance.program(client), kind=line.kind)
    else:
        made = Program(
            name=line.name,
            kind=line.kind,
            command=(_found(line.command[0], facts), *line.command[1:]),
            health=Health(address=Address(), asked=False),
            # INT is what ends Zope gracefully (operations 1).
            stop_signal="INT" if line.kind == WORKER else "TERM",
            files=client.files if client else (),
        )
    if asked := line.names.get("health"):
        near = () if asked.address.is_public else (asked.address,)
        made = replace(made, health=asked, listens=(*made.listens, *near))
    return replace(
        made,
        stop_signal=line.names.get("stop-signal", made.stop_signal),
        stop_seconds=line.names.get("stop-seconds", made.stop_seconds),
    )


def _absolute(path: str, facts: Facts) -> str:
    return os.path.normpath(f"{facts.directory}/{path}" if path[0] != "/" else path)


def _found(word: str, facts: Facts) -> str:
    """Return the whole path of what is run: below the buildout, or of the system."""
    if "/" in word:
        return _absolute(word, facts)
    return run.find(word) or word
