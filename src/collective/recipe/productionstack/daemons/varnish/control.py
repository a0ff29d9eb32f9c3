"""Talk to a running Varnish: another VCL, bans."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.machine import run
from collective.recipe.productionstack.machine import waiting
from collective.recipe.productionstack.machine.files import write_atomically
from collective.recipe.productionstack.model.chain import CACHE
from collective.recipe.productionstack.model.stack import Stack

TITLE = "Varnish"
FILE = "default.vcl"
"""Loaded by its bare name: varnishd looks in its vcl_path only."""

COUNTERS = {
    "hits": "MAIN.cache_hit",
    "misses": "MAIN.cache_miss",
    "passed": "MAIN.s_pass",
    "evicted": "MAIN.n_lru_nuked",
    "failed_fetches": "MAIN.fetch_failed",
    "cut_off": "SMF.Transient.c_fail",
}
"""What is counted, and varnishd's own name for it (varnish-counters(7))."""

VERSION = "vcl 4.1;"
LAST = """sub vcl_deliver { set resp.http.Connection = "close"; }
sub vcl_synth { set resp.http.Connection = "close"; }"""
PLACED = re.compile(r"set beresp\.storage = storage\.(\w+);")

PATIENCE, SHORT = "55", "2"
"""Seconds; by itself varnishadm waits 5, and a busy machine compiles a VCL in 10. Where
no manager has ever been it waits all that for one."""

MANAGER = "_.vsm_mgt"
"""What the manager keeps in its folder for who asks it (vsm(7))."""


class Varnish:
    """A running Varnish."""

    exact = False

    def __init__(self, stack: Stack, timeout: float) -> None:
        """Know where it can be asked; nothing is connected yet."""
        del timeout
        self.stack = stack

    def master(self) -> int:
        """Return 0: it is asked, not sent signals."""
        return 0

    def reload(self, send: Callable[[], None]) -> None:
        """Compile the applied VCL and use it; the old one serves until that is done.

        Raises ControlError when Varnish refuses it.
        """
        del send
        self._discard_others(self._use(self._fitting()))

    def step_aside(self, seconds: float) -> bool:
        """Send the web server past it, and finish what it has been asked before.

        Return whether that was so in time; what it does not tell is not so. Raises
        ControlError when it cannot be asked.
        """
        self._use(self._fitting().replace(VERSION, f"{VERSION}\n{LAST}", 1))
        # nginx has another way where this is not there; what is open stays so.
        Path(self.stack.cache_socket.path).unlink(missing_ok=True)
        return waiting.until(lambda: self._fetches() == 0, seconds)

    def _text(self) -> str:
        return Path(self.stack.folders.applied, "varnish", FILE).read_text("utf-8")

    def _fitting(self) -> str:
        """Return the applied VCL, without the storages that it was not started with."""
        text = self._text()
        has = re.findall(r"storage\.(\w+)", self._admin("storage.list"))
        # It keeps all in those it has, until it is started anew.
        known = set(PLACED.findall(text)) <= set(has)
        return text if known else PLACED.sub("", text)

    def _use(self, text: str) -> str:
        """Compile a VCL and use it; return the name that it has there."""
        name = f"reload-{time.time_ns() // 1_000_000}"
        with self._loadable(text) as file:
            self._admin("vcl.load", name, file)
        self._admin("vcl.use", name)
        if self.active() != name:
            log = self.stack.folders.log
            message = f"Varnish did not take the new VCL into use. See {log}."
            raise ControlError(message)
        return name

    @contextmanager
    def _loadable(self, text: str) -> Iterator[str]:
        """Name the file of a VCL: the applied one, or for a while another beside it."""
        if text == self._text():
            yield FILE
            return
        # It reads in this folder alone.
        other = Path(self.stack.folders.applied, "varnish", "for-a-while.vcl")
        try:
            write_atomically(other, text)
            yield other.name
        finally:
            other.unlink(missing_ok=True)

    def _fetches(self) -> int | None:
        """Count the requests that it asks others just now; None when it is silent."""
        done = [one for one in self._stat(("VBE.*.conn",)) if len(one) > 1]
        return sum(int(one[1]) for one in done) if done else None

    def active(self) -> str:
        """Return the name of the VCL in use."""
        lines = [line.split() for line in self._admin("vcl.list").splitlines()]
        return next((one[-1] for one in lines if one and one[0] == "active"), "")

    def ban(self, *words: str) -> None:
        """Drop every stored object that the words of a ban describe (vcl(7), BANS).

        Some versions of varnishadm quote their words and others do not: none may
        need it.

        Raises ControlError when Varnish refuses, or is not there.
        """
        if any(re.search(r"[^!-~]|[\"\\\\]", word) for word in words):
            message = f"{' '.join(words)!a} cannot be a ban"
            raise ControlError(message)
        self._admin("ban", *words)

    def counters(self) -> dict[str, int]:
        """Return what was counted since it started; empty when it is not there."""
        lines = self._stat(COUNTERS.values())
        found = {one[0]: int(one[1]) for one in lines if len(one) > 1}
        return {name: found[own] for name, own in COUNTERS.items() if own in found}

    def shortcoming(self) -> str:
        """Return nothing: it drops whatever is edited."""
        return ""

    def _stat(self, names: Iterable[str]) -> list[list[str]]:
        program = run.find("varnishstat") or "varnishstat"
        wanted = [word for name in names for word in ("-f", name)]
        where = f"{self.stack.folders.var}/varnish"
        done = run.run((program, "-n", where, "-1", "-t", "0", *wanted), timeout=1)
        return [line.split() for line in done.output.splitlines() if done.ok]

    def _discard_others(self, kept: str) -> None:
        for line in self._admin("vcl.list").splitlines():
            words = line.split()
            if len(words) > 1 and words[0] == "available" and words[-1] != kept:
                # One that still serves a request refuses; the next reload drops it.
                run.run(self._command("vcl.discard", words[-1]), timeout=10)

    def _command(self, *words: str) -> tuple[str, ...]:
        program = run.find("varnishadm") or "varnishadm"
        where = Path(self.stack.folders.var, "varnish")
        patience = PATIENCE if Path(where, MANAGER).exists() else SHORT
        return (program, "-t", patience, "-n", str(where), *words)

    def _admin(self, *words: str) -> str:
        result = run.run(self._command(*words), timeout=60)
        if not result.ok:
            message = f"Varnish refused {words[0]}: {result.text}"
            raise ControlError(message)
        return result.output


FILLS = {CACHE: Varnish}
