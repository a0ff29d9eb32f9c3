"""Taking the part out of ``parts``."""

from __future__ import annotations

from tests.support.plonesite import PloneSite
from tests.support.snapshot import changed
from tests.support.snapshot import snapshot


def test_the_part_cannot_go_while_it_runs(live: PloneSite) -> None:
    before = snapshot(live.folder)
    live.configure(parts="zeoserver instance")
    refused = live.buildout()
    assert refused.status == 1
    assert "bin/stack down" in refused.text
    assert changed(before, snapshot(live.folder)) == {"buildout.cfg"}
    assert live.serves()


def test_after_down_it_goes_and_leaves_the_data(live: PloneSite) -> None:
    live.stack("down").good()
    live.configure(parts="zeoserver instance")
    said = live.buildout().good()
    for gone in ("etc/stack", "etc/.stack", "bin/stack", "bin/instance1"):
        assert not (live.folder / gone).exists(), gone
    for kept in ("var/stack", "var/log/instance1.log", "var/filestorage/Data.fs"):
        assert (live.folder / kept).exists(), kept
    assert f"{live.folder}/var/stack" in said.text
    assert "zeo-address" in said.text
    assert "8100" in said.text
