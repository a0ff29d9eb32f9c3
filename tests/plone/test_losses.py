"""Data that is lost, and backups that rot: nothing of it stays green."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.plone import test_backups as base
from tests.support.plonesite import PloneSite

pytestmark = [base.pytestmark, pytest.mark.slow]
kept = base.kept
copied = base.copied


def data_file(site: PloneSite) -> Path:
    return site.folder / "var/filestorage/Data.fs"


def edit(site: PloneSite) -> None:
    base.upload(site, f"more-{os.urandom(4).hex()}")
    # Names of backups are seconds.
    time.sleep(1.1)


@pytest.fixture
def stopped(kept: PloneSite) -> Iterator[PloneSite]:
    """Give the site at rest; its data are put back afterwards."""
    kept.stack("down").good()
    var = kept.folder / "var"
    for name in ("filestorage", "blobstorage"):
        shutil.copytree(var / name, var / f"{name}-saved")
    yield kept
    kept.stack("down").good()
    for name in ("filestorage", "blobstorage"):
        shutil.rmtree(var / name)
        (var / f"{name}-saved").rename(var / name)
    kept.stack("up").good()


def far_names(target: Path) -> list[str]:
    return sorted(one.name for one in target.glob("[0-9]*"))


@base.WITH_COPIES
def test_a_database_that_has_lost_everything_is_not_backed_up(
    copied: tuple[PloneSite, Path], stopped: PloneSite
) -> None:
    site, target = copied
    before, near = far_names(target), sorted(base.folders(site)["data"].iterdir())
    for name in ("filestorage", "blobstorage"):
        shutil.rmtree(site.folder / "var" / name)
        (site.folder / "var" / name).mkdir(mode=0o700)
    site.stack("up").good()
    for _ in range(2):
        said = site.stack("backup")
        assert said.status == 1
        assert "has lost data since the backup" in said.errors
        assert "objects, it had" in said.errors
        assert site.stack("sync-backup").status == 1
    assert far_names(target) == before
    assert sorted(base.folders(site)["data"].iterdir()) == near
    assert site.stack("status").status == 1
    # Who meant it says so.
    time.sleep(1.1)
    site.stack("backup", "--accept-shrink").good()
    assert base.job(site, "backup")["ok"]


def test_a_database_that_zeo_cut_off_is_not_backed_up(stopped: PloneSite) -> None:
    path = data_file(stopped)
    os.truncate(path, path.stat().st_size // 2)
    for one in path.parent.glob("Data.fs.*"):
        one.unlink()
    stopped.stack("up").good()
    said = stopped.stack("backup")
    assert said.status == 1
    assert "its last transaction is of" in said.errors


def test_a_database_with_damaged_headers_is_not_backed_up(stopped: PloneSite) -> None:
    edit_at = data_file(stopped).stat().st_size - 3
    base._flip(data_file(stopped), edit_at)
    said = stopped.stack("backup")
    assert said.status == 1
    assert "Traceback" not in said.text
    assert not base.job(stopped, "backup")["ok"]


def test_a_blob_that_vanished_without_a_pack_is_named(stopped: PloneSite) -> None:
    lost = next((stopped.folder / "var/blobstorage").rglob("*.blob"))
    lost.unlink()
    said = stopped.stack("backup")
    assert said.status == 1
    assert lost.name in said.errors
    assert "is gone" in said.errors


def test_a_blob_that_changed_under_its_name_is_named(stopped: PloneSite) -> None:
    changed = next((stopped.folder / "var/blobstorage").rglob("*.blob"))
    text = changed.read_bytes()
    changed.unlink()
    changed.write_bytes(text[:-1] + b"?")
    said = stopped.stack("backup")
    assert said.status == 1
    assert f"{changed.name} has changed" in said.errors


def test_a_rotten_chain_is_replaced_by_a_full_one(kept: PloneSite) -> None:
    base._flip_data(kept)
    edit(kept)
    said = kept.stack("backup").good()
    assert "has rotted" in said.errors
    assert "a new full one" in said.output
    assert len(list(base.folders(kept)["data"].glob("*.fsz"))) == 1
    assert list((kept.folder / "var/backups-rotten").rglob("*.fsz"))
    said, report = base.verify(kept)
    assert report["ok"], report
    # The next one follows it.
    edit(kept)
    assert "full" not in kept.stack("backup").good().output


def test_a_full_one_can_be_asked_for(kept: PloneSite) -> None:
    edit(kept)
    assert "a new full one" in kept.stack("backup", "--full").good().output
    assert base.verify(kept)[1]["ok"]


def test_a_rotten_copy_of_a_blob_is_copied_afresh(kept: PloneSite) -> None:
    name = base._flip_blob(kept)
    assert not base.verify(kept)[1]["ok"]
    edit(kept)
    kept.stack("backup").good()
    _, report = base.verify(kept)
    assert report["ok"], report
    assert name in {one.name for one in base.blobs(kept)}


def _all_backups(site: PloneSite) -> None:
    for name in ("data", "blobs"):
        shutil.rmtree(base.folders(site)[name])


def _last_line(site: PloneSite) -> None:
    path = base.newest(site, "dat")
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-1]))


def _newest_increment(site: PloneSite) -> None:
    _last_line(site)
    one = base.newest(site, "deltafsz")
    one.unlink()
    manifests = base.folders(site)["manifests"]
    (manifests / f"{one.name.partition('.')[0]}.json.gz").unlink()


def _link_to_the_blobs(site: PloneSite) -> None:
    folder = (base.folders(site)["blobs"] / "latest").resolve() / "blobstorage"
    elsewhere = site.folder / "blobs-elsewhere"
    shutil.rmtree(elsewhere, ignore_errors=True)
    folder.rename(elsewhere)
    folder.symlink_to(elsewhere)


# The rest is in tests/ctl/backups/test_drill.py.
@pytest.mark.parametrize(
    "loss",
    [
        _all_backups,
        _newest_increment,
        _link_to_the_blobs,
    ],
)
def test_what_is_no_longer_there_is_red_at_once(
    kept: PloneSite, loss: Callable[[PloneSite], None]
) -> None:
    assert kept.stack("status").status == 0
    loss(kept)
    shown = kept.stack("status")
    assert shown.status == 1
    assert "backup: FAILED" in shown.output
    said = kept.stack("verify-backup")
    assert said.status == 1
    assert "Traceback" not in said.text
    # And the next backup mends it, with a word.
    edit(kept)
    said = kept.stack("backup")
    assert "Traceback" not in said.text
    assert said.status == 0, said.text
    assert base.verify(kept)[1]["ok"]
    assert kept.stack("status").status == 0


def test_a_link_to_a_blob_is_no_copy(kept: PloneSite) -> None:
    one = base.blobs(kept)[0]
    elsewhere = kept.folder / one.name
    shutil.copy(one, elsewhere)
    one.unlink()
    one.symlink_to(elsewhere)
    assert not base.verify(kept)[1]["ok"]


def test_damage_to_the_live_database_is_seen_by_the_weekly_run(
    stopped: PloneSite,
) -> None:
    path = data_file(stopped)
    # In the text of some object.
    place = path.read_bytes().index(b"plone.app")
    base._flip(path, place)
    said, report = base.verify(stopped)
    assert said.status == 1
    assert any(f"changed at byte {place}" in one for one in report["troubles"])


def test_a_question_is_no_verdict_about_the_last_run(kept: PloneSite) -> None:
    kept.stack("verify-backup").good()
    assert kept.stack("verify-backup", "--date", "2020-01-01").status == 1
    assert base.job(kept, "verify")["ok"]
    assert kept.stack("sync-backup").status == 1
    assert "sync: FAILED" not in kept.stack("status").text


@base.WITH_COPIES
def test_a_quiet_site_is_copied_again_and_again(
    copied: tuple[PloneSite, Path],
) -> None:
    site, target = copied
    site.stack("backup").good()
    site.stack("sync-backup").good()
    before = far_names(target)
    for _ in range(2):
        time.sleep(1.1)
        site.stack("backup").good()
        site.stack("sync-backup").good()
    assert far_names(target) == before


@base.WITH_COPIES
def test_a_copy_from_the_future_stops_everything(
    copied: tuple[PloneSite, Path],
) -> None:
    site, target = copied
    (target / "2099-01-01-00-00-00").mkdir()
    before = far_names(target)
    edit(site)
    site.stack("backup").good()
    said = site.stack("sync-backup")
    assert said.status == 1
    assert "2099-01-01-00-00-00" in said.errors
    assert "elete" not in said.errors.replace("copied or deleted", "")
    assert far_names(target) == before


@base.WITH_COPIES
def test_a_far_copy_that_is_not_whole_is_sent_again(
    copied: tuple[PloneSite, Path],
) -> None:
    site, target = copied
    (name,) = far_names(target)
    one = next((target / name).rglob("*.deltafsz"))
    one.unlink()
    site.stack("sync-backup").good()
    assert far_names(target) == [name]
    assert one.exists()
    assert base.generations(target) == [name]


@base.WITH_COPIES
def test_nothing_is_copied_after_a_red_verification(
    copied: tuple[PloneSite, Path],
) -> None:
    site, target = copied
    before = far_names(target)
    base._flip_blob(site)
    assert site.stack("verify-backup").status == 1
    said = site.stack("sync-backup")
    assert said.status == 1
    assert "the last verification was not good" in said.errors
    assert far_names(target) == before


def test_the_database_of_another_site_is_no_backup(kept: PloneSite) -> None:
    kept.configure(sites="www.example.com /Elsewhere")
    kept.buildout().good()
    kept.stack("reload")
    _, report = base.verify(kept)
    assert any("none of the sites: /Elsewhere" in one for one in report["troubles"])
