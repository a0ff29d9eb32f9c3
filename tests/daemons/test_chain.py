"""All tiers together: nginx, Varnish and HAProxy around the clients."""

from __future__ import annotations

import concurrent.futures
import os
import re
import signal
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Iterator
from pathlib import Path

import pytest
import supervisor.xmlrpc

from collective.recipe.productionstack.daemons.haproxy.control import Haproxy
from collective.recipe.productionstack.tree import check
from tests.daemons import stage
from tests.daemons.stage import CACHED
from tests.daemons.stage import FRESH
from tests.daemons.stage import HTML
from tests.daemons.stage import PRIVATE
from tests.daemons.stage import Answer
from tests.daemons.stage import Stage

pytestmark = pytest.mark.usefixtures("daemons")

NUMBERS = iter(range(10**6))
ODD = "it's a büildout, mit 100 Wörtern (ok) & {mehr}; 日本"


@pytest.fixture(scope="module")
def running() -> Iterator[Stage]:
    with Stage() as one:
        yield one.start()


@pytest.fixture
def chain(running: Stage) -> Stage:
    """Give the whole chain with clients that remember nothing."""
    running.plone.forget()
    return running


def test_the_second_visitor_is_served_by_the_cache(chain: Stage, page: str) -> None:
    assert [chain.get(page).result for _ in range(3)] == ["MISS", "HIT", "HIT"]
    assert len(chain.plone.seen) == 1


def test_only_who_is_near_and_not_forwarded_sees_that(chain: Stage, page: str) -> None:
    assert chain.get(page, ("X-Forwarded-For", "9.9.9.9")).result is None


@pytest.mark.proves("G8")
def test_the_client_sees_the_visitors_address_as_nginx_saw_it(
    chain: Stage, page: str
) -> None:
    chain.get(page, ("X-Forwarded-For", "9.9.9.9, 8.8.8.8"), ("X-Real-IP", "7.7.7.7"))

    (seen,) = chain.plone.seen
    assert seen.headers.get_all("X-Forwarded-For") == ["127.0.0.1"]
    assert (seen["X-Real-IP"], seen["Host"]) == ("127.0.0.1", "www.example.com")


def test_what_stands_for_a_file_is_never_shown(chain: Stage, page: str) -> None:
    """A client that still, or already, names files while nginx sends none."""
    named = ("X-Accel-Redirect", "/.plone-blobs/0x00/0x1.blob")
    chain.plone.answers[page] = Answer((CACHED, HTML, named), body=b"proxy missing?")
    for _ in range(2):
        reply = chain.get(page)
        assert reply.status == 503
        assert b"missing" not in reply.body


def test_connections_between_the_tiers_are_used_again(chain: Stage, page: str) -> None:
    def accepted() -> int:
        said = chain.varnishadm("backend.list")
        assert said.ok
        counted = subprocess.run(
            ("varnishstat", "-1", "-n", f"{chain.stack.folders.var}/varnish"),
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        found = re.search(r"MAIN\.sess_conn\s+(\d+)", counted)
        assert found
        return int(found[1])

    time.sleep(1.1)
    before = accepted()
    for number in range(50):
        chain.get(f"{page}-{number % 5}")
    time.sleep(1.1)

    assert accepted() - before <= 4
    assert len({seen.connection for seen in chain.plone.seen}) <= 4


def test_an_edit_empties_the_cache_for_every_visitor(chain: Stage, page: str) -> None:
    for host in ("two.example.com", "zwei.example.com"):
        chain.get(page, ("Host", host), FRESH)
        assert chain.get(page, ("Host", host), FRESH).result == "HIT"
    chain.get(page)
    target = f"/VirtualHostBase/http/two.example.com/Site2/VirtualHostRoot{page}"

    assert chain.purge(target).status == 200

    assert chain.get(page, ("Host", "zwei.example.com"), FRESH).result == "MISS"
    assert chain.get(page, ("Host", "two.example.com"), FRESH).result == "HIT"
    assert chain.get(page).result == "HIT"


def test_a_session_goes_all_the_way(chain: Stage, page: str) -> None:
    session = ("Cookie", "__ac=secret; other=1")
    chain.plone.default = Answer((CACHED, HTML), body=b"for me")
    assert [chain.get(page, session).result for _ in range(2)] == ["PASS", "PASS"]
    chain.plone.default = Answer((CACHED, HTML), body=b"for all")
    assert chain.get(page).body == b"for all"
    assert chain.plone.seen[0]["Cookie"] == session[1]


def test_uploads_and_large_requests_reach_the_client(chain: Stage, page: str) -> None:
    cookie = ("Cookie", "__ac=" + "x" * 8000)
    body = os.urandom(2_500_000)

    assert chain.get(f"{page}?{'q' * 8000}", cookie).status == 200
    assert chain.get(page, cookie, method="POST", body=body).status == 200
    assert chain.plone.seen[1].body == body
    many = tuple((f"X-Header-{number}", "x") for number in range(80))
    assert chain.get(page, *many).status == 200


def test_an_application_error_is_shown_and_not_kept(chain: Stage, page: str) -> None:
    chain.plone.default = Answer((CACHED, HTML), 500, b"Plone's own words")
    reply = chain.get(page)
    assert (reply.status, reply.body) == (500, b"Plone's own words")
    chain.plone.default = Answer((PRIVATE, HTML))
    assert chain.get(page).status == 200


def test_all_down_and_back(chain: Stage, page: str) -> None:
    chain.get(page)
    ports = {name: chain.plone.stop(name) for name in list(chain.plone.servers)}
    stage.until(lambda: chain.up() == 0, 8)
    try:
        assert chain.get(page).result == "HIT"
        reply = chain.get(f"{page}-cold")
    finally:
        for name, port in ports.items():
            chain.plone.start(name, port)
    assert (reply.status, reply["Retry-After"]) == (503, "10")
    assert b"Please try again" in reply.body
    stage.until(lambda: chain.up() == 2, 8)
    stage.until(lambda: chain.get(f"{page}-cold").status == 200, 8)


def test_a_burst_of_cold_pages_is_served(chain: Stage, page: str) -> None:
    """A crawler, or the first visitors after a restart: late is better than 503."""
    chain.plone.default = Answer(wait=0.1)
    paths = iter(f"{page}-{number}" for number in range(150))

    replies = stage.at_once(150, lambda: chain.get(next(paths)))

    assert stage.statuses(replies) == {200: 150}


def test_everything_reloads_under_load_without_a_failed_request(
    chain: Stage, page: str
) -> None:
    def visit() -> stage.Reply:
        return chain.get(f"{page}-{next(NUMBERS) % 50}", ("Cookie", "__ac=x"))

    with stage.load(8, visit) as replies:
        for number in range(2):
            chain.install([("slowstart 5s", f"slowstart {number + 6}s")])
            assert chain.varnishadm("vcl.load", f"x{number}", "default.vcl").ok
            assert chain.varnishadm("vcl.use", f"x{number}").ok
            os.kill(chain.running["haproxy"].pid, signal.SIGUSR2)
            pid = Path(chain.stack.folders.var, "nginx.pid").read_text()
            os.kill(int(pid), signal.SIGHUP)
            time.sleep(1)

    told = [line for line in chain.said("haproxy").splitlines() if " 503 " in line]
    assert stage.statuses(replies) == {200: len(replies)}, told
    assert len(replies) > 50


def test_no_form_is_lost_while_haproxy_reloads(chain: Stage) -> None:
    """Varnish sends none again over another connection, so none may close under it."""

    def post() -> stage.Reply:
        time.sleep(0.001 * (next(NUMBERS) % 20))
        return chain.get("/form", method="POST", body=b"x=y")

    with stage.load(6, post) as replies:
        for _ in range(12):
            chain.reload_balancer()

    assert stage.statuses(replies) == {200: len(replies)}
    assert len(replies) > 100
    assert len(chain.plone.seen) == len(replies)


def test_no_client_is_idle_while_a_worker_from_before_a_reload_serves(
    chain: Stage, page: str
) -> None:
    """What the new worker counts is not all: restart would cut the rest off."""
    chain.plone.answers[page] = Answer(wait=3)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        form = pool.submit(lambda: chain.get(page, method="POST", body=b"x=y"))
        stage.until(lambda: len(chain.plone.seen) == 1)
        chain.reload_balancer()
        haproxy = Haproxy(chain.stack, 2)
        names = {client.name for client in chain.stack.zope.clients}
        assert [one.requests for one in haproxy.servers().values()] == [0] * len(names)
        assert not haproxy.wait_idle(names, 0.5)
        assert "worker from before the last reload" in haproxy.busy(names)
        assert not form.done()
        # Varnish closes what nobody uses after ten seconds.
        assert haproxy.wait_idle(names, 25)
        assert form.result().status == 200
        assert haproxy.busy({"instance1"}) == "instance1 still had requests"


def test_no_client_is_idle_for_a_haproxy_that_cannot_be_asked(
    chain: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It answered what it serves, and hung before it said which worker it is."""
    haproxy = Haproxy(chain.stack, 2)
    monkeypatch.setattr(haproxy, "worker", lambda: 0)
    assert not haproxy.wait_idle({"instance1"}, 0.2)


@pytest.mark.alone
def test_checking_touches_nothing_real_while_everything_runs(chain: Stage) -> None:
    def look() -> dict[str, float]:
        top = Path(chain.stack.folders.buildout)
        passing = re.compile("varnish/_|/nginx-micro/")
        found = (path for path in top.rglob("*") if not passing.search(str(path)))
        return {str(path): path.lstat().st_mtime for path in found if not path.is_dir()}

    before, begin = look(), time.monotonic()
    verdicts = list(check.verdicts(chain.stack, Path(chain.stack.folders.applied)))

    assert {one.service: one.text for one in verdicts if not one.ok} == {}
    assert {one.service for one in verdicts} >= {
        "nginx",
        "varnish",
        "haproxy",
        "logrotate",
    }
    assert time.monotonic() - begin < 4
    assert look() == before


BROKEN = (
    ("nginx", "listen {http};", "listen {http} nonsense;", "[stack] http-address"),
    ("nginx", "server_name www.", "server_nam www.", "[stack] "),
    (
        "varnish",
        '.host = "127.0.0.1";',
        '.hast = "127.0.0.1";',
        "[stack] balancer-address",
    ),
    (
        "haproxy",
        "bind {balancer}",
        "bind {balancer} nonsense",
        "[stack] balancer-address",
    ),
    ("haproxy", "maxconn 3", "maxcon 3", "[instance1] threads"),
    ("logrotate", "rotate 14", "rotat 14", ""),
    ("logrotate", "    nocreate\n}}", "    nocreate\n", ""),
)


@pytest.mark.parametrize(("service", "old", "new", "origin"), BROKEN)
def test_a_broken_file_is_found_and_the_option_behind_the_line_named(
    service: str, old: str, new: str, origin: str
) -> None:
    with Stage() as one:
        values = {"http": one.stack.chain.http, "balancer": one.stack.chain.balancer}
        one.install([(old.format(**values), new.format(**values))])
        found = check.verdicts(one.stack, Path(one.stack.folders.applied))
        refused = {each.service: each.text for each in found if not each.ok}

    assert refused.keys() == {service}
    assert origin in refused[service]
    assert "stack-check-" not in refused[service]


@pytest.mark.parametrize("folder", [ODD, "a b", "x" * 120])
def test_any_folder_that_is_not_refused_works_for_all_daemons(folder: str) -> None:
    with Stage(folder=folder) as one:
        verdicts = check.verdicts(one.stack, Path(one.stack.folders.applied))
        assert {each.service: each.text for each in verdicts if not each.ok} == {}
        one.start()
        assert [one.get("/x").result for _ in range(2)] == ["MISS", "HIT"]
        one.zeo.stop()
        stage.until(lambda: one.up() == 0, 8)


def test_supervisord_reads_any_folder_and_starts_every_daemon() -> None:
    with Stage(folder=ODD) as one:
        conf = f"{one.stack.folders.applied}/supervisor/supervisord.conf"
        daemon = str(Path(sys.executable).with_name("supervisord"))
        one.running["supervisord"] = subprocess.Popen(
            [daemon, "-n", "-c", conf],
            env={"PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"},
            start_new_session=True,
            stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        path = one.stack.socket("supervisor").path
        stage.until(Path(path).exists, 10)
        transport = supervisor.xmlrpc.SupervisorTransport(None, None, f"unix://{path}")
        with xmlrpc.client.ServerProxy("http://127.0.0.1", transport) as server:
            for name in ("haproxy", "varnish", "nginx"):
                assert server.supervisor.startProcess(name) is True
            stage.until(lambda: one.get("/x").result == "HIT", 15)
            assert server.supervisor.stopAllProcesses()
