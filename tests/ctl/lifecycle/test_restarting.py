"""Programs beside the clients: their order, their restart, their end."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.ctl.lifecycle import stopping
from collective.recipe.productionstack.model.address import Address
from collective.recipe.productionstack.model.announced import COMMAND
from collective.recipe.productionstack.model.announced import WORKER
from collective.recipe.productionstack.model.announced import Extras
from collective.recipe.productionstack.model.announced import Health
from collective.recipe.productionstack.model.announced import Program
from tests.support.bench import HERE
from tests.support.bench import Bench

NOWHERE = Health(address=Address(), asked=False)


@pytest.fixture
def more(daemons: None) -> Iterator[Bench]:
    """Give a stack with a search engine before the clients and a worker after them."""
    with Bench(tiers=("haproxy",)) as one:
        address = Address("127.0.0.1", one.ports[8])
        engine = Program(
            name="engine",
            kind=COMMAND,
            command=(sys.executable, str(HERE / "server.py"), "engine", str(address)),
            health=Health(address=address, opens=True),
            listens=(address,),
        )
        worker = Program(
            name="worker",
            kind=WORKER,
            command=(sys.executable, "-c", "'import time; time.sleep(999)'"),
            health=NOWHERE,
            stop_signal="INT",
        )
        one.extras = Extras(before=(engine,), after=(worker,))
        one.generate()
        yield one


def test_an_engine_has_time_to_save_when_the_machine_goes_down(more: Bench) -> None:
    saved = more.folder / "saved"
    script = more.folder / "engine.sh"
    script.write_text(
        f"trap 'sleep 2; echo all > {saved}; exit' TERM\nwhile :; do sleep 0.1; done\n"
    )
    engine = Program(
        name="engine", kind=COMMAND, command=("/bin/sh", str(script)), health=NOWHERE
    )
    more.extras = Extras(before=(engine,))
    more.generate()
    more.up()
    control = Control(more.folder, "stack", quiet=True)
    # So late that the clients may take no more time.
    deadline = time.monotonic() + stopping.INNER_RESERVE + 10
    with control.screen.steps() as steps:
        stopping.everything(control, more.stack, steps, deadline)
    assert saved.read_text() == "all\n"
    assert more.survey().roots == {}


def test_what_is_asked_starts_before_the_clients_and_ends_after_them(
    more: Bench,
) -> None:
    said = more.up().output
    order = [said.index(f"{name} ") for name in ("zeo", "engine", "one", "worker")]
    assert order == sorted(order)
    assert "up: 6 programs answer" in said
    more.wait_ok()

    said = more.run("down").output
    order = [said.index(f"{name} ") for name in ("worker", "one", "engine", "zeo")]
    assert order == sorted(order)


def test_a_program_is_restarted_where_it_is_named(more: Bench) -> None:
    more.up()
    before = {name: more.pid(name) for name in ("engine", "worker", "one", "two")}
    result = more.run("restart", "engine", "worker")
    assert result.ok, result.text
    assert "restart: engine, worker restarted" in result.output
    after = {name: more.pid(name) for name in before}
    assert {name for name in before if before[name] != after[name]} == {
        "engine",
        "worker",
    }
    # Whoever drains one learns what there is instead.
    drained = more.run("drain", "worker")
    assert drained.status == 1
    assert "worker gets no visitors" in drained.errors
    assert "restart worker restarts it" in drained.errors


def test_one_that_does_not_answer_is_no_success(more: Bench) -> None:
    more.up()
    os.kill(more.pid("engine"), signal.SIGSTOP)
    # Its socket still takes connections: what is hung is seen where a page is asked.
    assert more.status()["ok"]
    os.kill(more.pid("engine"), signal.SIGCONT)

    (program,) = more.extras.before
    broken = (sys.executable, "-c", "'raise SystemExit(3)'")
    more.extras = Extras(before=(_with(program, broken),), after=more.extras.after)
    more.generate()
    said = more.run("reload")
    assert said.status == 1
    assert "engine must be restarted" in said.text
    assert "stack restart engine" in said.text
    result = more.run("restart", "engine", "--start-timeout", "20")
    assert result.status == 1
    assert "engine is FATAL" in result.text
    assert not more.status()["ok"]


def test_that_somebody_else_answers_is_no_success(more: Bench) -> None:
    """A client answers where the engine should: that is no engine."""
    more.up()
    (program,) = more.extras.before
    address = more.stack.zope.clients[0].address
    fooled = Program(
        name=program.name,
        kind=program.kind,
        command=(sys.executable, "-c", "'import time; time.sleep(0.5)'"),
        health=Health(address=address, opens=True),
    )
    more.extras = Extras(before=(fooled,), after=more.extras.after)
    more.generate()
    more.run("reload")
    result = more.run("restart", "engine", "--start-timeout", "20")
    assert result.status == 1, result.text
    assert "engine is " in result.errors


def test_nothing_is_sent_to_a_worker(more: Bench) -> None:
    more.up()
    for verb in ("drain", "ready", "remove"):
        said = more.run(verb, "worker")
        assert said.status == 1
        assert "worker" in said.text
        assert "Traceback" not in said.text


def test_what_left_the_configuration_ends(more: Bench) -> None:
    more.up()
    pid = more.pid("worker")
    more.extras = Extras(before=more.extras.before)
    more.generate()
    said = more.run("reload")
    assert "worker is no longer part of the stack" in said.text
    more.up()
    assert not Path(f"/proc/{pid}").exists()


def _with(program: Program, command: tuple[str, ...]) -> Program:
    return Program(
        name=program.name,
        kind=program.kind,
        command=command,
        health=program.health,
        listens=program.listens,
    )
