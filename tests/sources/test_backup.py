"""What we say of ``collective.recipe.backup`` parts is what that recipe writes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from collective.recipe.productionstack.sources import backup
from collective.recipe.productionstack.sources.reading import Places
from tests.support.buildouts import Buildouts
from tests.support.buildouts import Site
from tests.support.buildouts import a_site

CASES = {
    "backup": {},
    "other": {},
    "prefix": {"locationprefix": "@DIR@/saved"},
    "prefix-relative": {"locationprefix": "saved-too"},
    "location": {"location": "@DIR@/here"},
    "location-relative": {"location": "here-too"},
    "both": {"locationprefix": "saved-both", "location": "inside"},
}


@pytest.fixture(scope="module")
def site(buildouts: Buildouts) -> Iterator[Site]:
    """Build every case in one run."""
    with a_site(buildouts) as one:
        lines = ["[buildout]", f"parts = zeoserver {' '.join(CASES)}"]
        lines += ["[zeoserver]", "recipe = plone.recipe.zeoserver"]
        for name, options in CASES.items():
            lines += [f"[{name}]", "recipe = collective.recipe.backup"]
            lines += [f"{key} = {value}" for key, value in options.items()]
        one.built("\n".join(lines).replace("@DIR@", str(one.folder)) + "\n")
        yield one


@pytest.mark.parametrize("name", CASES)
def test_backup(site: Site, name: str) -> None:
    """The script is there, and the backups go where we say."""
    folder = str(site.folder)
    places = Places(directory=folder, bin=f"{folder}/bin", parts=f"{folder}/parts")
    options = {key: v.replace("@DIR@", folder) for key, v in CASES[name].items()}
    found = backup.read(name, options, places)
    script = Path(found.script).read_text("utf-8")
    written = re.search(r"['\"]backup_location['\"]: ['\"](.*?)['\"]", script)
    assert written is not None
    assert found.location == written[1]
