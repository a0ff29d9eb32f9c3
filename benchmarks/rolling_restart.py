"""A rolling restart beside the script with fixed sleeps that others ship.

Sixteen visitors ask without a pause for pages that are cached or not, and send forms.
``bin/stack restart`` restarts both clients; then each is stopped, 20 seconds are slept,
it is started and 30 seconds are slept. The unavoidable part is what a client needs by
itself, without visitors, from its end to its first page. Needs the daemons and Plone;
run as an ordinary user.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from collective.recipe.productionstack.daemons.supervisor.control import Supervisor
from tests.support import plonesite
from tests.support import ports
from tests.support.crowd import Crowd
from tests.support.crowd import crowd
from tests.support.plonesite import PloneSite

CLIENTS = ("instance1", "instance2")
CONNECTIONS = 16
ROUNDS = 3
STOPPED, STARTED = 20, 30


def daemon(site: PloneSite) -> Supervisor:
    """Return the stack's supervisord."""
    return Supervisor(str(site.folder / "var/stack/supervisor.sock"))


def stop(site: PloneSite, name: str) -> None:
    """Stop a client gracefully; nobody was told."""
    daemon(site).stop(name)
    gone = {"STOPPED"}
    site.wait(
        lambda: daemon(site).infos()[name].state in gone, 60, f"the end of {name}"
    )


def own_start(site: PloneSite, name: str) -> float:
    """Return the seconds that a client needs by itself to start and show a page."""
    port = site.base + 11 + CLIENTS.index(name)

    def shows() -> bool:
        try:
            return site.get("/Plone", port=port).status == 200
        except OSError:
            return False

    stop(site, name)
    daemon(site).start(name)
    return site.wait(shows, 120, f"{name} alone")


def ours(site: PloneSite) -> None:
    """Restart both as the verb does it."""
    site.stack("restart").good()


def fixed_sleeps(site: PloneSite) -> None:
    """Restart both as the script does it."""
    for name in CLIENTS:
        stop(site, name)
        time.sleep(STOPPED)
        daemon(site).start(name)
        time.sleep(STARTED)


def under_load(
    site: PloneSite, restart: Callable[[PloneSite], None]
) -> tuple[float, Crowd]:
    """Return the seconds per client and what the visitors saw."""
    site.wait(site.is_well, 90, "the site before")
    time.sleep(5)
    with crowd(site, CONNECTIONS) as visitors:
        time.sleep(2)
        begun = time.monotonic()
        restart(site)
        taken = time.monotonic() - begun
        time.sleep(2)
    return taken / len(CLIENTS), visitors


def main() -> int:
    """Build a buildout, start it, measure, end it."""
    site = PloneSite(plonesite.new_folder(), ports.take()[0])
    try:
        site.bootstrap()
        site.buildout().good()
        site.stack("up").good()
        site.create().good()
        site.stack("plone-caching").good()
        alone = statistics.median(own_start(site, CLIENTS[0]) for _ in range(ROUNDS))
        rounds = [under_load(site, ours) for _ in range(ROUNDS)]
        theirs, visitors = under_load(site, fixed_sleeps)
    finally:
        site.end()
    seconds = statistics.median(taken for taken, _ in rounds)
    lost = sum(len(seen.bad) + len(seen.lost_forms) for _, seen in rounds)
    good = sum(seen.good for _, seen in rounds)
    missed = len(visitors.bad) + len(visitors.lost_forms)
    print(
        f"| rolling restart, {CONNECTIONS} busy visitors: `bin/stack restart` | "
        f"{seconds:.0f} s a client, {lost} of {good + lost} requests lost; "
        f"a client alone starts in {alone:.0f} s |\n"
        f"| the same with fixed sleeps (stop, {STOPPED} s, start, {STARTED} s) | "
        f"{theirs:.0f} s a client, {missed} of {visitors.good + missed} requests lost |"
    )
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
