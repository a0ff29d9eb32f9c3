"""``watch``: what supervisord runs to look after the other programs."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from collective.recipe.productionstack.ctl.alerts import Alert
from collective.recipe.productionstack.ctl.alerts import Post
from collective.recipe.productionstack.ctl.backups.kept import standing
from collective.recipe.productionstack.ctl.control import LOCK
from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.ctl.jobs import outcomes
from collective.recipe.productionstack.ctl.lifecycle import start_record
from collective.recipe.productionstack.ctl.lifecycle import survey
from collective.recipe.productionstack.ctl.lifecycle.survey import Survey
from collective.recipe.productionstack.ctl.traffic import clients
from collective.recipe.productionstack.ctl.traffic import maintenance
from collective.recipe.productionstack.ctl.traffic.rolling import Roll
from collective.recipe.productionstack.ctl.traffic.rolling import RollSettings
from collective.recipe.productionstack.ctl.watching import counters
from collective.recipe.productionstack.ctl.watching import machine
from collective.recipe.productionstack.ctl.watching import sites
from collective.recipe.productionstack.ctl.watching import troubles
from collective.recipe.productionstack.ctl.watching.rules import Judge
from collective.recipe.productionstack.ctl.watching.rules import Judgement
from collective.recipe.productionstack.ctl.watching.rules import Seen
from collective.recipe.productionstack.daemons import certificates
from collective.recipe.productionstack.daemons import health
from collective.recipe.productionstack.daemons import roles
from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.machine import locks
from collective.recipe.productionstack.machine import pipes
from collective.recipe.productionstack.machine import processes
from collective.recipe.productionstack.machine.files import MEGABYTE
from collective.recipe.productionstack.model.announced import Health
from collective.recipe.productionstack.model.announced import Program
from collective.recipe.productionstack.model.stack import Stack

NAME = "watchdog"
LOOK_SECONDS = 5.0
RETRY_SECONDS = 60.0
PROBE_SECONDS = 3.0
SELDOM_SECONDS = 60.0


class Watchdog:
    """Looks, judges, acts and tells."""

    def __init__(self, control: Control) -> None:
        """Remember what was wrong when it looked last."""
        self.control = control
        stack = control.newest()
        self.open = troubles.load(stack)
        self.judge = Judge(stack.watching.memory_limit, _given_up(self.open))
        self.post = Post(self._log)
        self.retry_at = 0.0
        self.without = 0
        self.seldom: dict[str, str] = {}
        self.seldom_at = 0.0
        self.suspected: set[str] = set()
        self.cut_off, self.cut_at = counters.CutOff(), 0.0

    def watch(self, interval: float) -> None:
        """Look for ever."""
        _open_door(self.control.newest())
        while True:
            time.sleep(interval)
            self.turn(time.monotonic())

    def turn(self, now: float) -> None:
        """Look once, unless somebody is at work."""
        stack = self.control.newest()
        if self.post.waiting and now >= self.retry_at:
            self.post.deliver(stack)
            self.retry_at = now + RETRY_SECONDS
        if maintenance.hosts(stack):
            self.judge = Judge(stack.watching.memory_limit, _given_up(self.open))
            return
        self.judge.limit = stack.watching.memory_limit
        seen = look(stack)
        # Half of what a verb does is no trouble; what it has done is seen next time.
        if locks.is_held(str(self.control.var / LOCK)):
            return
        self.without = self.without + 1 if seen is None else 0
        if seen is None:
            if self.without > 1:  # the first may be its end in order
                found = {**self.open, troubles.KILLED: _without(stack)}
                self._tell(stack, found)
            return
        for one in seen:
            pipes.widen(one.pid)
        judged = self.judge.look(now, seen, zeo=_zeo_answers(stack, seen))
        seldom = {**self._seldom(stack, now), **self._cut_off(stack, now)}
        self._tell(stack, {**judged.troubles, **_too_old(stack), **seldom})
        self._act(stack, judged, now)
        self._let_go(stack)

    def _seldom(self, stack: Stack, now: float) -> dict[str, str]:
        """Return what is wrong where a look now and then is enough.

        A site is wrong when it was so before: it may be as busy as its clients.
        """
        if now >= self.seldom_at:
            found = sites.troubles(sites.look(stack, PROBE_SECONDS))
            ending = certificates.warnings(certificates.look(stack, PROBE_SECONDS))
            self.seldom = {key: found[key] for key in found.keys() & self.suspected}
            self.seldom |= {f"{one.hosts[0]} certificate": why for one, why in ending}
            self.seldom |= machine.disks(stack)
            gone = standing.of_all(stack).items()
            self.seldom |= {f"{name} files": text for name, text in gone}
            self.suspected = set(found)
            self.seldom_at = now + SELDOM_SECONDS
        return self.seldom

    def _log(self, text: str) -> None:
        with suppress(OSError):  # supervisord, which reads it, may be dead
            self.control.screen.say(text)

    def _tell(self, stack: Stack, found: dict[str, str]) -> None:
        """Send what is new and what is well again; a trouble is told once."""
        before, self.open = self.open, found
        for key in sorted(found.keys() - before.keys()):
            self.post.send(stack, Alert(found[key], self._advice(stack, key)))
        for key in sorted(before.keys() - found.keys()):
            name, _, trouble = key.partition(" ")
            if trouble != "exits":
                self.post.send(stack, Alert(f"{name} is well again ({trouble})"))
        if before != found:
            try:  # last: on a full disk the alert is what matters
                troubles.save(stack, found)
            except OSError as error:
                self._log(f"what is wrong cannot be kept for status: {error}")

    def _cut_off(self, stack: Stack, now: float) -> dict[str, str]:
        """Ask the cache once in a minute; in between it is as it was."""
        if now < self.cut_at:
            return {
                key: text for key, text in self.open.items() if key == counters.FULL
            }
        self.cut_at = now + RETRY_SECONDS
        return self.cut_off.troubles(counters.take(stack))

    def _advice(self, stack: Stack, key: str) -> str:
        name = key.partition(" ")[0]
        again = f"{self.control.script} up"
        if name in {one.name for one in stack.zope.clients}:
            again = f"{self.control.script} restart {name}"
        elif key.endswith(" age"):
            again = f"{self.control.script} cron install"
        elif key.endswith(" certificate"):
            again = f"{self.control.script} certificate renew"
        return (
            f"See {stack.folders.log} and {self.control.script} status "
            f"in {stack.folders.buildout}. Once the cause is mended: {again}"
        )

    def _act(self, stack: Stack, judged: Judgement, now: float) -> None:
        for name in judged.restart:
            self._restart(stack, name, now)
        for name in judged.give_up:
            self._give_up(stack, name)

    def _restart(self, stack: Stack, name: str, now: float) -> None:
        """Restart a client for its memory, as the verb does it and never harder."""
        limit = stack.watching.memory_limit // MEGABYTE
        over = f"{name} uses more than memory-limit ({limit} MB)"
        program = next(one for one in stack.announced.programs if one.name == name)
        refusal = ""
        try:
            clients.running(self.control)
            with self.control.lock():
                Roll(self.control, stack, RollSettings()).run([program])
        except ControlError as error:
            refusal = f"{over} and cannot be restarted: {error}"
        self.judge.tried(name, now, refusal)
        if not refusal:
            text = f"{over} and was restarted; no request was lost"
            self.post.send(stack, Alert(text))

    def _let_go(self, stack: Stack) -> None:
        """Let visitors go where a restart that held them was killed."""
        balancer = roles.balancer(stack)
        if balancer.is_holding():
            with suppress(ControlError), self.control.lock():
                balancer.let_go()

    def _give_up(self, stack: Stack, name: str) -> None:
        """Stop a client that ends again and again, if others serve."""
        servers = roles.balancer(stack).servers_seen()
        if not any(one.is_up for one in servers.values() if one.name != name):
            return
        with suppress(ControlError), self.control.lock():
            survey.connect(stack).stop(name)
            self.judge.gave_up(name)


def _without(stack: Stack) -> str:
    """Say how supervisord is: whoever stops it in order stops the watchdog before."""
    if survey.take(stack).supervisor:
        return "supervisord hangs: nothing that ends is started again"
    return troubles.WITHOUT


def look(stack: Stack) -> list[Seen] | None:
    """Look at every program but the debug client; None without supervisord."""
    wanted = [
        one for one in stack.announced.programs if not one.standby and one.name != NAME
    ]
    answers = health.probe_all(wanted, PROBE_SECONDS)
    seen = survey.take(stack)
    if not seen.answers:
        return None
    known = start_record.load(stack)
    return [
        _seen(one, seen, known.get(one.name, {}), answers[one.name]) for one in wanted
    ]


def _seen(program: Program, seen: Survey, entry: dict[str, int], answer: str) -> Seen:
    info = seen.infos.get(program.name)
    process = seen.table.get(info.pid) if info else None
    return Seen(
        name=program.name,
        is_client=program.is_client,
        state=info.state if info else "STOPPED",
        pid=process.pid if process else 0,
        ours=process is not None
        and (entry.get("pid"), entry.get("ticks")) == (process.pid, process.ticks),
        answers=answer == health.OK,
        memory=processes.memory(seen.table, [process.pid]) if process else 0,
        uptime=process.uptime if process else 0.0,
    )


def _too_old(stack: Stack) -> dict[str, str]:
    """Return the jobs that nobody has run; one that failed has told so itself."""
    return {
        f"{one.name} age": f"{one.name}: the last good one is too old, or there is none"
        for one in outcomes.ages(stack)
        if not one.ok and (one.stamp is None or one.stamp.ok)
    }


def _zeo_answers(stack: Stack, seen: Iterable[Seen]) -> bool:
    """Whether the clients have a database; one elsewhere is asked when it matters."""
    names = {one.name for one in stack.announced.programs if one.is_storage}
    if ours := [one for one in seen if one.name in names]:
        return all(one.answers for one in ours)
    if all(one.answers for one in seen):
        return True
    addresses = {one for client in stack.zope.clients for one in client.zeo_addresses}
    asked = (health.probe(Health(address=one), PROBE_SECONDS) for one in addresses)
    return any(answer == health.OK for answer in asked)


def _given_up(found: Iterable[str]) -> list[str]:
    return [key.partition(" ")[0] for key in found if key.endswith(" down")]


def _open_door(stack: Stack) -> None:
    """Greet whoever connects: that is how ``status`` sees that it lives."""
    path = Path(stack.socket(NAME).path)
    if health.probe(Health(address=stack.socket(NAME)), 1) == health.OK:
        raise ControlError("a watchdog of this stack runs already.")
    path.unlink(missing_ok=True)
    door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    door.bind(str(path))
    door.listen()
    threading.Thread(target=_greet, args=(door,), daemon=True).start()


def _greet(door: socket.socket) -> None:
    while True:
        with suppress(OSError):
            visitor, _ = door.accept()
            with visitor:
                visitor.sendall(b"watching\n")
