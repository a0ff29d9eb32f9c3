"""Talk to supervisord over its Unix socket, with time limits."""

from __future__ import annotations

import http.client
import xmlrpc.client
from collections.abc import Iterator
from collections.abc import Mapping
from contextlib import contextmanager
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from xml.parsers.expat import ExpatError

from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.machine.net.http import UnixConnection

ALREADY_ADDED = 90
ALREADY_STARTED = 60
NOT_RUNNING = 70
UP = frozenset({"RUNNING", "STARTING", "BACKOFF"})
"""States in which supervisor itself takes care that the program runs."""

SOCKET = "supervisor"
"""The name of its socket."""

CONF = "supervisor/supervisord.conf"
"""Its file in the tree."""


class NoAnswerError(ControlError):
    """supervisord cannot be reached."""


class RefusedError(ControlError):
    """supervisord answered with a fault."""

    def __init__(self, code: int, text: str) -> None:
        """Keep the fault's number."""
        self.code = code
        super().__init__(text)


@dataclass(frozen=True, slots=True)
class Info:
    """What supervisord says of one program."""

    name: str
    state: str
    pid: int
    start: float
    why: str

    @property
    def is_up(self) -> bool:
        """Whether it runs or supervisor is starting it."""
        return self.state in UP

    @classmethod
    def from_answer(cls, values: Mapping[str, Any]) -> Info:
        """Read one entry of supervisor's answer."""
        return cls(
            name=values["name"],
            state=values["statename"],
            pid=int(values["pid"]),
            start=float(values["start"]),
            why=values["spawnerr"] or values["description"],
        )


@dataclass(frozen=True, slots=True)
class Changes:
    """How the configuration file differs from what supervisord has in use."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]


class Supervisor:
    """A supervisord behind a Unix socket."""

    def __init__(self, path: str, timeout: float = 15) -> None:
        """Remember the socket; nothing is connected yet."""
        self.path = path
        self.timeout = timeout

    def answers(self) -> bool:
        """Whether it can be talked to."""
        with suppress(ControlError):
            self.call("supervisor.getState")
            return True
        return False

    def infos(self) -> dict[str, Info]:
        """Return what it says of each program."""
        answer: Any = self.call("supervisor.getAllProcessInfo")
        return {values["name"]: Info.from_answer(values) for values in answer}

    def start(self, name: str) -> None:
        """Start a program without waiting for it."""
        with _harmless(ALREADY_STARTED):
            self.call("supervisor.startProcess", name, False)  # noqa: FBT003

    def stop(self, name: str) -> None:
        """Begin to stop a program with its own signal."""
        with _harmless(NOT_RUNNING):
            self.call("supervisor.stopProcess", name, False)  # noqa: FBT003

    def signal(self, name: str, signal: str) -> None:
        """Send a program's main process a signal."""
        self.call("supervisor.signalProcess", name, signal)

    def shutdown(self) -> None:
        """Let it end."""
        self.call("supervisor.shutdown")

    def reread(self) -> Changes:
        """Let it read its configuration file again; nothing changes by that."""
        answer: Any = self.call("supervisor.reloadConfig")
        return Changes(*(tuple(names) for names in answer[0]))

    def add(self, name: str) -> None:
        """Take a program from the configuration file into use."""
        with _harmless(ALREADY_ADDED):
            self.call("supervisor.addProcessGroup", name)

    def remove(self, name: str) -> None:
        """Forget a stopped program."""
        self.call("supervisor.removeProcessGroup", name)

    def tail(self, name: str, size: int = 6000) -> str:
        """Return the end of what a program wrote; empty where nothing is kept."""
        text = ""
        for stream in ("Stdout", "Stderr"):
            with suppress(ControlError):
                answer: Any = self.call(
                    f"supervisor.tailProcess{stream}Log", name, 0, size
                )
                text += str(answer[0])
        return text

    def call(self, method: str, *arguments: object) -> object:
        """Call one method.

        Raises NoAnswerError when nobody answers, RefusedError with the fault otherwise.
        """
        text = xmlrpc.client.dumps(arguments, method)  # type: ignore[arg-type]
        try:
            return self._post(text.encode())
        except xmlrpc.client.Fault as error:
            raise RefusedError(error.faultCode, _reworded(error.faultString)) from None
        except (OSError, http.client.HTTPException, ExpatError) as error:
            message = (
                f"supervisord does not answer on {self.path} ({error}). "
                "See its log in var/log."
            )
            raise NoAnswerError(message) from None

    def _post(self, data: bytes) -> object:
        connection = UnixConnection(self.path, self.timeout)
        try:
            connection.request("POST", "/RPC2", data, {"Content-Type": "text/xml"})
            answer = connection.getresponse().read()
        finally:
            connection.close()
        return xmlrpc.client.loads(answer)[0][0]


@contextmanager
def _harmless(code: int) -> Iterator[None]:
    """Suppress one fault of supervisor: what was wanted is so already."""
    try:
        yield
    except RefusedError as error:
        if error.code != code:
            raise


def _reworded(fault: str) -> str:
    return f"supervisord refused: {fault}. See the log of that program."


def adopt(supervisor: Supervisor) -> Changes:
    """Take into use what can be without stopping anything; return the differences.

    A running program keeps its old definition until it is started again by ``up``.
    """
    changes = supervisor.reread()
    infos = supervisor.infos()
    for name in changes.added:
        supervisor.add(name)
    for name in (*changes.changed, *changes.removed):
        if name in infos and not infos[name].is_up and infos[name].state != "STOPPING":
            supervisor.remove(name)
            if name in changes.changed:
                supervisor.add(name)
    return changes
