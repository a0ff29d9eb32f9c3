"""The processes of a running nginx: who they are, and how they read files anew."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from collective.recipe.productionstack.daemons.nginx import upstreams
from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.machine import processes
from collective.recipe.productionstack.machine import waiting
from collective.recipe.productionstack.model.chain import BALANCER
from collective.recipe.productionstack.model.stack import Stack

SECONDS = 15.0
LEAVING = "is shutting down"
"""What stands in the title of a worker that takes no new connection any more
(ngx_worker_process_cycle sets it as it closes its listeners)."""

KEEPER = "nginx: cache "
"""How the titles of the two begin that look after the micro-cache: its manager, and
its loader in the first minute (ngx_start_cache_manager_processes)."""

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
        """Return the workers among the master's children, whoever its own parent is."""
        found = processes.children(processes.table(), self.master())
        return frozenset(pid for pid in found if KEEPER not in processes.command(pid))

    def reload(self, send: Callable[[], None]) -> None:
        """Send its signal; see other workers come and the ones before take no more.

        Raises ControlError when none comes: then nginx refuses its files; and when
        one from before goes on: then some visitors see the old configuration.
        """
        if self.stack.chain.is_of_web_server(BALANCER):
            upstreams.settle(self.stack)
        self.take_in(send)

    def take_in(self, send: Callable[[], None]) -> None:
        """Do that with the files about clients as they are.

        Raises ControlError as ``reload`` does.
        """
        before = self.workers()
        send()
        log = f"Its log in {self.stack.folders.log} says why."
        if not waiting.until(lambda: self.workers() - before, SECONDS):
            message = (
                "nginx did not take the configuration in and serves on with the old "
                f"one. {log}"
            )
            raise ControlError(message)
        if not waiting.until(lambda: not self._still_taking(before), SECONDS):
            stuck = ", ".join(str(pid) for pid in sorted(self._still_taking(before)))
            message = (
                "nginx took the configuration in, but a worker of the old one still "
                f"takes visitors (pid {stuck}). {log}"
            )
            raise ControlError(message)

    def _still_taking(self, workers: frozenset[int]) -> frozenset[int]:
        left = workers & self.workers()
        return frozenset(pid for pid in left if LEAVING not in processes.command(pid))

    def maintenance_text(self, hosts: list[str]) -> str:
        """Return what its map includes, one line for each host."""
        return "".join(f"{host} 1;\n" for host in hosts)

    def maintenance_hosts(self, text: str) -> set[str]:
        """Return the hosts of such lines."""
        return set(HOST.findall(text))
