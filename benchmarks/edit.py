"""Seconds from saving an edit to the first fresh anonymous page, with the real Plone.

A page is warmed, an editor saves its form through the whole chain, and a visitor asks
again and again from the moment that Plone has answered the editor: once in peace, and
once while 64 connections ask for that page without a pause, so that nginx's micro-cache
always has it. Needs the daemons, wrk and Plone; run as an ordinary user.
"""

from __future__ import annotations

import contextlib
import statistics
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.support import plonesite
from tests.support import ports
from tests.support.plonesite import Editor
from tests.support.plonesite import PloneSite

ROUNDS = 10
PROMISED = 2.0
CONNECTIONS = 64


def shows(site: PloneSite, title: str) -> bool:
    """Whether a visitor sees that title."""
    return title in site.get("/paper").text


def measure(site: PloneSite) -> list[float]:
    """Edit a page as often; return what each visitor waited."""
    editor = Editor(site, "admin", plonesite.PASSWORD)
    waited = []
    for number in range(ROUNDS):
        site.get("/paper")
        assert site.get("/paper").cache == "HIT"
        title = f"Title {number} of the page"
        editor.edit("/paper", title)
        waited.append(site.wait(partial(shows, site, title), 10, title))
    return waited


@contextlib.contextmanager
def crowd(site: PloneSite) -> Iterator[None]:
    """Let so many ask for the page without a pause while the block runs."""
    address = f"http://127.0.0.1:{site.base}/paper"
    command = ("wrk", "-t1", f"-c{CONNECTIONS}", "-d600s")
    headers = ("-H", f"Host: {plonesite.HOST}:{site.base}", "-H", "Accept: text/html")
    silent = subprocess.DEVNULL
    with subprocess.Popen((*command, *headers, address), stdout=silent) as running:
        try:
            yield
            assert running.poll() is None, "wrk has ended before the edits"
        finally:
            running.terminate()


def row(what: str, waited: list[float]) -> str:
    """Return a line of the README's table."""
    return (
        f"| from saving an edit to the first fresh page, {what}, {ROUNDS} edits "
        f"| median {statistics.median(waited):.2f} s, longest {max(waited):.2f} s "
        f"(promised: {PROMISED:.0f} s) |"
    )


def main() -> int:
    """Build a buildout, start it, measure, end it."""
    site = PloneSite(plonesite.new_folder(), ports.take()[0])
    try:
        site.bootstrap()
        site.buildout().good()
        site.stack("up").good()
        site.create().good()
        site.stack("plone-caching").good()
        site.make("Document", "paper")
        in_peace = measure(site)
        with crowd(site):
            in_a_crowd = measure(site)
    finally:
        site.end()
    print(row("in peace", in_peace))
    print(row(f"under {CONNECTIONS} connections that ask for it", in_a_crowd))
    return 0 if max(*in_peace, *in_a_crowd) < PROMISED else 1


if __name__ == "__main__":
    sys.exit(main())
