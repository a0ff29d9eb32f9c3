"""What parts and services announce: programs, logs, jobs and checks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from typing import Literal

from collective.recipe.productionstack.model.address import Address

STORAGE = "zeo"
CLIENT = "client"
WORKER = "zope-worker"
COMMAND = "command"
FRONTEND = "frontend"
"""Kinds of programs; a daemon's kind is its name."""


RESTART = "restart"
"""Stands for the signal of a program that may be restarted: nobody is served by it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """A file that logrotate rotates.

    ``how`` is ``rename`` for writers that reopen it and ``truncate`` for those
    that do not; ``signal`` goes to the process in ``pid_file`` after a rename.
    """

    path: str
    how: Literal["rename", "truncate"] = "rename"
    signal: str = ""
    pid_file: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How to see that a process answers.

    A ``path`` is fetched and must give ``status``; status 444 means that the
    connection is closed without an answer (nginx's word for it). Without a path
    something must be read after connecting; a ``zeo`` server must tell of its storage;
    where it ``opens`` to be well is to be connected to. One that is not ``asked`` is
    well while it runs. What is ``proxied`` wants the PROXY protocol first; ``headers``
    are sent along.
    """

    address: Address
    path: str = ""
    status: int = 200
    zeo: bool = False
    opens: bool = False
    asked: bool = True
    proxied: bool = False
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """Something supervised.

    ``reload`` is a signal's name, ``vcl``, ``restart``, or empty where only a restart
    that visitors notice makes a new configuration work. ``files`` are configuration
    outside our tree that a restart picks up; ``directory`` is where it is run, if
    not in the buildout. One that is ``standby`` (the debug
    client) is not started with the rest. Times are in seconds.
    """

    name: str
    kind: str
    command: tuple[str, ...]
    health: Health
    listens: tuple[Address, ...] = ()
    standby: bool = False
    stop_signal: str = "TERM"
    stop_seconds: int = 30
    start_seconds: int = 2
    start_retries: int = 10
    reload: str = ""
    environment: tuple[tuple[str, str], ...] = ()
    tree_files: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    directory: str = ""

    @property
    def is_storage(self) -> bool:
        """Whether it holds the database: started before the clients, stopped last."""
        return self.kind == STORAGE

    @property
    def is_client(self) -> bool:
        """Whether it is a Zope client."""
        return self.kind == CLIENT

    @property
    def is_frontend(self) -> bool:
        """Whether it makes pages in Plone's place."""
        return self.kind == FRONTEND

    @property
    def is_extra(self) -> bool:
        """Whether it is one of the option ``programs``."""
        return self.kind in {WORKER, COMMAND}


@dataclass(frozen=True, slots=True, kw_only=True)
class Extras:
    """Programs that the site has besides: started before the clients, and after."""

    before: tuple[Program, ...] = ()
    after: tuple[Program, ...] = ()
    logs: tuple[Log, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A line of the crontab; one that ``waits`` is left out during maintenance.

    ``then`` is run after a command that was good.
    """

    name: str
    why: str
    schedule: str
    command: tuple[str, ...]
    then: tuple[tuple[str, ...], ...] = ()
    waits: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """How a daemon is asked whether it accepts the configuration.

    ``{tree}`` and ``{scratch}`` stand in the command for a copy of the tree and
    an empty folder; ``package`` is where it is in another one than its name says;
    ``replace`` is applied to every file of the copy, so that
    the check neither writes nor binds anything real. ``remedies`` are pairs: what a
    complaint holds, and what to do about it. ``made_later`` are certificates and their
    keys that may not be there yet.
    """

    service: str
    daemon: str
    minimum: tuple[int, ...]
    version_argument: str
    package: str = ""
    command: tuple[str, ...]
    replace: tuple[tuple[str, str], ...] = ()
    complains: str = ""
    harmless: tuple[str, ...] = ()
    remedies: tuple[tuple[str, str], ...] = ()
    made_later: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Announced:
    """All that the parts and daemons of a stack announce."""

    programs: tuple[Program, ...] = ()
    logs: tuple[Log, ...] = ()
    jobs: tuple[Job, ...] = ()
    checks: tuple[Check, ...] = ()


def nothing(_: object) -> tuple[Any, ...]:
    """Announce nothing: a service's member where it has none."""
    return ()
