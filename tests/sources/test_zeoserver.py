"""What we say of ``plone.recipe.zeoserver`` parts is what that recipe writes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from collective.recipe.productionstack.model.storage import Storage
from collective.recipe.productionstack.sources import zeoserver
from collective.recipe.productionstack.sources.reading import Places
from collective.recipe.productionstack.sources.reading import UnreadableError
from collective.recipe.productionstack.sources.reading import listener
from tests.support.buildouts import Buildouts
from tests.support.buildouts import Site
from tests.support.buildouts import a_site

CASES = {
    "defaults": {},
    "port": {"zeo-address": "8101"},
    "host": {"zeo-address": "127.0.0.1:8102"},
    "socket": {"zeo-address": "@DIR@/var/zeo.sock"},
    "var": {"var": "@DIR@/elsewhere"},
    "storage-relative": {"file-storage": "data/Data.fs", "blob-storage": "data/blobs"},
    "storage-absolute": {
        "file-storage": "@DIR@/data/Data.fs",
        "blob-storage": "@DIR@/data/blobs",
    },
    "no-blobs": {"blob-storage": ""},
    "level-warn": {"zeo-log-level": "WARN"},
    "level-number": {"zeo-log-level": "40"},
    "level-debug": {"zeo-log-level": "debug"},
    "log-relative": {"zeo-log": "log/other.log"},
    "log-absolute": {"zeo-log": "@DIR@/zeo.log"},
    "log-max-size": {"zeo-log-max-size": "5MB", "zeo-log-old-files": "3"},
    "pid": {"pid-file": "@DIR@/zeo.pid"},
    "pack": {"zeopack-script-name": "pack-it"},
    "number": {"storage-number": "2", "pack-keep-old": "false"},
}
SHARED = {"zeopack-script-name": "zeopack-{}", "repozo-script-name": "repozo-{}"}


@pytest.fixture(scope="module")
def site(buildouts: Buildouts) -> Iterator[Site]:
    """Build every case in one run."""
    with a_site(buildouts) as one:
        lines = ["[buildout]", f"parts = {' '.join(CASES)}"]
        for name, options in CASES.items():
            lines += [f"[{name}]", "recipe = plone.recipe.zeoserver"]
            lines += [f"{key} = {v}" for key, v in whole(name, options).items()]
        one.built("\n".join(lines).replace("@DIR@", str(one.folder)) + "\n")
        yield one


def whole(name: str, options: dict[str, str]) -> dict[str, str]:
    """Return a case's options, with scripts that no other case overwrites."""
    return {key: text.format(name) for key, text in SHARED.items()} | options


def read(site: Site, name: str) -> Storage:
    """Return what we say of a case."""
    folder = str(site.folder)
    places = Places(directory=folder, bin=f"{folder}/bin", parts=f"{folder}/parts")
    options = {
        k: v.replace("@DIR@", folder) for k, v in whole(name, CASES[name]).items()
    }
    return zeoserver.read(name, options, places)


def written(site: Site, name: str) -> str:
    """Return the zeo.conf of a case."""
    return (site.folder / "parts" / name / "etc/zeo.conf").read_text("utf-8")


def value(conf: str, key: str, section: str = "") -> str:
    """Return a value of a zeo.conf, nothing where there is none."""
    part = conf.partition(f"<{section}")[2] if section else conf
    found = re.search(rf"(?m)^ *{key} (.*)$", part)
    return found[1].strip() if found else ""


@pytest.mark.parametrize("name", CASES)
def test_storage(site: Site, name: str) -> None:
    """Address, database and blobs are where the recipe puts them."""
    storage, conf = read(site, name), written(site, name)
    # A port alone is every interface to ZConfig.
    assert storage.address == listener(value(conf, "address", "zeo"), "0.0.0.0")
    assert storage.data_file == value(conf, "path", "filestorage")
    assert storage.blob_dir == value(conf, "blob-dir")


@pytest.mark.parametrize("name", CASES)
def test_log(site: Site, name: str) -> None:
    """The log is rotated where ZEO does not do it itself, and the signal finds it."""
    storage, conf = read(site, name), written(site, name)
    rotates_itself = bool(value(conf, "max-size"))
    assert len(storage.logs) == (0 if rotates_itself else 1)
    for log in storage.logs:
        assert log.path == value(conf, "path", "logfile")
        assert log.pid_file == value(conf, "pid-filename")


@pytest.mark.parametrize("name", CASES)
def test_quiet(site: Site, name: str) -> None:
    """A connection leaves no line in the log where its level is above info."""
    level = value(written(site, name), "level", "eventlog").lower()
    loud = level in {"info", "debug"}
    assert read(site, name).quiet_log is not loud


@pytest.mark.parametrize("name", CASES)
def test_scripts(site: Site, name: str) -> None:
    """What is run and what is packed with exists."""
    storage = read(site, name)
    assert Path(storage.command[0]).is_file()
    assert Path(storage.pack_script).is_file()
    for path in storage.files:
        assert Path(path).is_file()


def test_faulty_address() -> None:
    """An address that ZEO would refuse names its option."""
    places = Places(directory="/b", bin="/b/bin", parts="/b/parts")
    with pytest.raises(UnreadableError) as error:
        zeoserver.read("zeo", {"zeo-address": "127.0.0.1:99999"}, places)
    assert error.value.option == "zeo-address"


def test_values_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """ZConfig puts them in at each start; what is not set is no address."""
    monkeypatch.setenv("ZEO_HOST", "10.0.0.5")
    assert str(listener("$(ZEO_HOST):8100", "-")) == "10.0.0.5:8100"
    with pytest.raises(ValueError, match=r"\$\(ZEO_GONE\) is not set"):
        listener("$(ZEO_GONE):8100", "-")
