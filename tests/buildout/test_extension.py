"""Pieces of the extension; its whole work is in the scenarios."""

from __future__ import annotations

from typing import Any

import pytest
from zc.buildout.testing import Buildout

from collective.recipe.productionstack.buildout import extension
from collective.recipe.productionstack.buildout import guards
from collective.recipe.productionstack.buildout import sections
from collective.recipe.productionstack.buildout.clones import own_name
from collective.recipe.productionstack.model.storage import file_variables


@pytest.fixture
def buildout(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Give a buildout whose sections are plain: no recipe is loaded."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(guards, "hold_lock", lambda _directory: None)
    made = Buildout()
    made["buildout"]["extensions"] = "collective.recipe.productionstack"
    return made


def put(buildout: Any, **found: dict[str, str]) -> None:
    """Put raw sections into a buildout and list them."""
    buildout._raw.update(found)
    buildout["buildout"]["parts"] = " ".join(found)
    buildout._raw["buildout"]["parts"] = " ".join(found)


ZOPE = {"recipe": "plone.recipe.zope2instance", "zeo-client": "true"}
STACK = {"recipe": "collective.recipe.productionstack", "sites": "a.example /P"}


@pytest.mark.parametrize(
    ("value", "is_file", "expected"),
    [
        ("/b/var/log/instance.log", True, "/b/var/log/instance1.log"),
        ("/srv/instance/log/instance.log", True, "/srv/instance/log/instance1.log"),
        ("/b/var/log/event.log", True, "/b/var/log/event-instance1.log"),
        ("zope", False, "zope-instance1"),
        ("run-instance", False, "run-instance1"),
    ],
)
def test_own_name(value: str, expected: str, *, is_file: bool) -> None:
    """What two clients may not share gets the clone's name."""
    assert own_name(value, "instance", "instance1", is_file=is_file) == expected


@pytest.mark.parametrize(
    ("recipe", "expected"),
    [
        ("plone.recipe.zeoserver", "plone-recipe-zeoserver"),
        ("plone.recipe.zeoserver[zrs] >=3:default", "plone-recipe-zeoserver"),
        ("Plone_Recipe.ZEOserver==4", "plone-recipe-zeoserver"),
        ("", ""),
    ],
)
def test_distribution(recipe: str, expected: str) -> None:
    """A recipe is known in every way to write it."""
    assert sections.distribution(recipe) == expected


def test_clones(buildout: Any) -> None:
    """N clients come from the one part, which becomes the debug client."""
    put(
        buildout,
        instance=ZOPE | {"http-address": "8080", "event-log": "/x/instance.log"},
        stack=STACK | {"clients": "2"},
    )
    extension.load(buildout)
    assert sections.listed(buildout) == ["instance", "instance1", "instance2", "stack"]
    raw = buildout._raw
    assert raw["stack"]["clients"] == "instance1 instance2"
    assert raw["stack"]["debug-client"] == "instance"
    assert raw["instance2"] == {
        "<": "instance",
        "http-address": "127.0.0.1:8082",
        "event-log": "/x/instance2.log",
    }


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (None, []),
        ("A 1 B 2", ["A 1", "B 2"]),
        ("\nA 1\nB two words", ["A 1", "B two words"]),
        ("A 1", ["A 1"]),
    ],
)
def test_clients_are_told_how_to_name_files(
    buildout: Any, given: str | None, kept: list[str]
) -> None:
    """Beside what the user has set, however that is written."""
    zope = ZOPE if given is None else ZOPE | {"environment-vars": given}
    put(
        buildout,
        zeoserver={"recipe": "plone.recipe.zeoserver"},
        instance=dict(zope),
        stack=STACK | {"xsendfile": "on"},
    )
    extension.load(buildout)
    blobs = f"{buildout['buildout']['directory']}/var/blobstorage"
    value = buildout._raw["instance"]["environment-vars"]
    lines = [one for one in value.splitlines() if one]
    assert lines == [*kept, *file_variables(blobs)]
    assert buildout._raw["instance"]["shared-blob"] == "on"


def test_who_has_told_them_himself_is_left_alone(buildout: Any) -> None:
    """Also where that is another thing."""
    own = "XSENDFILE_RESPONSEHEADER X-Sendfile"
    put(
        buildout,
        zeoserver={"recipe": "plone.recipe.zeoserver"},
        instance=ZOPE | {"environment-vars": own},
        stack=STACK | {"xsendfile": "on"},
    )
    extension.load(buildout)
    assert buildout._raw["instance"]["environment-vars"] == own


def test_loaded_twice(buildout: Any) -> None:
    """An editable installation loads the extension twice: the second does nothing."""
    put(buildout, instance=dict(ZOPE), stack=STACK | {"clients": "1"})
    extension.load(buildout)
    before = {name: dict(values) for name, values in buildout._raw.items()}
    extension.load(buildout)
    assert {name: dict(values) for name, values in buildout._raw.items()} == before


@pytest.mark.parametrize(
    "extensions", ["", "mr.developer", "collective.recipe.productionstackx"]
)
def test_not_listed(buildout: Any, extensions: str) -> None:
    """buildout loads every installed extension; this one then does nothing."""
    buildout["buildout"]["extensions"] = extensions
    put(buildout, instance=dict(ZOPE), stack=STACK | {"clients": "1"})
    extension.load(buildout)
    assert sections.listed(buildout) == ["instance", "stack"]


def test_nothing_of_ours(buildout: Any) -> None:
    """Without a part of ours no other part is touched."""
    put(buildout, instance=dict(ZOPE))
    extension.load(buildout)
    assert buildout._raw["instance"] == ZOPE


def test_views_make_no_parts(buildout: Any) -> None:
    """References are resolved from what stands there; what is unknown stays."""
    put(
        buildout,
        ports={"base": "80", "zope": "${:base}81"},
        one={
            "recipe": "nobody.has.this",
            "a": "${ports:zope}",
            "name": "${:_buildout_section_name_}",
            "dir": "${buildout:directory}/x",
            "later": "${two:location}",
            "loop": "${:loop}",
            "plain": "$${not:this}",
        },
        two={"recipe": "nobody.has.this.either"},
    )
    found = sections.view(buildout, "one")
    assert found["a"] == "8081"
    assert found["name"] == "one"
    assert found["dir"] == buildout["buildout"]["directory"] + "/x"
    assert found["later"] == "${two:location}"
    assert found["loop"] == "${:loop}"
    assert found["plain"] == "$${not:this}"
    assert buildout._parts == []
