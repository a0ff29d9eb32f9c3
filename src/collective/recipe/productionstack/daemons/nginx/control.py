"""Talk to a running nginx."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.machine import processes
from collective.recipe.productionstack.machine import waiting
from collective.recipe.productionstack.model.chain import WEB_SERVER
from collective.recipe.productionstack.model.stack import Stack

TITLE = "nginx"
SECONDS = 15.0
HOST = re.compile(r"^(\S+) 1;$", re.MULTILINE)


class Nginx:
    """A running nginx."""

    def __init__(self, stack: Stack, timeout: float) -> None:
        """Know where its pid is written; nginx itself is asked nothing."""
        del timeout
        self.stack = stack

    def master(self) -> int:
        """Return the pid that nginx wrote down, 0 when it did not."""
        path = Path(self.stack.folders.var, "nginx.pid")
        try:
            pid = int(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return 0
        return pid if "nginx" in processes.command(pid) else 0

    def workers(self) -> frozenset[int]:
        """Return the children of the master, whoever its own parent is."""
        return frozenset(processes.children(processes.table(), self.master()))

    def reload(self, send: Callable[[], None]) -> None:
        """Send its signal and see that other workers come.

        Raises ControlError when none does: then nginx refuses its files.
        """
        before = self.workers()
        send()
        if not waiting.until(lambda: self.workers() - before, SECONDS):
            message = (
                "nginx did not take the configuration in and serves on with the old "
                f"one. Its log in {self.stack.folders.log} says why."
            )
            raise ControlError(message)

    def maintenance_text(self, hosts: list[str]) -> str:
        """Return what its map includes, one line for each host."""
        return "".join(f"{host} 1;\n" for host in hosts)

    def maintenance_hosts(self, text: str) -> set[str]:
        """Return the hosts of such lines."""
        return set(HOST.findall(text))


FILLS = {WEB_SERVER: Nginx}
