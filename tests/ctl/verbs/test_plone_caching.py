"""``plone-caching``: what the verb makes of each answer of the script in Zope."""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from collective.recipe.productionstack.ctl.plone.inside import caching
from tests.support.bench import Bench


@contextmanager
def _database(bench: Bench, *, greets: bool = True) -> Iterator[None]:
    """Listen where ZEO would, and greet as it does."""
    path = Path(bench.zeo.path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen(5)
        kept = []

        def serve() -> None:
            while True:
                try:
                    one, _ = server.accept()
                except OSError:
                    return
                kept.append(one)
                if greets:
                    one.sendall(b"Z")

        threading.Thread(target=serve, daemon=True).start()
        yield
        server.shutdown(socket.SHUT_RDWR)
        for one in kept:
            one.close()


def _client(bench: Bench, answer: object, lines: str = "", status: int = 0) -> Path:
    """Put a script in the place of the debug client; return what it was asked."""
    asked = bench.folder / "asked.json"
    script = bench.folder / "bin/debugger"
    shown = f"\nPRODUCTIONSTACK {json.dumps(answer)}\n" if answer is not None else ""
    script.write_text(
        f"#!{sys.executable}\nimport sys, json\n"
        "assert sys.argv[1] == 'run', sys.argv\n"
        f"open({str(asked)!r}, 'w').write(sys.stdin.read())\n"
        f"print({lines + shown!r})\n"
        f"sys.exit({status})\n"
    )
    script.chmod(0o755)
    return asked


def _site(**answer: Any) -> dict[str, Any]:
    return {"sites": {"/Plone": answer}}


def test_it_names_what_was_set(bench: Bench) -> None:
    asked = _client(bench, _site(changes=["a = 1"]), lines="an add-on talks")
    with _database(bench):
        said = bench.run("plone-caching")
    assert said.ok, said.text
    assert "www.example.com (/Plone): set\n    a = 1\n" in said.output
    assert "add-on" not in said.text
    wanted = json.loads(asked.read_text())
    assert wanted["paths"] == ["/Plone"]
    assert wanted["proxies"] == [f"http://{bench.stack.chain.purge}"]
    assert 60 <= wanted["seconds"] <= 300


def test_nothing_to_change(bench: Bench) -> None:
    _client(bench, _site(changes=[]))
    with _database(bench):
        said = bench.run("plone-caching")
    assert said.ok
    assert "nothing to change" in said.output


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (_site(trouble="missing"), "there is no /Plone in the database yet"),
        (_site(trouble="no site"), "/Plone is no Plone site"),
        (_site(trouble="no profile"), "zcml = plone.app.caching"),
        ({"trouble": "no package"}, "plone.app.caching is not installed"),
    ],
)
def test_what_stands_in_its_way(bench: Bench, answer: object, words: str) -> None:
    _client(bench, answer)
    with _database(bench):
        said = bench.run("plone-caching")
    assert said.status == 1
    assert words in said.errors
    assert "Traceback" not in said.text


def test_a_failure_in_zope_is_shown(bench: Bench) -> None:
    _client(bench, None, lines="ImportError: no such thing", status=1)
    with _database(bench):
        said = bench.run("plone-caching")
    assert said.status == 1
    assert "ImportError: no such thing" in said.errors
    assert "nothing was changed" in said.errors


def test_no_database(bench: Bench) -> None:
    _client(bench, _site(changes=[]))
    said = bench.run("plone-caching")
    assert said.status == 1
    assert "bin/stack up first" in said.errors


def test_a_database_that_hangs(bench: Bench) -> None:
    _client(bench, _site(changes=[]))
    begun = time.monotonic()
    with _database(bench, greets=False):
        said = bench.run("plone-caching")
    assert said.status == 1
    assert "does not answer" in said.errors
    assert time.monotonic() - begun < 10


def test_a_client_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caching, "find_spec", lambda _name: None)
    assert caching.work(None, {"paths": ["/Plone"]}) == {"trouble": "no package"}


def test_a_dry_run_and_an_undo_are_worded_so(bench: Bench) -> None:
    asked = _client(bench, _site(changes=["a = 1"], kept=["b = 2"]))
    with _database(bench):
        said = bench.run("plone-caching", "--undo", "--dry-run")
    assert said.ok, said.text
    assert "(/Plone): would be put back\n    a = 1\n" in said.output
    assert "stays, since it was changed later: b = 2" in said.output
    wanted = json.loads(asked.read_text())
    assert (wanted["undo"], wanted["dry_run"]) == (True, True)


def test_other_caches_are_named_beside_ours(bench: Bench) -> None:
    asked = _client(bench, _site(changes=[]))
    other = "http://10.0.0.2:8003"
    with _database(bench):
        bench.run("plone-caching", "--proxy", f"{other}/", "--proxy", other)
    wanted = json.loads(asked.read_text())
    assert wanted["proxies"] == [f"http://{bench.stack.chain.purge}", other]


@pytest.mark.parametrize(
    "text", ["10.0.0.2:8003", "https://a:1", "http://a", "http://a:1/x", "http://a:x"]
)
def test_an_odd_cache_is_refused(bench: Bench, text: str) -> None:
    said = bench.run("plone-caching", "--proxy", text)
    assert said.status == 2
    assert "http://10.0.0.2:8003" in said.errors


@pytest.mark.parametrize("trouble", ["no tags", "tags not loaded"])
def test_tags_that_plone_does_not_say(bench: Bench, trouble: str) -> None:
    _client(bench, {"trouble": trouble})
    with _database(bench):
        said = bench.run("plone-caching")
    assert said.status == 1
    assert "collective.purgebyid" in said.errors
    assert "[debugger]" in said.errors
