"""Apache under supervisor and bin/stack: kills, reloads, rotation, maintenance."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from collective.recipe.productionstack.daemons.apache import config
from collective.recipe.productionstack.daemons.apache.control import Apache
from collective.recipe.productionstack.daemons.logrotate import config as logrotate
from collective.recipe.productionstack.machine import processes
from collective.recipe.productionstack.model.stack import Stack
from collective.recipe.productionstack.tree import render
from collective.recipe.productionstack.tree.trees import File
from collective.recipe.productionstack.tree.trees import Tree
from tests.support import samples
from tests.support.bench import Bench

pytestmark = pytest.mark.usefixtures("daemons")

POLICY = "strict-origin-when-cross-origin"


class Supervised(Bench):
    """A stack of Apache right in front of two clients, with its real files."""

    @property
    def stack(self) -> Stack:
        base = samples.changed(
            super().stack,
            web_server="apache",
            proxy_cache="none",
            load_balancer="none",
            services=("apache", "supervisor", "logrotate", "cron"),
        )
        announced = dataclasses.replace(
            base.announced,
            programs=(*base.announced.programs, *config.programs(base)),
            logs=config.logs(base),
            checks=config.checks(base),
        )
        return dataclasses.replace(base, announced=announced)

    def tree(self) -> Tree:
        stack = self.stack
        files = [one for one in super().tree().files if one.path != "stack.json"]
        for service in (config, logrotate):
            for path, template, values in service.files(stack):
                text = render.render(template, {"stack": stack, **values})
                files.append(File(path, text.replace(POLICY, f"x-{self.text}")))
        files = [
            dataclasses.replace(one, text=f"{one.text}{self.broken}\n")
            if one.path == "apache/headers.conf"
            else one
            for one in files
        ]
        return Tree((*files, File("stack.json", stack.to_json())))

    def said(self) -> str:
        """Return a header by which configurations are told apart."""
        return self.header("Referrer-Policy")

    def family(self) -> tuple[int, int, list[int]]:
        """Return subreaper, parent and those that serve."""
        apache = Apache(self.stack, 2)
        return (
            self.survey().pid("apache"),
            apache.master(),
            sorted(apache.workers()),
        )


@pytest.fixture(scope="module")
def bench(daemons: None) -> Iterator[Supervised]:
    with Supervised() as one:
        one.generate()
        one.up()
        yield one


def whole(bench: Supervised) -> bool:
    try:
        guard, parent, workers = bench.family()
        return bool(guard and parent and workers) and bench.get()[0] == 200
    except OSError:
        return False


def test_status_and_check(bench: Supervised) -> None:
    (seen,) = [one for one in bench.status()["programs"] if one["name"] == "apache"]
    assert (seen["state"], seen["health"]) == ("RUNNING", "ok")
    logs = sorted(Path(bench.folders.log).iterdir())
    ours = [one for one in logs if "apache" in one.name]
    before = [one.stat().st_size for one in ours]
    result = bench.run("check")
    assert result.ok, result.text
    assert before == [one.stat().st_size for one in ours]


def test_reload_takes_the_new_files_and_loses_no_request(bench: Supervised) -> None:
    pid = bench.pid("apache")
    answers: list[int | str] = []
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            try:
                answers.append(bench.get("/?sleep=0.05")[0])
            except OSError as error:
                answers.append(repr(error))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for text in ("two", "three"):
        bench.generate(text)
        result = bench.run("reload")
        assert result.ok, result.text
        assert bench.said() == f"x-{text}"
    done.set()
    for thread in threads:
        thread.join()
    assert set(answers) == {200}
    assert len(answers) > 20
    assert bench.pid("apache") == pid
    assert bench.run("diff").status == 0


@pytest.mark.parametrize(
    ("broken", "remedy"),
    [
        ("Nonsense here", "Nonsense"),
        ('LoadModule odd_module "${modules}/mod_odd.so"', "apache2-bin"),
    ],
)
def test_a_broken_file_changes_nothing(
    bench: Supervised, broken: str, remedy: str
) -> None:
    """Apache would end where it is told to read it."""
    said, workers = bench.said(), bench.family()[2]
    bench.broken = broken
    bench.generate("broken")
    result = bench.run("reload")
    bench.broken = ""
    assert result.status == 1
    assert "apache/headers.conf" in result.errors
    assert remedy in result.errors
    assert bench.said() == said
    assert bench.family()[2] == workers
    bench.generate("good")
    assert bench.run("reload").ok


def test_what_breaks_after_the_check_does_not_end_it(bench: Supervised) -> None:
    path = Path(bench.folders.applied, "apache/headers.conf").resolve()
    good = path.read_text()
    pid = bench.pid("apache")
    path.chmod(0o600)
    path.write_text(f"{good}Nonsense here\n")
    try:
        result = bench.run("maintenance", "on")
        assert result.status == 1
        assert "Nonsense" in result.errors
        assert "serves on" in result.errors
        assert bench.get()[0] == 200
        assert bench.pid("apache") == pid
        assert not Path(bench.stack.maintenance_file).exists()
    finally:
        path.write_text(good)


def test_maintenance_on_and_off(bench: Supervised) -> None:
    assert bench.run("maintenance", "on").ok
    status, body = bench.get()
    assert status == 503
    assert "working on this site" in body
    assert bench.run("maintenance", "off").ok
    assert bench.get()[0] == 200


def test_rotated_logs_are_followed_without_a_word_to_apache(bench: Supervised) -> None:
    log = Path(bench.folders.log, "stack-apache-access.log")
    conf = f"{bench.folders.applied}/logrotate/logrotate.conf"
    bench.get("/before")
    bench.wait(lambda: "/before " in log.read_text(), "the line is there")
    workers = bench.family()[2]
    state = str(bench.folder / "rotated")
    path = f"{os.environ['PATH']}:/usr/sbin"
    subprocess.run(
        ("logrotate", "-f", "-s", state, conf), check=True, env={"PATH": path}
    )
    bench.get("/after")
    bench.wait(lambda: log.exists() and "/after " in log.read_text(), "a new file")
    assert "/before " not in log.read_text()
    assert "/before " in log.with_name(f"{log.name}.1").read_text()
    assert bench.family()[2] == workers


@pytest.mark.parametrize(
    "victims", ["parent", "worker", "subreaper", "both", "writers"]
)
def test_exactly_one_apache_serves_after_a_kill(
    bench: Supervised, victims: str
) -> None:
    bench.wait(lambda: whole(bench), "it serves")
    guard, parent, workers = bench.family()
    table = processes.table()
    writers = [pid for pid in processes.children(table, parent) if pid not in workers]
    assert len(writers) == 2
    killed = {
        "parent": [parent],
        "worker": [workers[0]],
        "subreaper": [guard],
        "both": [guard, parent],
        "writers": writers,
    }[victims]
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    bench.wait(lambda: not any(map(processes.alive, killed)), "they are gone")
    bench.wait(lambda: whole(bench), "it serves again")
    log = Path(bench.folders.log, "stack-apache-access.log")
    address = f"/{victims}-{time.monotonic_ns()}"
    bench.get(address)
    bench.wait(lambda: address in log.read_text(), "it is written down")
    guard_now, parent_now, _ = bench.family()
    every = {*processes.family(processes.table(), guard_now)}
    holders = processes.holders(f"{bench.folders.var}/apache.lock")
    assert holders <= every
    assert parent_now in holders
    if victims in {"parent", "subreaper", "both"}:
        assert not every & {guard, parent, *workers}


def test_down_lets_a_request_finish(bench: Supervised) -> None:
    bench.wait(lambda: whole(bench), "it serves")
    got: list[int] = []
    asking = threading.Thread(target=lambda: got.append(bench.get("/?sleep=2")[0]))
    asking.start()
    time.sleep(0.7)
    result = bench.run("down")
    asking.join()
    assert result.ok, result.text
    assert got == [200]
    assert bench.survey().roots == {}
