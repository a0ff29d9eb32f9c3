"""What a download of 1 GB costs, with ``xsendfile`` and without, on real Plone.

Both in one run, by turns: seconds of a core for each hop and GB, the time until it is
there, and how long a thread of Zope was occupied by a request at most. One client, one
reader over plain HTTP on the loopback, who throws away what he gets; a file that
everybody may have and one that only who has logged in may. Prints rows of a Markdown
table; ends with 1 where a thread was held for longer than was promised. Needs
Plone, the daemons and 3 GB of disk; run as an ordinary user:
python benchmarks/large_file.py [MEGABYTES]
"""

from __future__ import annotations

import http.client
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import _load
from tests.support import plonesite
from tests.support import ports
from tests.support.plonesite import HOST
from tests.support.plonesite import Editor
from tests.support.plonesite import PloneSite

PROMISED_MS = 100
MEGABYTE = 1024**2
ROUNDS = 3
HOPS = ("nginx", "varnish", "haproxy", "instance1")
PATH = "/{}/@@download/file/large.bin"
ADD_ON = Path(sys.prefix, "xsendfile")

MAKE = """
import sys, transaction
from plone.dexterity.utils import createContentInContainer
from plone.namedfile.file import NamedBlobFile
from zope.component.hooks import setSite
site = app["Plone"]
setSite(site)
make = lambda *words, **values: createContentInContainer(
    *words, checkConstraints=False, **values)
closed = make(site, "Folder", id="closed", title="closed")
for folder in (site, closed):
    name = "large" if folder is site else "secret"
    file = NamedBlobFile(data=b"", filename="large.bin")
    with file._blob.open("w") as stream:
        for number in range(int(sys.argv[-1])):
            stream.write(bytes([number % 251]) * 1024**2)
    make(folder, "File", id=name, title=name, file=file)
transaction.commit()
"""

TIMED = """
import os, time
from waitress.channel import HTTPChannel
service = HTTPChannel.service
def timed(self):
    path = self.requests[0].path if self.requests else ""
    begun = time.monotonic()
    try:
        return service(self)
    finally:
        with open(os.environ["TIMED"], "a") as stream:
            stream.write(f"{time.monotonic() - begun:.6f} {path}\\n")
HTTPChannel.service = timed
"""
"""A package in Zope's process: a thread of the server is in ``service`` all the time
that a request occupies it (``waitress.task.ThreadedTaskDispatcher``)."""


@dataclass
class Cost:
    """One download: seconds in all, of a core by hop, and of a thread at most."""

    seconds: float
    hops: dict[str, float]
    thread: float


@contextmanager
def site_with(megabytes: int) -> Iterator[PloneSite]:
    """Run a Plone with one client and two files."""
    site = PloneSite(plonesite.new_folder(), ports.take()[0], clients=1)
    try:
        package = site.folder / "timed" / "timedthreads"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text(TIMED)
        (package / "configure.zcml").write_text(
            '<configure xmlns="http://namespaces.zope.org/zope"/>\n'
        )
        site.bootstrap()
        configure(site, "off")
        site.buildout().good()
        site.stack("up").good()
        site.create().good()
        site.stack("plone-caching").good()
        (site.folder / "make.py").write_text(MAKE)
        site.run("bin/instance", "run", "make.py", str(megabytes), timeout=900).good()
        yield site
    finally:
        site.end()


def configure(site: PloneSite, sends: str) -> None:
    """Write the buildout with ``xsendfile`` on or off."""
    site.configure(
        stack=f"xsendfile = {sends}",
        instance=f"extra-paths = {ADD_ON}\n    {site.folder}/timed\n"
        f"zcml = timedthreads\nenvironment-vars =\n    TIMED {site.folder}/timed.log",
    )


def switch(site: PloneSite, sends: str) -> None:
    """Let it run so."""
    configure(site, sends)
    site.buildout().good()
    site.stack("down").good()
    site.stack("up").good()
    site.wait(site.serves, 60, "a page")


def download(site: PloneSite, path: str, cookies: str, size: int) -> Cost:
    """Fetch a file once and throw it away."""
    pids = {name: pid for name, pid in site.pids().items() if name in HOPS}
    log = site.folder / "timed.log"
    log.write_text("")
    before = {hop: _load.cpu_seconds_below(pid) for hop, pid in pids.items()}
    begun = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", site.base, timeout=600)
    headers = {"Host": f"{HOST}:{site.base}"}
    if cookies:
        headers["Cookie"] = cookies
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    assert answer.status == 200, (answer.status, answer.read()[:500])
    room, got = bytearray(MEGABYTE), 0
    while count := answer.readinto(room):
        got += count
    connection.close()
    assert got == size, got
    seconds = time.monotonic() - begun
    used = {
        hop: _load.cpu_seconds_below(pid) - before[hop] for hop, pid in pids.items()
    }
    held = [
        float(line.split()[0])
        for line in log.read_text().splitlines()
        if "@@download" in line
    ]
    # What everybody may have can come from the cache, the other only from Zope.
    assert held or not cookies, "no thread was timed"
    return Cost(seconds, used, max(held, default=0.0))


def logged_in(site: PloneSite) -> str:
    """Return the cookies of an editor."""
    name, password = "edith", "Another-Word-9"
    roles = ["Contributor", "Editor", "Reviewer", "Member"]
    account = {"username": name, "email": "e@example.com", "password": password}
    made = site.api("POST", "/@users", {**account, "roles": roles})
    assert made.status in {201, 400}, made.text  # 400: he is there already
    cookies = Editor(site, name, password).cookies
    return "; ".join(f"{one}={value}" for one, value in cookies.items())


def rows(site: PloneSite, size: int) -> Iterator[float]:
    """Print a row for each way and file; yield how long a thread was held."""
    gigabytes = size / 1024**3
    for sends in ("off", "on"):
        switch(site, sends)
        cookies = logged_in(site)
        for name, secret in (("large", ""), ("closed/secret", cookies)):
            path = PATH.format(name)
            every = [download(site, path, secret, size) for _ in range(ROUNDS)]
            hops = {
                hop: statistics.median(one.hops[hop] for one in every) / gigabytes
                for hop in HOPS
            }
            shown = ", ".join(f"{hop} {used:.2f}" for hop, used in hops.items())
            seconds = statistics.median(one.seconds for one in every) / gigabytes
            held = max(one.thread for one in every)
            print(
                f"| xsendfile = {sends}, {'of one' if secret else 'for all'} | {shown} "
                f"s of a core a GB | {seconds:.1f} s a GB "
                f"| a thread held for {held * 1000:.0f} ms (promised: {PROMISED_MS}) |",
                flush=True,
            )
            yield held


def main() -> int:
    """Measure both ways, one after the other."""
    megabytes = int(sys.argv[1]) if len(sys.argv) > 1 else 1024
    with site_with(megabytes) as site:
        longest = max(rows(site, megabytes * MEGABYTE))
    return 0 if longest * 1000 <= PROMISED_MS else 1


if __name__ == "__main__":
    sys.exit(main())
