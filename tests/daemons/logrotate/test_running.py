"""logrotate and cron: run by the user, with his own state, losing no line."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from collective.recipe.productionstack.machine import run
from tests.daemons import stage
from tests.daemons.stage import Stage

pytestmark = pytest.mark.usefixtures("daemons")

WRITER = """
import logging, logging.handlers, sys, time
kind, path = sys.argv[1:]
watched = logging.handlers.WatchedFileHandler
logger = logging.getLogger()
logger.addHandler((watched if kind == "rename" else logging.FileHandler)(path))
number = 0
while True:
    logger.warning("line %d", number)
    number += 1
    time.sleep(0.002)
"""


@pytest.fixture(params=["", "it's a büildout [1] {2}"])
def logged(request: pytest.FixtureRequest) -> Iterator[Stage]:
    with Stage(folder=request.param) as one:
        yield one


def _rotate(one: Stage, *more: str) -> None:
    job = next(job for job in one.stack.announced.jobs if job.name == "logrotate")
    result = run.run((job.command[0], *more, *job.command[1:]))
    assert (result.status, result.text) == (0, "")


def _lines(path: Path) -> list[str]:
    """Return the lines of a log and of what was rotated away, oldest first."""
    parts = sorted(path.parent.glob(f"{path.name.replace('[', '[[]')}*"), reverse=True)
    texts = []
    for part in parts:
        if part.suffix == ".gz":
            command = ("gzip", "-dc", str(part))
            texts.append(
                subprocess.run(command, capture_output=True, check=True).stdout
            )
        else:
            texts.append(part.read_bytes())
    return b"".join(texts).decode().splitlines()


@pytest.mark.parametrize(
    ("how", "lost"),
    [
        ("rename", 0),
        pytest.param("truncate", 40, marks=pytest.mark.alone),
    ],
)
def test_a_python_log_is_rotated_while_it_is_written(
    logged: Stage, how: str, lost: int
) -> None:
    log = next(
        Path(log.path)
        for log in logged.stack.announced.logs
        if log.how == how and "instance1" in log.path
    )
    command = [sys.executable, "-c", WRITER, how, str(log)]
    writer = subprocess.Popen(command)
    try:
        for _ in range(3):
            stage.until(lambda: log.exists() and log.stat().st_size > 0, 5)
            time.sleep(0.4)
            _rotate(logged, "-f")
        stage.until(lambda: log.exists() and log.stat().st_size > 0, 5)
    finally:
        writer.kill()
        writer.wait()

    numbers = [int(line.split()[1]) for line in _lines(log)]
    assert numbers == sorted(set(numbers))
    assert numbers[-1] + 1 - len(numbers) <= lost
    assert log.with_name(f"{log.name}.1").exists()
    assert log.with_name(f"{log.name}.2.gz").exists()


def test_nginx_reopens_its_logs_and_no_line_is_lost() -> None:
    with Stage(proxy_cache="none", load_balancer="none", folder="a b") as one:
        one.start("nginx")
        with stage.load(4, lambda: one.get("/x")) as replies:
            for _ in range(3):
                time.sleep(0.5)
                _rotate(one, "-f")
        time.sleep(0.3)
        log = Path(one.stack.folders.log, "stack-nginx-access.log")
        lines = [line for line in _lines(log) if '"GET /x ' in line]

    assert len(lines) == len(replies) > 100
    assert {reply.status for reply in replies} == {200}


def test_young_small_logs_are_left_alone_and_the_state_is_the_users_own(
    logged: Stage,
) -> None:
    log = Path(logged.stack.folders.log, "instance1.log")
    log.write_text("line\n")
    for _ in range(2):
        _rotate(logged)

    assert log.read_text() == "line\n"
    assert Path(logged.stack.folders.var, "logrotate.state").is_file()


def test_the_real_crontab_takes_the_file_and_its_lines_run_as_cron_runs_them(
    logged: Stage, own_crontab: None
) -> None:
    path = f"{logged.stack.folders.applied}/crontab"
    # What the verbs do is tested with the real Plone.
    verb = Path(logged.stack.folders.bin, logged.stack.name)
    if not verb.exists():
        verb.parent.mkdir(parents=True, exist_ok=True)
        verb.write_text('#!/bin/sh\necho "$@" >>"$0.said"\n')
        verb.chmod(0o755)

    crontab = run.find("crontab") or ""
    installed = run.run((crontab, path))
    assert (installed.status, installed.text) == (0, "")
    table = run.run((crontab, "-l")).output
    lines = [line for line in table.splitlines() if line and line[0] != "#"]
    assert len(lines) == len(logged.stack.announced.jobs) >= 2
    for line in lines:
        result = _as_cron(line.split(None, 5)[5])
        assert (result.returncode, result.stdout, result.stderr) == (0, "", ""), line
    assert Path(logged.stack.folders.var, "logrotate.state").is_file()
    said = verb.with_name(f"{verb.name}.said").read_text().split("\n")
    assert {"--quiet pack"} <= set(said)


def _as_cron(command: str) -> subprocess.CompletedProcess[str]:
    """Run a command as cron does: an unescaped percent sign would end it."""
    command = command.replace(r"\%", "%")
    home, user = os.environ.get("HOME", "/"), os.environ.get("USER", "user")
    cron = ("env", "-i", f"HOME={home}", f"LOGNAME={user}", "SHELL=/bin/sh")
    return subprocess.run(
        (*cron, "PATH=/usr/bin:/bin", "/bin/sh", "-c", command),
        capture_output=True,
        check=False,
        text=True,
    )


def test_words_with_blanks_and_percent_signs_survive_the_crontab(
    tmp_path: Path,
) -> None:
    from collective.recipe.productionstack.tree import render

    made = tmp_path / "it's a file"
    words = ("/usr/bin/touch", str(made))
    assert _as_cron(render.cron_percent(render.shell_words(words))).returncode == 0
    assert made.exists()
    line = render.cron_percent(f"date +%s > {shlex.quote(str(made))}")
    assert "%" not in line.replace(r"\%", "")
    assert _as_cron(line).returncode == 0
    assert made.read_text().strip().isdigit()
