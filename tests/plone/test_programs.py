"""A worker, a program of another kind and a second database beside the real Plone."""

from __future__ import annotations

import os
import signal
import sys

import pytest

from tests.support.plonesite import ROOT
from tests.support.plonesite import PloneSite

pytestmark = pytest.mark.slow

MORE = """
[worker]
<= instance
http-address = 127.0.0.1:{base}7

[catalog]
recipe = plone.recipe.zeoserver
zeo-address = {folder}/var/stack/catalog.sock
file-storage = {folder}/var/filestorage/catalog.fs
blob-storage = {folder}/var/blobstorage-catalog
zeopack-script-name = zeopack-catalog
repozo-script-name = repozo-catalog
"""


WRITE = """
import sys, transaction
from ZEO.ClientStorage import ClientStorage
from ZODB import DB
db = DB(ClientStorage(sys.argv[1]))
with db.transaction() as connection:
    connection.root()["catalog"] = "of Plone"
db.close()
"""


@pytest.fixture
def more(live: PloneSite) -> PloneSite:
    """Give the site with all of them."""
    engine = f"{sys.executable} {ROOT}/tests/support/server.py engine"
    live.configure(
        parts="zeoserver catalog instance worker stack",
        instance=MORE.replace("{base}7", str(live.base + 17)),
        stack=f"programs =\n    engine command {engine} 127.0.0.1:{live.base + 18}"
        f" health=127.0.0.1:{live.base + 18}/\n    worker zope-worker\n",
    )
    live.buildout().good()
    said = live.stack("reload")
    assert "worker is new" in said.text
    live.stack("up").good()
    return live


def test_what_runs_beside_the_clients(more: PloneSite) -> None:
    more.wait(more.is_well, 60, "the site with all of them")
    worker, port = more.folder / "var/log/worker-access.log", more.base + 17
    names = set(more.pids())
    assert {"zeoserver", "catalog", "engine", "instance1", "worker"} <= names
    # It has the same database, and no visitor is sent to it.
    assert more.get("/Plone", port=port).status == 200
    seen = worker.read_text()
    for number in range(12):
        assert more.get(f"/?beside={number}").status == 200
    assert "beside=" not in worker.read_text().removeprefix(seen)

    before = more.pids()
    os.kill(before["engine"], signal.SIGKILL)
    more.wait(more.is_well, 60, "the engine is back")
    more.stack("restart", "worker").good()
    after = more.pids()
    changed = {one for one in before if before[one] != after[one]}
    assert changed == {"engine", "worker"}

    # Nobody has written to the second database yet; and then somebody does.
    more.stack("backup").good()
    more.stack("verify-backup").good()
    written = (sys.executable, "-c", WRITE, str(more.folder / "var/stack/catalog.sock"))
    more.run(*written).good()
    packed = more.stack("pack").good().text
    assert "zeoserver: " in packed
    assert "catalog: " in packed
    saved = more.stack("backup").good().text
    assert "backup-catalog" in saved
    more.stack("verify-backup").good()

    # Without them the stack is what it was, and nothing of them runs on.
    more.settle()
    more.stack("up")
    assert {"worker", "engine", "catalog"} & set(more.pids()) == set()
    assert not any("catalog" in text for text in more.processes().values())
    more.wait(more.is_well, 60, "the site after")
