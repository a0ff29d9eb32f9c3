"""``purge-by = tag``: the old address of what was moved is gone at once."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.support.plonesite import HOST
from tests.support.plonesite import PloneSite

pytestmark = pytest.mark.slow

ADD_ON = Path(sys.prefix, "purgebyid")


@pytest.fixture(scope="module")
def tagged(plone: PloneSite) -> Iterator[PloneSite]:
    """Give the site with tags; the stack is started again for it."""
    if not ADD_ON.is_dir():
        assert os.environ.get("PRODUCTIONSTACK_REQUIRE_DAEMONS") != "1", ADD_ON
        pytest.skip(f"no collective.purgebyid in {ADD_ON}")
    plone.settle()
    plone.configure(stack="purge-by = tag")
    plone.buildout().good()
    plone.stack("reload").good()
    assert "collective.purgebyid" in plone.stack("plone-caching").errors
    more = f"extra-paths = {ADD_ON}\nzcml = collective.purgebyid"
    plone.configure(stack="purge-by = tag", instance=more)
    plone.buildout().good()
    plone.stack("down").good()
    plone.stack("up").good()
    yield plone
    plone.stack("down").good()
    plone.settle()


def _is_gone(site: PloneSite, path: str) -> bool:
    return site.get(path).status != 200


def test_plone_says_the_ids(tagged: PloneSite) -> None:
    tagged.stack("plone-caching").good()
    tagged.stack("purge-check").good()


def test_a_renamed_page_is_gone_at_its_old_address(tagged: PloneSite) -> None:
    tagged.make("Document", "before")
    for path in ("/before", "/before?x=1", "/++api++/before", "/", "/sitemap"):
        tagged.get(path)
        assert tagged.get(path).cache == "HIT", path
    assert not tagged.get("/before").headers["X-Ids-Involved"]

    assert tagged.api("PATCH", "/before", {"id": "after"}).status == 204

    for path in ("/before", "/before?x=1", "/++api++/before"):
        tagged.wait(partial(_is_gone, tagged, path), 2, path)
    assert tagged.get("/after").status == 200
    assert tagged.get("/sitemap").cache == "HIT"
    assert tagged.get("/before", host=HOST).headers["Location"].endswith("/after")
