"""Which stack a verb works on."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.ctl.jobs import outcomes
from tests.support.kept import Kept

DAY = "2026-11-24-04-05-06"


def test_how_backups_are_kept_counts_at_once(kept: Kept) -> None:
    """The crontab has the new lines; no program has to take them in."""
    control = Control(kept.folder, kept.name)
    kept.trees.apply()
    before = kept.stack
    kept.configure(sync_target=(str(kept.folder / "far"),), sync_keep=3)
    found = control.newest()
    assert found.data.keeping == kept.keeping
    assert found.announced.programs == before.announced.programs
    assert found.announced.jobs == kept.stack.announced.jobs
    assert dataclasses.replace(found, data=before.data) == before
    kept.make(DAY)
    said = kept.run("sync-backup")
    assert said.ok, said.text
    assert Path(kept.folder, "far", DAY).is_dir()
    assert outcomes.load(kept.stack, "sync")
