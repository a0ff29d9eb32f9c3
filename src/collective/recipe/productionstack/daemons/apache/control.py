"""Talk to a running Apache."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.machine import processes
from collective.recipe.productionstack.machine import run
from collective.recipe.productionstack.machine import waiting
from collective.recipe.productionstack.machine.net import sockets
from collective.recipe.productionstack.machine.net import tls
from collective.recipe.productionstack.model.chain import WEB_SERVER
from collective.recipe.productionstack.model.stack import Stack

TITLE = "Apache"
NAMES = ("apache2", "httpd")
SECONDS = 15.0

LINE = 'SetEnvIfNoCase Host "^{}[.]?(?::[0-9]*)?$" in_maintenance=1\n'
HOST = re.compile(r'^SetEnvIfNoCase Host "\^(\S+)\[[.]\]\?\(\?:', re.MULTILINE)


class Apache:
    """A running Apache."""

    def __init__(self, stack: Stack, timeout: float) -> None:
        """Know where its pid is written; Apache itself is asked nothing."""
        del timeout
        self.stack = stack

    def master(self) -> int:
        """Return the pid that Apache wrote down, 0 when it did not."""
        path = Path(self.stack.folders.var, "apache.pid")
        try:
            pid = int(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return 0
        words = processes.arguments(pid)
        return pid if words and Path(words[0]).name in NAMES else 0

    def workers(self) -> frozenset[int]:
        """Return the processes that serve, whoever started the parent."""
        found = processes.children(processes.table(), self.master())
        return frozenset(
            pid for pid in found if processes.arguments(pid)[:1] == self._first()
        )

    def _first(self) -> list[str]:
        return processes.arguments(self.master())[:1]

    def reload(self, send: Callable[[], None]) -> None:
        """Send its signal; see others come and those before take nobody more.

        Raises ControlError when it would refuse its files, without telling it: Apache
        ends by itself where it cannot read them; and when it stays with the old ones.
        """
        self._ask()
        before = self.workers()
        send()
        log = f"Its log in {self.stack.folders.log} says why."
        if not waiting.until(lambda: self.workers() - before, SECONDS):
            message = f"Apache did not take the configuration in. {log}"
            raise ControlError(message)
        if not waiting.until(lambda: not self._still_taking(before), SECONDS):
            stuck = ", ".join(str(pid) for pid in sorted(self._still_taking(before)))
            message = (
                "Apache took the configuration in, but a process with the old one "
                f"still takes visitors (pid {stuck}). {log}"
            )
            raise ControlError(message)

    def _ask(self) -> None:
        """Ask a second Apache, which serves nobody, about the files.

        Raises ControlError when it refuses them.
        """
        kept = "It serves on with the old configuration."
        for pair in (pair for one in self.stack.virtual_hosts for pair in one.pairs):
            if why := tls.unusable(*pair):
                message = f"Apache would end on {pair[0]}: {why}. {kept}"
                raise ControlError(message)
        folder = f"{self.stack.folders.applied}/apache"
        program = next(filter(None, map(run.find, NAMES)), "")
        if not program:
            return
        asked = run.run((program, "-t", "-d", folder, "-f", f"{folder}/httpd.conf"))
        if not asked.ok:
            message = f"Apache refuses its files. {kept}{asked.said}"
            raise ControlError(message)

    def _still_taking(self, workers: frozenset[int]) -> frozenset[int]:
        """Return those that have the visitors' sockets open."""
        chain = self.stack.chain
        ours = {one.port for one in (chain.http, chain.https) if one}
        names = {
            f"socket:[{one.inode}]"
            for one in sockets.listening()
            if one.address.port in ours
        }
        left = workers & self.workers()
        return frozenset(
            pid for pid in left if names.intersection(processes.open_files(pid))
        )

    def maintenance_text(self, hosts: list[str]) -> str:
        """Return what it includes, one line for each host."""
        return "".join(LINE.format(_pattern(host)) for host in hosts)

    def maintenance_hosts(self, text: str) -> set[str]:
        """Return the hosts of such lines."""
        return {_host(found) for found in HOST.findall(text)}


def _pattern(host: str) -> str:
    """Return a regular expression for a host; one with a star is all that end so."""
    special = {".": "[.]", "*": "[^:]+", "[": r"\[", "]": r"\]"}
    return "".join(special.get(letter, letter) for letter in host)


def _host(pattern: str) -> str:
    plain = pattern.replace("[^:]+", "*").replace("[.]", ".")
    return plain.replace("\\", "")


FILLS = {WEB_SERVER: Apache}
