"""Certificates that are ours to get."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from collective.recipe.productionstack.daemons import pairs
from tests.support import samples


def test_folders_of_a_host_share_one(tmp_path: Path) -> None:
    whole = dataclasses.replace(samples.SITE, acme=True)
    below = dataclasses.replace(whole, folder="/intranet", path="/Intranet")
    other = dataclasses.replace(samples.SITE, host="other.example.com", acme=False)
    folders = dataclasses.replace(samples.FOLDERS, var=str(tmp_path))
    stack = samples.changed(sites=(below, whole, other), folders=folders)
    assert pairs.sites(stack) == [below]
    assert pairs.make_missing(stack) == ["www.example.com"]
    assert pairs.make_missing(stack) == []
