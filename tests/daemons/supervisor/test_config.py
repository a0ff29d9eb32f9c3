"""supervisor's file."""

from __future__ import annotations

import configparser
import dataclasses
import shlex

import pytest
from supervisor.options import ServerOptions

from collective.recipe.productionstack.model.stack import Stack
from collective.recipe.productionstack.plan import announcing
from collective.recipe.productionstack.plan import rendering
from tests.support import samples


def parsed(stack: Stack) -> configparser.RawConfigParser:
    """Return the file as supervisor reads it."""
    parser = configparser.RawConfigParser(inline_comment_prefixes=(" ;",), strict=True)
    whole = announcing.complete(stack)
    parser.read_string(rendering.tree_of(whole).text_of("supervisor/supervisord.conf"))
    return parser


def test_every_program_is_there() -> None:
    """Programs are named like parts and daemons, in the order of their start."""
    names = [one for one in parsed(samples.STACK).sections() if ":" in one]
    expected = ["zeoserver", "instance1", "instance2", "instance0"]
    expected += ["haproxy", "varnish", "nginx", "watchdog"]
    assert names == ["rpcinterface:supervisor"] + [f"program:{n}" for n in expected]


def test_nothing_starts_by_itself() -> None:
    """A priority is no readiness: ``up`` starts everything in order."""
    found = parsed(samples.STACK)
    for name in found.sections():
        if name.startswith("program:"):
            assert found[name]["autostart"] == "false"
            assert found[name]["autorestart"] == "true"


@pytest.mark.parametrize(
    ("program", "signal"),
    [
        ("zeoserver", "TERM"),
        ("instance1", "INT"),
        ("haproxy", "USR1"),
        ("varnish", "TERM"),
        ("nginx", "QUIT"),
    ],
)
def test_stop_signals(program: str, signal: str) -> None:
    """Every daemon is stopped with the signal that lets requests finish."""
    assert parsed(samples.STACK)[f"program:{program}"]["stopsignal"] == signal


def test_commands_survive_spaces() -> None:
    """A folder with spaces and quotes is one word of a command."""
    odd = dataclasses.replace(samples.FOLDERS, var="/my 'site'/var/stack")
    stack = dataclasses.replace(samples.STACK, folders=odd)
    words = shlex.split(parsed(stack)["program:varnish"]["command"])
    assert "/my 'site'/var/stack/varnish" in words


def test_supervisor_itself_reads_it(tmp_path: object) -> None:
    """The real parser takes the file and finds the same programs."""
    from pathlib import Path

    folder = Path(str(tmp_path))
    (folder / "var/log").mkdir(parents=True)
    (folder / "var/stack").mkdir()
    places = dataclasses.replace(
        samples.FOLDERS,
        buildout=str(folder),
        var=f"{folder}/var/stack",
        log=f"{folder}/var/log",
    )
    stack = announcing.complete(dataclasses.replace(samples.STACK, folders=places))
    rendering.tree_of(stack).write(folder, durable=False)
    options = ServerOptions()
    path = str(folder / "supervisor/supervisord.conf")
    options.realize(["-c", path, "-n"])
    groups = [group.name for group in options.process_group_configs]
    assert groups == sorted(
        program.name for program in stack.announced.programs
    ) or set(groups) == {program.name for program in stack.announced.programs}
