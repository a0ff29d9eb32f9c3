"""``status``: right, quick, and readable by machines."""

from __future__ import annotations

import os
import signal
import time

import pytest

from tests.support.bench import Bench


def test_never_started(bench: Bench) -> None:
    result = bench.run("status")
    assert (result.status, result.output) == (1, "not running: bin/stack up\n")
    assert bench.status()["configuration"]["applied"] is None


def test_the_shape_of_the_json(bench: Bench) -> None:
    bench.up()
    values = bench.status()
    digest = bench.tree().digest
    assert list(values) == ["ok", "configuration", "programs", "jobs"]
    assert values["ok"] is True
    assert values["configuration"] == {"applied": digest, "current": digest}
    assert values["jobs"] == [
        {"name": "pack", "age": None, "limit": 734400, "ok": True}
    ]
    for one in values["programs"]:
        assert list(one) == [
            *("name", "state", "pid", "uptime", "address", "health", "memory")
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
    assert all(len(line.rstrip()) <= 80 for line in result.output.splitlines())


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
