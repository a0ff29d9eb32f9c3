"""``check``, ``diff``, ``reload`` and ``rollback`` with real daemons."""

from __future__ import annotations

import dataclasses
import http.client
import json
import threading
import time

import pytest

from collective.recipe.productionstack.model.address import Address
from collective.recipe.productionstack.model.announced import Check
from collective.recipe.productionstack.model.stack import Watching
from tests.support import samples
from tests.support.bench import Bench


def headers(bench: Bench) -> dict[str, str]:
    one = http.client.HTTPConnection("127.0.0.1", bench.ports[0], timeout=5)
    one.request("GET", "/", headers={"Host": "www.example.com", "Connection": "close"})
    found = one.getresponse().headers
    one.close()
    return {name: found.get(name, "") for name in ("X-Text", "X-Vcl", "X-Nginx")}


def all_of(text: str) -> dict[str, str]:
    return {"X-Text": text, "X-Vcl": text, "X-Nginx": text}


def settled(bench: Bench, text: str) -> bool:
    """Old workers may still answer for a moment after a reload."""
    deadline = time.monotonic() + 5
    while headers(bench) != all_of(text):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def test_reload_changes_every_daemon_without_a_failed_request(chain: Bench) -> None:
    chain.up()
    assert headers(chain) == all_of("one")
    pids = {name: chain.pid(name) for name in ("haproxy", "varnish", "nginx", "one")}
    failures: list[object] = []
    number = 0
    done = threading.Event()

    def ask() -> None:
        nonlocal number
        while not done.is_set():
            try:
                status = chain.get("/?sleep=0.05")[0]
                number += 1
                if status != 200:
                    failures.append(status)
            except OSError as error:
                failures.append(error)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for text in ("two", "three"):
        chain.generate(text)
        assert chain.run("diff").status == 1
        result = chain.run("reload")
        assert result.ok, result.text
        assert "haproxy, varnish, nginx took" in result.output
        assert settled(chain, text)
    done.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert number > 20
    assert chain.run("diff").status == 0
    assert {name: chain.pid(name) for name in pids} == pids
    assert "no running daemon had anything" in chain.run("reload").output


def test_up_does_not_switch_silently(chain: Bench) -> None:
    chain.up()
    chain.generate("two")
    assert "run bin/stack reload" in chain.up().errors
    assert headers(chain) == all_of("one")


def test_a_daemon_that_refuses_at_the_last_moment_changes_nothing(chain: Bench) -> None:
    chain.up()
    old = chain.trees.applied()
    chain.broken = "    nonsense here"
    chain.generate("two")
    result = chain.run("reload")
    assert result.status == 1
    assert "old configuration is applied again" in result.errors
    assert chain.trees.applied() == old
    assert chain.trees.current() != old
    assert headers(chain) == all_of("one")
    chain.broken = ""
    chain.generate("three")
    assert chain.run("reload").ok
    assert settled(chain, "three")


def test_what_needs_a_restart_is_named_until_it_is_done(bench: Bench) -> None:
    bench.up()
    (bench.folder / "parts" / "one.conf").write_text("changed")
    for _ in range(2):
        result = bench.run("reload")
        assert result.status == 1
        assert "one must be restarted" in result.errors
        assert ": bin/stack restart one" in result.errors
    assert bench.run("down").ok
    bench.up()
    assert bench.run("reload").ok


def test_a_changed_definition_is_used_at_the_next_start(bench: Bench) -> None:
    bench.up()
    programs = bench.stack.announced.programs
    changed = dataclasses.replace(programs[0], stop_seconds=3)
    bench.programs = (changed, *programs[1:])
    bench.generate()
    result = bench.run("reload")
    assert result.status == 1
    assert "zeo must be restarted (its definition changed)" in result.errors
    assert "its definition changed" in bench.run("status").output


def test_new_and_removed_programs_are_named_and_up_does_the_rest(bench: Bench) -> None:
    bench.up()
    programs = bench.stack.announced.programs
    third = dataclasses.replace(programs[3], name="third", standby=False)
    bench.programs = (*programs[:2], third)
    bench.generate()
    result = bench.run("reload")
    assert result.status == 1
    assert "third is new: bin/stack up starts it" in result.errors
    assert "two is no longer part of the stack but runs" in result.errors
    bench.up()
    assert bench.states() == {"zeo": "RUNNING", "one": "RUNNING", "third": "RUNNING"}
    assert "two" not in bench.survey().roots
    assert bench.run("reload").ok


def test_a_new_program_takes_the_address_of_one_that_goes(bench: Bench) -> None:
    bench.up()
    zeo, one, two, *_ = bench.stack.announced.programs
    bench.programs = (zeo, one, dataclasses.replace(two, name="other"))
    bench.generate()
    assert "other is new: bin/stack up starts it" in bench.run("reload").errors
    bench.up()
    assert bench.states() == {"zeo": "RUNNING", "one": "RUNNING", "other": "RUNNING"}


def test_check_refuses_and_nothing_changes(chain: Bench) -> None:
    from collective.recipe.productionstack.tree.trees import File
    from collective.recipe.productionstack.tree.trees import Tree

    chain.up()
    before = chain.trees.applied()
    check = Check(
        service="haproxy",
        daemon="haproxy",
        minimum=(2, 0),
        version_argument="-v",
        command=("haproxy", "-c", "-f", "{tree}/haproxy/haproxy.cfg"),
    )
    missing = dataclasses.replace(check, service="other", daemon="no-such-daemon")
    stack = samples.changed(chain.stack, checks=(check, missing))
    chain.broken = "    nonsense here"
    files = [one for one in chain.tree().files if one.path != "stack.json"]
    chain.trees.install(Tree((*files, File("stack.json", stack.to_json()))))
    verdict = chain.run("check")
    assert verdict.status == 1
    assert "nonsense" in verdict.errors
    assert "no-such-daemon is not installed" in verdict.errors
    result = chain.run("reload")
    assert result.status == 1
    assert "nothing was changed" in result.errors
    assert "nonsense" in result.errors
    assert chain.trees.applied() == before


@pytest.mark.parametrize(
    ("address", "said"),
    [
        (
            Address("no-such-host.invalid", 8099),
            "no-such-host.invalid does not resolve",
        ),
        (Address("192.0.2.1", 8099), "192.0.2.1 is no address of this machine"),
        (Address("127.0.0.1", 80), "only root may listen on ports below 1024"),
        (Address("localhost", 8099), ""),
        (Address("0.0.0.0", 8099), ""),
        (Address("::1", 8099), ""),
    ],
)
def test_check_names_addresses_that_cannot_be_had(
    bench: Bench, address: Address, said: str
) -> None:
    zeo, *others = bench.stack.announced.programs
    bench.programs = (dataclasses.replace(zeo, listens=(address,)), *others)
    bench.generate()
    result = bench.run("check")
    assert result.status == bool(said), result.text
    assert said in result.errors


def test_nothing_to_reload_when_nothing_runs(bench: Bench) -> None:
    result = bench.run("reload")
    assert result.status == 1
    assert "Run bin/stack up" in result.errors


def test_rollback_toggles(chain: Bench) -> None:
    first = chain.run("rollback")
    assert first.status == 1
    assert "no previous configuration" in first.errors
    chain.up()
    chain.generate("two")
    assert chain.run("reload").ok
    for text in ("one", "two"):
        result = chain.run("rollback")
        assert result.ok, result.text
        assert "next bin/buildout writes its own again" in result.output
        assert settled(chain, text)


def test_diff_shows_files_of_daemons_and_names_its_own(bench: Bench) -> None:
    bench.up()
    bench.watching = Watching(memory_limit=1)
    bench.generate()
    result = bench.run("diff")
    assert result.status == 1
    assert "memory_limit" not in result.output
    assert "stack.json, which is for" in result.output
    assert "memory_limit" in bench.run("diff", "--all").output


def test_diff_is_readable_by_machines(bench: Bench) -> None:
    result = bench.run("diff", "--json")
    values = json.loads(result.output)
    assert result.status == 1
    assert values["differs"] is True
    assert "stack.json" in values["files"]
    bench.up()
    result = bench.run("diff", "--json")
    assert (result.status, json.loads(result.output)) == (
        0,
        {"differs": False, "files": [], "diff": []},
    )
