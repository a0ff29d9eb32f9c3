"""Several places for copies: each by itself."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from collective.recipe.productionstack.ctl.jobs import outcomes
from collective.recipe.productionstack.model.stack import Stack
from tests.support import samples
from tests.support.kept import Kept

DAY = "2026-11-24-04-05-06"


def test_one_that_fails_stops_no_other_and_is_named(
    kept: Kept, far: dict[str, str]
) -> None:
    here, gone = kept.folder / "far", "gone:/srv/copies"
    targets = (gone, str(here), far["target"])
    kept.configure(sync_target=targets, sync_key=far["key"])
    kept.make(DAY)

    said = kept.over_ssh(far, "sync-backup")

    assert said.status == 1
    assert f"{gone} FAILED" in said.errors
    assert f"{gone} cannot be reached; the last good copy there is" in said.errors
    assert (here / DAY).is_dir()
    assert Path(far["folder"], DAY).is_dir()
    stamp = outcomes.load(kept.stack, "sync")
    assert stamp is not None
    assert not stamp.ok
    assert stamp.verdict.startswith(f"{gone} FAILED; good: {DAY} at {here}, ")
    assert f"; good: {DAY} at {far['target']}, " in stamp.verdict

    kept.configure(sync_target=targets[1:])
    said = kept.over_ssh(far, "sync-backup")
    assert said.ok, said.text
    assert str(here) in said.output
    assert far["target"] in said.output


def test_an_unchanged_copy_takes_three_logins_at_most(
    kept: Kept, far: dict[str, str]
) -> None:
    kept.configure(sync_target=(far["target"],), sync_key=far["key"])
    kept.make(DAY)
    kept.over_ssh(far, "sync-backup")
    Path(far["logins"]).write_text("")
    assert kept.over_ssh(far, "sync-backup").ok
    assert 1 <= len(Path(far["logins"]).read_text()) <= 3


def test_each_is_compared_by_itself(kept: Kept) -> None:
    one, two = kept.folder / "one", kept.folder / "two"
    kept.configure(sync_target=(str(one), str(two)), sync_keep=1)
    kept.make(DAY)
    kept.sync()
    shutil.rmtree(two / DAY)
    kept.sync()
    assert (two / DAY).is_dir()


def test_a_stack_that_knew_one_place_is_read() -> None:
    values = json.loads(samples.STACK.to_json())
    for text, read in (("far:/srv/x", ("far:/srv/x",)), ("", ())):
        keeping = {**values["data"]["keeping"], "sync_target": text, "sync_keep": 30}
        del keeping["sync_calendar"], keeping["sync_password_file"]
        old = {**values, "data": {**values["data"], "keeping": keeping}}
        found = Stack.from_json(json.dumps(old)).data.keeping
        assert found.sync_target == read
        assert (found.sync_keep, found.sync_calendar) == (30, (0, 0, 0))
