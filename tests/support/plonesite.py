"""A real Plone with the whole stack around it, and a visitor's and an editor's eyes."""

from __future__ import annotations

import base64
import http.client
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import lxml.html

from collective.recipe.productionstack.machine.run import find
from collective.recipe.productionstack.machine.run import run

ROOT = Path(__file__).resolve().parents[2]
HOST = "www.example.com"
ALIAS = "ali.example.com"
TWO = "two.example.com"
SITES = f"{HOST},{ALIAS} /Plone redirect=off\n    {TWO} /Two"
PASSWORD = "Chosen-by-the-test-7"
SMALL_LIMIT = ("prlimit", "--nofile=1024:1024")
DATA = ("filestorage/Data.fs", "blobstorage", "cache")
"""What a copy of the database is made of, in var, with its compiled templates."""

JSON = {"Accept": "application/json", "Content-Type": "application/json"}

CLIENTS = 2

BUILDOUT = """\
[buildout]
extensions = collective.recipe.productionstack
parts = {parts}
eggs = Plone
index = {folder}/no-index

[zeoserver]
recipe = plone.recipe.zeoserver

[instance]
recipe = plone.recipe.zope2instance
user = admin:{password}
eggs = ${{buildout:eggs}}
zeo-client = true
shared-blob = on
http-address = 127.0.0.1:{debug}
{instance}

[stack]
recipe = collective.recipe.productionstack
sites = {sites}
clients = {clients}
port-base = {base}
{exempt}
{stack}
"""


@dataclass(frozen=True)
class Page:
    """An answer."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    @property
    def cache(self) -> str:
        return self.headers.get("X-Cache", "")

    @property
    def is_for_an_editor(self) -> bool:
        """Whether the page shows what only somebody who is logged in sees."""
        return 'id="edit-zone"' in self.text or "/logout" in self.text


@dataclass(frozen=True)
class Timed:
    """A command that has ended, and how long it took."""

    status: int
    output: str
    errors: str
    seconds: float

    @property
    def text(self) -> str:
        return self.output + self.errors

    def good(self) -> Timed:
        assert self.status == 0, self.text
        return self


@dataclass
class PloneSite:
    """One buildout folder, its stack, and ways to look at it."""

    folder: Path
    base: int
    took: dict[str, Timed] = field(default_factory=dict)
    guard: subprocess.Popen[bytes] | None = None
    written: str = ""
    clients: int = CLIENTS

    # -- the buildout

    def configure(
        self,
        parts: str = "zeoserver instance stack",
        sites: str = SITES,
        instance: str = "",
        stack: str = "",
        clients: int = 0,
        exempt: str = "rate-limits-exempt = 127.0.0.1",
    ) -> None:
        """Write buildout.cfg."""
        self.written = BUILDOUT.format(
            folder=self.folder,
            base=self.base,
            debug=self.base + 10,
            password=PASSWORD,
            parts=parts,
            sites=sites,
            instance=instance.format(folder=self.folder, base=self.base),
            stack=stack.format(folder=self.folder),
            clients=clients or self.clients,
            exempt=exempt,
        )
        path = self.folder / "buildout.cfg"
        path.write_text(self.written)
        path.chmod(0o600)

    def buildout(self) -> Timed:
        return self.run("bin/buildout", "-N")

    def bootstrap(self) -> None:
        self.guard = subprocess.Popen(
            (sys.executable, str(ROOT / "tests/support/guard.py"), str(self.folder)),
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        (self.folder / "no-index").mkdir()
        (self.folder / "home").mkdir()
        self.configure()
        program = Path(sys.executable).with_name("buildout")
        self.run(str(program), "-N", "bootstrap").good()

    def run(
        self, *command: str, timeout: float = 300, text: str | None = None
    ) -> Timed:
        """Run a command in the folder as a user would: few files, no odd variables."""
        begun = time.monotonic()
        done = run(
            (*SMALL_LIMIT, *command),
            cwd=self.folder,
            env=self.environment(),
            text=text,
            timeout=timeout,
        )
        taken = time.monotonic() - begun
        return Timed(done.status, done.output, done.errors, taken)

    def environment(self) -> dict[str, str]:
        name = os.environ.get("USER") or str(os.getuid())
        return {
            # A proxy that nobody is at: purges must not be sent there.
            "HTTP_PROXY": "http://127.0.0.1:9",
            "http_proxy": "http://127.0.0.1:9",
            "HOME": str(self.folder / "home"),
            "LANG": "C.UTF-8",
            "LOGNAME": name,
            "PATH": "/usr/bin:/bin",
            "USER": name,
        }

    def stack(self, *arguments: str, timeout: float = 300) -> Timed:
        return self.run("bin/stack", *arguments, timeout=timeout)

    def create(self) -> Timed:
        """Create the sites that the stack serves."""
        return self.stack("create-site", "--title", "A site")

    def keep_data(self, place: Path) -> None:
        """Copy the database while nobody writes to it."""
        fresh = place.with_name(f"{place.name}.new")
        for one in DATA:
            (fresh / one).parent.mkdir(parents=True, exist_ok=True)
            self.run("cp", "-a", f"var/{one}", str(fresh / one)).good()
        fresh.rename(place)

    def take_data(self, place: Path) -> None:
        """Begin with a database that ``keep_data`` has copied."""
        for one in DATA:
            target = self.folder / "var" / one
            shutil.rmtree(target, ignore_errors=True)
            target.unlink(missing_ok=True)
            target.parent.mkdir(parents=True, exist_ok=True)
            self.run("cp", "-a", str(place / one), str(target)).good()

    def settle(self, **values: Any) -> None:
        """See that the stack runs as it did at first, whatever a test has done.

        With other values than at first for what ``configure`` writes.
        """
        before = self.written
        self.clients = values.pop("clients", CLIENTS)
        self.configure(**values)
        if self.written != before or not (self.folder / "bin/stack").exists():
            self.buildout().good()
            if self.stack("reload").status != 0:
                self.stack("down")
        state = self.status()
        if state.get("maintenance"):
            self.stack("maintenance", "off").good()
        if not state["ok"]:
            self.stack("up").good()

    def end(self) -> list[str]:
        """Stop everything; return what had to be killed."""
        if (self.folder / "bin/stack").exists():
            self.stack("down")
        left = list(self.processes().values())
        if self.guard is not None:
            assert self.guard.stdin is not None
            self.guard.stdin.close()
            self.guard.wait(30)
        shutil.rmtree(self.folder, ignore_errors=True)
        return left

    # -- what runs

    def status(self) -> dict[str, Any]:
        shown = self.stack("status", "--json").output
        return dict(json.loads(shown)) if shown.startswith("{") else {"ok": False}

    def pid(self, program: str) -> int:
        return next(
            int(one["pid"] or 0)
            for one in self.status()["programs"]
            if one["name"] == program
        )

    def pids(self) -> dict[str, int]:
        return {one["name"]: one["pid"] or 0 for one in self.status()["programs"]}

    def processes(self) -> dict[int, str]:
        """Return pid and command of whatever works in our folder, zombies left out."""
        found = {}
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == os.getpid():
                continue
            try:
                inside = (entry / "cwd").readlink().is_relative_to(self.folder)
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ")
            except OSError:
                continue
            if inside and command:
                found[int(entry.name)] = command.decode(errors="replace").strip()
        return found

    def kinds(self) -> list[str]:
        """Return what runs, one entry a process, without what differs between lives."""
        # nginx's loader of what it has kept ends by itself.
        every = self.processes().values()
        wanted = (one for one in every if "cache loader process" not in one)
        return sorted(re.sub(r"\d{4,}|\s-s[ft] .*", "N", one) for one in wanted)

    def settled_kinds(self) -> list[str]:
        """Return the same when nothing has begun or ended for a second."""
        seen: list[list[str]] = [[], []]

        def is_settled() -> bool:
            time.sleep(0.5)
            seen.append(self.kinds())
            return seen[-3] == seen[-2] == seen[-1]

        self.wait(is_settled, 30, "processes that come and go")
        return seen[-1]

    def children(self, pid: int) -> list[int]:
        names = (entry.name for entry in Path("/proc").iterdir())
        every = (int(name) for name in names if name.isdigit())
        return sorted(one for one in every if parent(one) == pid)

    def wait(self, done: Callable[[], object], seconds: float, what: str) -> float:
        """Wait until something holds; return the seconds that took."""
        begun = time.monotonic()
        while not done():
            waited = time.monotonic() - begun
            assert waited < seconds, f"{what}: not within {seconds:g} s\n{self.state()}"
            time.sleep(0.1)
        return time.monotonic() - begun

    def errors(self) -> str:
        """Return what the clients have written about errors, the newest last."""
        texts = [
            one.read_text(errors="replace").partition("ERROR")[2]
            for one in sorted(self.folder.glob("var/log/instance*.log"))
            if "access" not in one.name
        ]
        return "\n".join(texts)[-4000:]

    def state(self) -> str:
        lines = "\n".join(
            f"{pid} {text}" for pid, text in sorted(self.processes().items())
        )
        return f"{self.stack('status').text}\n{lines}"

    # -- a visitor

    def get(
        self,
        path: str = "/",
        headers: Mapping[str, str] | None = None,
        *,
        host: str = HOST,
        method: str = "GET",
        body: str | bytes | None = None,
        port: int = 0,
    ) -> Page:
        """Ask nginx (or another port) as a browser does."""
        one = http.client.HTTPConnection("127.0.0.1", port or self.base, timeout=60)
        given = {"Host": f"{host}:{self.base}", "Accept": "text/html,*/*;q=0.8"}
        try:
            one.request(method, path, body, {**given, **(headers or {})})
            answer = one.getresponse()
            return Page(answer.status, answer.headers, answer.read())
        finally:
            one.close()

    def serves(self) -> bool:
        """Whether an uncached page comes from Plone."""
        try:
            path = f"/?{random.random()}"
            return self.get(path).status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False

    def is_well(self) -> bool:
        return self.serves() and bool(self.status()["ok"])

    # -- people with a password

    def api(self, method: str, path: str, values: Any = None) -> Page:
        """Ask the first client's REST API as the administrator, past all caches."""
        secret = base64.b64encode(f"admin:{PASSWORD}".encode()).decode()
        site = path if path.startswith("/Two/") else f"/Plone{path}"
        return self.get(
            site,
            {**JSON, "Authorization": f"Basic {secret}"},
            method=method,
            body=json.dumps(values) if values is not None else None,
            port=self.base + 11,
        )

    def make(self, kind: str, name: str, **values: Any) -> None:
        """Make a page or a file that everybody may see."""
        made = self.api(
            "POST", "/", {"@type": kind, "id": name, "title": name, **values}
        )
        assert made.status == http.HTTPStatus.CREATED, made.text
        if kind != "File":  # files are as public as their folder
            done = self.api("POST", f"/{name}/@workflow/publish", {})
            assert done.status == http.HTTPStatus.OK, done.text
        # Plone purges a moment after it has answered.
        time.sleep(0.5)


class Editor:
    """Somebody who logs in with the form and keeps the cookies, through nginx."""

    def __init__(
        self, site: PloneSite, name: str, password: str, folder: str = ""
    ) -> None:
        self.site = site
        self.cookies: dict[str, str] = {}
        login = f"{folder}/login"
        form = self.form(login, "__ac_name")
        form.fields["__ac_name"] = name
        form.fields["__ac_password"] = password
        answer = self.submit(login, form, "buttons.login")
        assert answer.status in {302, 303}, answer.text
        assert "__ac" in self.cookies, answer.headers

    def ask(
        self,
        path: str,
        headers: Mapping[str, str] | None = None,
        *,
        method: str = "GET",
        body: str | None = None,
    ) -> Page:
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        given = {"Cookie": cookie} if cookie else {}
        page = self.site.get(
            path, {**given, **(headers or {})}, method=method, body=body
        )
        for line in page.headers.get_all("Set-Cookie") or ():
            name, _, value = line.partition(";")[0].partition("=")
            self.cookies[name.strip()] = value.strip()
            if "Max-Age=0" in line or value.strip('"') == "deleted":
                del self.cookies[name.strip()]
        return page

    def form(self, path: str, name: str) -> Any:
        """Return the form of a page that has a field of that name."""
        page = self.ask(path)
        assert page.status == http.HTTPStatus.OK, page.text
        forms = lxml.html.fromstring(page.body).forms
        return next(one for one in forms if name in one.fields)

    def submit(self, path: str, form: Any, button: str) -> Page:
        values = [*form.form_values(), (button, "Submit")]
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        return self.ask(path, kind, method="POST", body=urlencode(values))

    def edit(self, path: str, title: str) -> None:
        """Change a title with the edit form."""
        form = self.form(f"{path}/edit", TITLE)
        form.fields[TITLE] = title
        saved = self.submit(f"{path}/edit", form, "form.buttons.save")
        assert saved.status in {302, 303}, saved.text


TITLE = "form.widgets.IDublinCore.title"


def parent(pid: int) -> int:
    """Return a process's parent; 0 for one that is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return 0 if fields[0] in "ZX" else int(fields[1])


def new_folder() -> Path:
    """Return an empty folder with a short path: sockets are made in it."""
    return Path(tempfile.mkdtemp(prefix="plone-")).resolve()


def missing(programs: Iterable[str]) -> list[str]:
    return [name for name in programs if find(name) is None]
