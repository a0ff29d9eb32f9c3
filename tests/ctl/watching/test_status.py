"""``status``: right, quick, and readable by machines."""

from __future__ import annotations

import dataclasses
import os
import re
import signal
import time

import pytest

from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.ctl.watching import sites
from collective.recipe.productionstack.ctl.watching import troubles
from collective.recipe.productionstack.ctl.watching.watchdog import Watchdog
from tests.support.bench import HOST
from tests.support.bench import Bench


def test_never_started(bench: Bench) -> None:
    result = bench.run("status")
    assert (result.status, result.output) == (1, "not running: bin/stack up\n")
    assert bench.status()["configuration"]["applied"] is None


def test_the_shape_of_the_json(bench: Bench) -> None:
    bench.up()
    values = bench.status()
    digest = bench.tree().digest
    assert list(values) == ["ok", "configuration", "programs", "jobs", "sites"]
    assert values["ok"] is True
    assert values["configuration"] == {"applied": digest, "current": digest}
    assert values["jobs"] == [
        {"name": "pack", "age": None, "limit": 734400, "ok": True}
    ]
    for one in values["programs"]:
        assert list(one) == [
            *("name", "state", "pid", "uptime", "address", "health", "memory"),
            *("standby", "drained"),
        ]
    states = {one["name"]: one["state"] for one in values["programs"]}
    assert states == {
        "zeo": "RUNNING",
        "one": "RUNNING",
        "two": "RUNNING",
        "debugger": "STOPPED",
    }


def test_people_get_a_table_of_80_columns(bench: Bench) -> None:
    bench.up()
    result = bench.run("status")
    assert result.ok
    assert "\x1b" not in result.output
    table, _, rest = result.output.partition(f"\n\n{HOST}: ok\n")
    lines = table.splitlines()
    # As a request goes: clients, then what they ask.
    names = [line.split()[0] for line in lines if line]
    assert names == ["program", "one", "two", "debugger", "zeo"]
    assert all(len(line.rstrip()) <= 80 for line in lines)
    assert rest.startswith("\nconfiguration: ")


def test_a_pipe_gets_whole_names_and_pids(bench: Bench) -> None:
    long = "a-client-whose-name-is-much-longer-than-fourteen-letters-and-more"
    zeo, one, *others = bench.stack.announced.programs
    bench.programs = (zeo, dataclasses.replace(one, name=long), *others)
    bench.generate()
    bench.up()
    line = next(
        line for line in bench.run("status").output.splitlines() if "a-client" in line
    )
    name, state, pid, *_ = line.split()
    assert (name, state, int(pid)) == (long, "running", bench.pid(long))
    assert "…" not in line
    assert line.split()[-3] == "ok"


@pytest.mark.alone
def test_a_hanging_program_is_seen_within_a_second(bench: Bench) -> None:
    bench.up()
    pid = bench.pid("two")
    os.kill(pid, signal.SIGSTOP)
    begun = time.monotonic()
    result = bench.run("status")
    taken = time.monotonic() - begun
    os.kill(pid, signal.SIGCONT)
    assert result.status == 1
    assert "no answer in 0.5 s" in result.output
    assert taken < 1.3


@pytest.mark.alone
def test_a_hanging_supervisord_is_seen_within_a_second(bench: Bench) -> None:
    bench.up()
    pid = bench.survey().supervisor
    os.kill(pid, signal.SIGSTOP)
    begun = time.monotonic()
    result = bench.run("status")
    taken = time.monotonic() - begun
    os.kill(pid, signal.SIGCONT)
    assert result.status == 1
    assert "supervisord hangs" in result.output
    assert taken < 1.5


def test_a_changed_file_of_a_client_is_named_until_it_is_restarted(
    bench: Bench,
) -> None:
    bench.up()
    conf = bench.folder / "parts" / "one.conf"
    conf.write_text("changed")
    result = bench.run("status")
    assert f"one has not taken in {conf}" in result.output
    # supervisor starting it again by itself is a restart like any other.
    time.sleep(0.2)
    os.kill(bench.pid("one"), signal.SIGKILL)
    bench.wait_ok()
    assert "has not taken in" not in bench.run("status").output


def test_a_site_that_is_not_there_is_red(bench: Bench) -> None:
    bench.up()
    assert bench.status()["sites"] == [
        {"host": "www.example.com", "path": "/Plone", "answer": "ok"}
    ]
    assert bench.run("status").ok
    (bench.folder / "var/stack/status").write_text("404")
    result = bench.run("status")
    assert result.status == 1
    why = "there is no /Plone in the database"
    assert f"www.example.com: {why}" in result.output
    assert bench.status()["sites"][0]["answer"] == why
    shown = bench.run("status", "--metrics").output
    assert 'site_up{stack="stack",host="www.example.com"} 0' in shown
    (bench.folder / "var/stack/status").write_text("500")
    assert "www.example.com: status 500" in bench.run("status").output


def test_a_site_that_is_not_there_is_told_at_the_second_look(bench: Bench) -> None:
    bench.up()
    watchdog = Watchdog(Control(bench.folder, bench.name))
    (bench.folder / "var/stack/status").write_text("404")
    watchdog.turn(100.0)
    assert watchdog.open == {}
    watchdog.turn(200.0)
    assert list(watchdog.open) == ["www.example.com site"]
    (bench.folder / "var/stack/status").unlink()
    watchdog.turn(300.0)
    assert watchdog.open == {}


def test_a_drained_client_is_shown_everywhere(chain: Bench) -> None:
    chain.up()
    line = 'client_drained{{stack="stack",client="two"}} {}'
    assert line.format(0) in chain.run("status", "--metrics").output
    assert chain.run("drain", "two").ok
    result = chain.run("status")
    assert re.search(r"(?m)^two +drained ", result.output)
    assert "two: drained, no visitors: bin/stack ready two" in result.output
    values = chain.status()
    assert values["drained"] == ["two"]
    drained = {one["name"]: one["drained"] for one in values["programs"]}
    assert (drained["one"], drained["two"]) == (False, True)
    assert line.format(1) in chain.run("status", "--metrics").output


def test_who_is_on_standby_is_marked_in_the_metrics(bench: Bench) -> None:
    bench.up()
    lines = bench.run("status", "--metrics").output.splitlines()
    up = [one for one in lines if one.startswith("productionstack_program_up{")]
    down = [one for one in up if one.endswith(" 0")]
    assert len(down) == 1
    assert 'program="debugger",standby="true"' in down[0]
    assert all('standby="false"' in one for one in up if one not in down)


def test_what_the_watchdog_said_of_a_site_is_not_told_after_it(bench: Bench) -> None:
    bench.up()
    other = {"disk": "the disk is nearly full"}
    found = sites.troubles(dict.fromkeys(bench.stack.sites, "no answer"))
    troubles.save(bench.stack, {**found, **other})
    said = bench.run("status").output
    assert "www.example.com: " in said
    assert "gives no page" not in said
    assert "watchdog: the disk is nearly full" in said
