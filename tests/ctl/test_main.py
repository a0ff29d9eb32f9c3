"""The command line itself."""

from __future__ import annotations

import os
import re
import sys
import time
from importlib import metadata

import click
import pytest

from collective.recipe.productionstack.ctl import main
from collective.recipe.productionstack.machine import run
from tests.support.bench import Bench


def verbs() -> list[str]:
    return main.group.list_commands(click.Context(main.group))


@pytest.mark.parametrize("verb", verbs())
def test_every_verb_has_help_with_an_example(verb: str) -> None:
    command = main.group.get_command(click.Context(main.group), verb)
    assert command is not None
    help_text = command.help or ""
    assert f"bin/stack {verb}" in help_text
    assert help_text.startswith(f"{main.sentence(verb)}\n")


def test_every_module_of_the_verbs_is_a_verb() -> None:
    modules = {path.stem for path in main.FOLDER.glob("[a-z]*.py")}
    assert modules == {verb.replace("-", "_") for verb in main.VERBS}


@pytest.mark.alone
def test_help_starts_quickly(bench: Bench) -> None:
    taken = []
    for _ in range(5):
        begun = time.monotonic()
        result = bench.run("--help")
        taken.append(time.monotonic() - begun)
    assert "Verbs:" in result.output
    assert "supervisord" not in result.output
    # 0.15 s is the promise; a machine under load must not fail the test.
    assert min(taken) < 0.3


def test_an_unknown_verb_is_a_usage_error(bench: Bench) -> None:
    assert bench.run("fly").status == 2


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("statu", "status"),
        ("verify", "verify-backup"),
        ("cron instal", "install"),
        ("maintenance of", "off"),
        ("fly", ""),
        ("boot show", ""),
    ],
)
def test_a_verb_that_is_nearly_one_is_named(
    bench: Bench, typed: str, meant: str
) -> None:
    said = bench.run(*typed.split())
    assert said.status == 2
    assert (f"Did you mean {meant}?" in said.errors) == bool(meant)
    few = "There are: install, remove." in said.errors
    assert few == (typed == "boot show")


def test_it_tells_its_version(bench: Bench) -> None:
    assert metadata.version(main.__package__.rpartition(".")[0]) in (
        bench.run("--version").output
    )


def test_somebody_else_is_told_whose_buildout_it_is() -> None:
    """The tests run as an ordinary user, and / is root's."""
    said = main._somebody_else(PermissionError(13, "no", "/x"), "/", "stack")
    assert said == (
        "/x is not open to you. This buildout is root's: "
        "sudo -u root /bin/stack does it as root."
    )
    assert not main._somebody_else(FileNotFoundError(2, "no", "/x"), "/", "stack")


def test_without_a_buildout_run_there_is_one_clear_line(bench: Bench) -> None:
    bench.trees.remove()
    for verb in ("up", "status", "check", "diff", "reload", "explain"):
        result = bench.run(verb)
        assert result.status == 1
        assert result.errors.count("\n") == 1
        assert "Run bin/buildout" in result.errors


def test_a_stack_of_another_version_is_refused(bench: Bench) -> None:
    current = bench.trees.current()
    assert current
    (current / "stack.json").write_text('{"format": 99}')
    assert "Run bin/buildout" in bench.run("status").errors


def test_explain_shows_the_chain_and_the_option_behind_a_line(chain: Bench) -> None:
    shown = chain.run("explain").output
    for text in ("nginx", "Varnish", "HAProxy", "one", "zeo", "Data.fs", "debugger"):
        assert text in shown
    lines = chain.tree().text_of("nginx/nginx.conf").splitlines()
    number = next(at for at, line in enumerate(lines, 1) if "[stack] sites" in line)
    assert (
        "this line comes from [stack] sites"
        in chain.run("explain", f"etc/stack/nginx/nginx.conf:{number}").output
    )
    assert (
        f"line {number}, beside it"
        in chain.run("explain", f"nginx/nginx.conf:{number + 1}").output
    )
    assert chain.run("explain", "etc/stack/none:1").status == 1
    assert chain.run("explain", "etc/stack/nginx/nginx.conf:9999").status == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can see what root is told")
def test_root_is_refused(bench: Bench) -> None:
    assert "does not run as root" in bench.run("status").errors


def on_terminal(bench: Bench, words: str, columns: int = 80) -> str:
    """Run a verb on a terminal of that width, and return what was sent there."""
    if run.find("script") is None:
        pytest.skip("script(1) is not installed")
    command = f"stty cols {columns} rows 50; {sys.executable} {bench.folder}/bin/stack"
    # pytest's workers have these from their controller.
    without = {key: os.environ[key] for key in os.environ.keys() - {"COLUMNS", "LINES"}}
    return run.run(
        ("script", "-qec", f"{command} {words}", "/dev/null"),
        env={**without, "TERM": "xterm"},
        timeout=60,
    ).output


def test_a_terminal_gets_a_progress_display(bench: Bench) -> None:
    shown = on_terminal(bench, "up")
    assert "\x1b[" in shown
    assert "answers" in shown
    # What is only watched for a while longer has not failed.
    assert "✗" not in shown
    assert "up: 3 programs answer" in shown


def test_lines_end_between_words_on_a_terminal(bench: Bench) -> None:
    said = on_terminal(bench, "drain one", columns=20).split("\r\n")
    (whole,) = bench.run("drain", "one").errors.splitlines()
    assert len(whole) > 20
    assert [word for line in said for word in line.split()] == whole.split()
    assert len(said) > 2
    assert all(len(line) <= 20 for line in said)


def test_explain_shows_whole_addresses_on_a_narrow_terminal(chain: Bench) -> None:
    shown = on_terminal(chain, "explain", columns=60).split()
    wide = chain.run("explain").output
    ports = set(re.findall(r"127\.0\.0\.1:\d+", wide))
    assert len(ports) > 5
    assert ports <= {word.rstrip(",") for word in shown}
