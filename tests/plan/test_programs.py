"""Lines of the option programs: what they come to, and what is refused."""

from __future__ import annotations

import dataclasses

import pytest

from collective.recipe.productionstack.model.address import Address
from collective.recipe.productionstack.model.announced import Health
from collective.recipe.productionstack.model.announced import Program
from collective.recipe.productionstack.options.load import StackOptions
from collective.recipe.productionstack.plan import programs
from collective.recipe.productionstack.plan.facts import Facts
from tests.support import samples

FACTS = Facts(directory="/b", bin="/b/bin", clients={"worker": samples.client(9)})


def made(line: str) -> Program:
    """Return what one line comes to."""
    chosen = programs.choose("stack", StackOptions(programs=(line,)), FACTS, set())
    assert chosen.problems == []
    (program,) = (*chosen.extras.before, *chosen.extras.after)
    return program


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("127.0.0.1:80", Health(address=Address("127.0.0.1", 80), opens=True)),
        ("localhost:80/", Health(address=Address("127.0.0.1", 80), path="/")),
        (
            "http://[::1]:80/x?a=b",
            Health(address=Address("::1", 80), path="/x?a=b"),
        ),
        (
            "/run/redis.sock",
            Health(address=Address(path="/run/redis.sock"), opens=True),
        ),
    ],
)
def test_health(text: str, wanted: Health) -> None:
    assert made(f"x command bin/x health={text}").health == wanted


def test_without_health_it_is_well_while_it_runs() -> None:
    assert not made("x command bin/x").health.asked


def test_names_of_ours_are_taken_from_the_end_alone() -> None:
    found = made('x command bin/x log=a stop-signal=x "it is" -Da=b y=z start=after')
    assert found.command == (
        "/b/bin/x",
        "log=a",
        "stop-signal=x",
        "it is",
        "-Da=b",
        "y=z",
    )


def test_a_part_is_run_as_its_recipe_means_it() -> None:
    found = made("worker zope-worker stop-seconds=90")
    assert found.command == ("/b/bin/instance9", "console")
    assert found.health.path == "/@@ok"
    assert (found.stop_signal, found.stop_seconds) == ("INT", 90)


def test_programs_of_the_system_are_found() -> None:
    assert made("x command sh -c true").command[0].endswith("/bin/sh")
    assert made("x command no-such-program-here").command[0] == "no-such-program-here"


@pytest.mark.parametrize(
    "word", ["|", ">", "&&", ";", "&", "$HOME", "`id`", "50%", 'a"b', "a\\\\b"]
)
def test_what_a_shell_or_a_configuration_would_read_is_refused(word: str) -> None:
    line = f"x command bin/x {word} end"
    chosen = programs.choose("stack", StackOptions(programs=(line,)), FACTS, set())
    if word == "`id`":
        # Without a shell it is an argument like any other.
        assert chosen.problems == []
    else:
        assert len(chosen.problems) == 1


def test_the_stack_is_read_back_with_them() -> None:
    chosen = programs.choose(
        "stack", StackOptions(programs=("worker zope-worker",)), FACTS, set()
    )
    stack = samples.changed(extras=chosen.extras, workers=chosen.workers)
    assert type(stack).from_json(stack.to_json()) == stack
    assert [one.name for one in stack.zope.all_clients] == [
        "instance1",
        "instance2",
        "instance9",
        "instance0",
    ]
    assert dataclasses.replace(stack) == stack


@pytest.mark.parametrize(
    ("text", "command", "signal"),
    [
        ("bin/x log=a -- stop-signal=INT", ("/b/bin/x", "log=a"), "INT"),
        ("bin/x stop-signal=INT --", ("/b/bin/x", "stop-signal=INT"), "TERM"),
        ("bin/x -- a=b", ("/b/bin/x", "--", "a=b"), "TERM"),
    ],
)
def test_two_dashes_part_them(text: str, command: tuple[str, ...], signal: str) -> None:
    found = made(f"x command {text}")
    assert (found.command, found.stop_signal) == (command, signal)
