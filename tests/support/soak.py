"""Editors, visitors, jobs, and somebody who kills whatever runs, on a real site."""

from __future__ import annotations

import base64
import collections
import http.client
import json
import mmap
import os
import random
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path

from tests.support import soak_checks as checks
from tests.support.plonesite import JSON
from tests.support.plonesite import Editor
from tests.support.plonesite import Page
from tests.support.plonesite import PloneSite
from tests.support.soak_checks import Disturbances
from tests.support.soak_checks import Freshness
from tests.support.soak_checks import People
from tests.support.soak_checks import Promises

PASSWORD = "Another-Word-9"
PEOPLE = ("ada", "bea")
EDITORS = ("edda", "egon")
PAGES = tuple(f"page-{one}" for one in EDITORS)
ROLES = ["Contributor", "Editor", "Reviewer", "Member"]
BOUND = 120.0 + 10
"""Two minutes, as docs/explanation/what-is-cached.md says, and a slow machine."""

CONFLICT = 500
"""What Zope answers where others wrote the same at once, again and again."""

AFTER = 60.0
"""For so many seconds after a kill errors are allowed."""

JOBS = (
    *(("backup",), ("pack",), ("sync-backup",), ("verify-backup",)),
    *(("reload",), ("restart",)),
)
VICTIMS = (
    *("instance1", "instance2", "zeoserver", "supervisord", "watchdog", "job"),
    *("haproxy master", "haproxy worker", "varnish manager", "varnish child"),
    *("subreaper", "nginx master", "nginx worker"),
)
VISITOR = "page of a visitor"
"""The one kind that may come from the cache."""

TROUBLES = (OSError, http.client.HTTPException, AssertionError)


@dataclass
class Soak:
    """What goes on, and what came of it; ``every`` is the seconds between two kills."""

    site: PloneSite
    every: float = 30.0
    seed: int = 0
    counts: collections.Counter[str] = field(default_factory=collections.Counter)
    wrong: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    promises: Promises = field(default_factory=Promises)
    freshness: Freshness = field(default_factory=lambda: Freshness(BOUND))
    disturbances: Disturbances = field(default_factory=Disturbances)
    people: People = field(
        default_factory=lambda: People(tuple(checks.mark(one) for one in PEOPLE))
    )
    files: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)
    job: subprocess.Popen[str] | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    # -- before and after

    def prepare(self) -> None:
        """Make accounts, pages, and a file."""
        site = self.site
        for name in (*EDITORS, *PEOPLE):
            values = {
                "username": name,
                "email": f"{name}@example.com",
                "password": PASSWORD,
                "fullname": checks.mark(name) if name in PEOPLE else name,
                "roles": ROLES if name in EDITORS else ["Member"],
            }
            made = site.api("POST", "/@users", values)
            assert made.status == 201, made.text
        for name in PAGES:
            site.make("Document", name)
            titled = site.api("PATCH", f"/{name}", {"title": f"Edition 1 of {name}"})
            assert titled.status == 204, titled.text
            self.promises.save(name, f"Edition 1 of {name}")

    def run(self, seconds: float) -> None:
        """Let it all go on for so long, then come to rest and look at everything."""
        actors = [
            *(Writer(self, name).work for name in EDITORS),
            *(Reader(self, name).work for name in (*PEOPLE, "", "", "")),
            self.do_jobs,
            self.look_after,
        ]
        threads = [threading.Thread(target=self.guarded, args=(one,)) for one in actors]
        for one in threads:
            one.start()
        try:
            self.break_things(time.monotonic() + seconds)
        finally:
            self.over.set()
            for one in threads:
                one.join(400)
        self.conclude()

    def guarded(self, work: Callable[[], None]) -> None:
        """Let no actor end unseen."""
        try:
            work()
        except BaseException as error:
            self.wrong.append(f"an actor ended: {error!r}")
            raise

    def conclude(self) -> None:
        """Come to rest; compare with what was promised."""
        site = self.site
        site.stack("up")
        site.wait(site.is_well, 240, "the site after all that")
        self.last_edits()
        self.wrong += self.promises.lost(self.is_live, "in the live site")
        self.wrong += self.freshness.wrong(self.disturbances.is_sick)
        for verb in ("backup", "verify-backup", "sync-backup"):
            said = site.stack(verb)
            if said.status:
                self.wrong.append(f"at last {verb}: {said.text}")
        target = site.folder / "restored"
        said = site.stack("restore", "--to", str(target), "--yes")
        if said.status:
            self.wrong.append(f"at last restore: {said.text}")
            return
        there = marks_in(target)
        self.wrong += self.promises.lost(
            lambda _, value: value in there, "in the restored backup"
        )
        shutil.rmtree(target)

    def last_edits(self) -> None:
        """See that purging works after all that: nobody asks while it is edited."""
        for name in PAGES:
            self.site.get(f"/{name}")
            title = f"Edition {10**6} of {name}"
            done = self.site.api("PATCH", f"/{name}", {"title": title})
            assert done.status == 204, done.text
            self.promises.save(name, title)
            try:
                self.site.wait(lambda: title in self.site.get(f"/{name}").text, 15, "")  # noqa: B023
            except AssertionError:
                self.wrong.append(f"stale: {name} for 15 s, though nothing was killed")

    def is_live(self, name: str, value: str) -> bool:
        """Whether an object is there as it was saved."""
        if name in self.files:
            page = self.site.api("GET", f"/{name}/@@download/file")
            return page.status == 200 and page.body == checks.content_of(name)
        page = self.site.api("GET", f"/{name}")
        return page.status == 200 and value == json.loads(page.body)["title"]

    # -- what goes on

    def break_things(self, end: float) -> None:
        """Kill one thing after another."""
        chance = random.Random(self.seed)
        left: list[str] = []
        while time.monotonic() < end:
            if self.over.wait(min(self.every, max(0, end - time.monotonic()))):
                return
            if time.monotonic() >= end:
                return
            left = left or chance.sample(VICTIMS, len(VICTIMS))
            name = left.pop()
            pid = self.victim(name)
            if pid:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
                self.disturbances.killed.append((time.monotonic(), name))
            self.counts[f"killed: {name}" if pid else f"not there: {name}"] += 1

    def victim(self, name: str) -> int:
        """Return the process of that name; 0 where there is none now."""
        site = self.site
        if name == "job":
            return self.job.pid if self.job and self.job.poll() is None else 0
        found = site.processes()
        words = {
            "supervisord": "bin/stack supervisord",
            "watchdog": "bin/stack watch",
            "haproxy master": "haproxy -W",
            "varnish manager": "varnishd -F",
            "subreaper": "subreaper",
            "zeoserver": "zeoserver",
        }
        if name.startswith("instance"):
            words[name] = f"/{name}/"
        top = {"haproxy worker": "haproxy master", "varnish child": "varnish manager"}
        top |= {"nginx master": "subreaper", "nginx worker": "nginx master"}
        if name in top:
            above = self.victim(top[name])
            below = site.children(above) if above else []
            return below[-1] if below else 0
        every = [pid for pid, text in found.items() if words[name] in text]
        ours = [one for one in every if not set(every) & set(self.above(one))]
        return ours[-1] if ours else 0

    def above(self, pid: int) -> list[int]:
        """Return a process's parents."""
        from tests.support.plonesite import parent

        found = []
        while (pid := parent(pid)) > 1:
            found.append(pid)
        return found

    def do_jobs(self) -> None:
        """Run one job after another."""
        chance = random.Random(self.seed + 1)
        self.do_job(("backup",))
        while not self.over.is_set():
            for words in chance.sample(JOBS, len(JOBS)):
                self.do_job(words)
                if self.over.wait(2):
                    return

    def do_job(self, words: tuple[str, ...]) -> None:
        """Run a job; only a traceback is wrong, but what failed unprovoked is told."""
        begun = time.monotonic()
        self.job = subprocess.Popen(
            [str(self.site.folder / "bin/stack"), *words],
            cwd=self.site.folder,
            env=self.site.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            said, _ = self.job.communicate(timeout=300)
        except subprocess.TimeoutExpired:
            self.job.kill()
            self.wrong.append(f"{words[0]} did not end in 300 s")
            return
        status = self.job.returncode
        now = time.monotonic()
        near = self.disturbances.near(now, now - begun + AFTER)
        self.counts[f"{words[0]}: {'good' if status == 0 else 'failed'}"] += 1
        if "Traceback" in said:
            self.wrong.append(f"{words[0]}: {said}")
        elif status:
            excuse = "after a kill" if near else "UNPROVOKED"
            text = f"{words[0]} ended with {status} {excuse}: {said.strip()[-600:]}"
            self.notes.append(text)

    def look_after(self) -> None:
        """Do what a person does who was told that supervisord is gone."""
        while not self.over.wait(5):
            if not self.victim("supervisord"):
                said = self.site.stack("up")
                self.counts[f"up: {'good' if said.status == 0 else 'failed'}"] += 1
                if said.status:
                    self.notes.append(f"up failed: {said.text[-600:]}")

    # -- what everybody does

    def ask(
        self,
        path: str,
        ask: Callable[[], Page],
        kind: str,
    ) -> Page | None:
        """Ask; count what came. Return nothing where no answer came, or an error."""
        begun = time.monotonic()
        try:
            page: Page | None = ask()
            status = str(page.status) if page else ""
            if page and page.status == CONFLICT and "ConflictError" in page.text:
                # Zope tried three times: others wrote the same. Nothing was saved.
                page, status = None, "conflict"
        except TROUBLES as error:
            page, status = None, type(error).__name__
        bad = status != "conflict" and (page is None or page.status >= 500)
        with self.lock:
            self.counts[f"{kind}: {status}"] += 1
            if not bad and kind != VISITOR:
                self.disturbances.served.append(time.monotonic())
            if bad:
                self.disturbances.failed.append(time.monotonic())
                if not self.disturbances.near(begun, AFTER):
                    text = page.text[:200] if page else ""
                    what = f"error: {kind} {path} got {status} unprovoked {text}"
                    self.wrong.append(what)
        return None if bad else page

    def log_in(self, name: str) -> Editor | None:
        """Log somebody in with the form."""
        try:
            return Editor(self.site, name, PASSWORD)
        except (*TROUBLES, StopIteration):
            self.counts["login: failed"] += 1
            self.over.wait(1)
            return None

    @property
    def report(self) -> str:
        """Return what happened, in lines."""
        fresh = self.freshness
        lines = [f"{name} {number}" for name, number in sorted(self.counts.items())]
        lines += [
            f"saved and looked for: {len(self.promises.saved)}",
            f"editions shown: {fresh.looked}, within the bound but old: {fresh.behind}",
            *self.disturbances.outages(),
            *self.notes,
            f"WRONG: {len(self.wrong)}",
            checks.first(self.wrong, 30),
        ]
        return "\n".join(lines)


@dataclass
class Writer:
    """An editor: edits a page of its own, makes pages and files."""

    soak: Soak
    name: str
    editor: Editor | None = None
    edition: int = 1

    def work(self) -> None:
        """Write until it is over."""
        number = 0
        while not self.soak.over.wait(0.3):
            number += 1
            if self.editor is None:
                self.editor = self.soak.log_in(self.name)
            elif number % 5 == 0:
                self.upload(f"file-{self.name}-{number}")
            elif number % 2:
                self.edit()
            else:
                self.write(f"text-{self.name}-{number}")

    def send(self, method: str, path: str, values: object) -> Page | None:
        assert self.editor is not None
        ask, body = self.editor.ask, json.dumps(values)
        page = self.soak.ask(
            path, lambda: ask(path, JSON, method=method, body=body), "write"
        )
        if page is not None and page.status == 401:
            self.editor = None
        return page

    def keep(self, page: Page | None, status: int, name: str, value: str) -> bool:
        """Note what an answer promises."""
        if page is not None and page.status == status:
            self.soak.promises.save(name, value)
            return True
        self.soak.promises.doubt(name, value)
        return False

    def edit(self) -> None:
        self.edition += 1
        page, title = f"page-{self.name}", f"Edition {self.edition} of page-{self.name}"
        done = self.send("PATCH", f"/{page}", {"title": title})
        if self.keep(done, 204, page, title):
            self.soak.freshness.edited(page, self.edition, time.monotonic())

    def write(self, name: str) -> None:
        values = {"@type": "Document", "id": name, "title": checks.mark(name)}
        self.keep(self.send("POST", "/", values), 201, name, checks.mark(name))

    def upload(self, name: str) -> None:
        content = base64.b64encode(checks.content_of(name)).decode()
        file = {"data": content, "encoding": "base64", "filename": f"{name}.txt"}
        values = {"@type": "File", "id": name, "title": name, "file": file}
        done = self.send("POST", "/", values)
        if done is not None and done.status == 201:
            self.soak.promises.save(name, checks.mark(name))
            self.soak.files.append(name)


@dataclass
class Reader:
    """A visitor, or somebody who is logged in, who looks at everything."""

    soak: Soak
    name: str
    editor: Editor | None = None

    def work(self) -> None:
        """Look until it is over."""
        chance = random.Random(f"{self.soak.seed}{self.name}{id(self)}")
        while not self.soak.over.wait(0.2):
            if self.name and self.editor is None:
                self.editor = self.soak.log_in(self.name)
            elif self.soak.files and chance.random() < 0.25:
                self.look_at_file(chance.choice(self.soak.files))
            else:
                paths = ("/", *(f"/{one}" for one in PAGES))
                path = chance.choice(paths)
                self.look(
                    f"{path}?n={chance.random()}" if chance.random() < 0.3 else path
                )

    def get(self, path: str) -> Page | None:
        kind = "page of a person" if self.editor else VISITOR
        where = self.editor.ask if self.editor else self.soak.site.get
        return self.soak.ask(path, lambda: where(path), kind)

    def look(self, path: str) -> None:
        begun = time.monotonic()
        page = self.get(path)
        if page is None:
            return
        own = checks.mark(self.name) if self.name else ""
        self.soak.wrong += self.soak.people.wrong(path, page.text, own)
        if page.status == 200:
            self.soak.wrong += checks.cut(path, page.body)
            self.soak.freshness.seen(page.text, begun)

    def look_at_file(self, name: str) -> None:
        path = f"/{name}/@@download/file"
        page = self.get(path)
        if page is not None and page.status == 200:
            self.soak.wrong += checks.cut(path, page.body, name)


def marks_in(folder: Path) -> set[str]:
    """Return the marks and editions that a database and its blobs hold."""
    # What follows in a pickle may be a letter.
    editions = f"Edition \\d+ of (?:{'|'.join(PAGES)})".encode()
    with (
        (folder / "filestorage/Data.fs").open("rb") as stream,
        mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data,
    ):
        found = {one.decode() for one in checks.MARK.findall(data)}
        found |= {one.decode() for one in re.findall(editions, data)}
    for one in folder.rglob("*.blob"):
        found |= {each.decode() for each in checks.MARK.findall(one.read_bytes()[:64])}
    return found
