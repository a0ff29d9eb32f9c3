"""Backup, verification, restore, copy and pack of the real database with its blobs."""

from __future__ import annotations

import base64
import fcntl
import gzip
import json
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lxml.html
import pytest

from tests.support import ports
from tests.support import sshd
from tests.support.plonesite import PASSWORD
from tests.support.plonesite import PloneSite
from tests.support.plonesite import Timed
from tests.support.plonesite import new_folder

# A second client would show nothing more here, and is started many times.
pytestmark = pytest.mark.configured(clients=1)
WITH_COPIES = pytest.mark.configured(
    clients=1, stack="sync-target = {folder}/far\nsync-keep = 2"
)
TEXT = "the text of a blob "


def upload(site: PloneSite, name: str, text: str = "") -> None:
    """Make a file in Plone: its text becomes a blob."""
    content = base64.b64encode((text or f"{TEXT}{name}").encode()).decode()
    values = {"data": content, "encoding": "base64", "filename": f"{name}.txt"}
    site.make("File", name, file=values)


def folders(site: PloneSite) -> dict[str, Path]:
    var = site.folder / "var"
    return {
        "data": var / "backups",
        "blobs": var / "blobstoragebackups",
        "manifests": var / "manifests/backup",
    }


SAVED = (
    *("backups", "blobstoragebackups", "manifests"),
    *("stack/jobs", "stack/backups.json"),
)


def delete(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def forget(site: PloneSite) -> None:
    """Begin without backups, without stamps, and knowing of none."""
    for name in (*SAVED, "backups-rotten"):
        delete(site.folder / "var" / name)
    for name in ("data", "blobs"):
        folders(site)[name].mkdir()


def newest(site: PloneSite, suffix: str) -> Path:
    return max(folders(site)["data"].glob(f"*.{suffix}"))


def blobs(site: PloneSite) -> list[Path]:
    latest = folders(site)["blobs"] / "latest/blobstorage"
    return sorted(latest.rglob("*.blob"))


def job(site: PloneSite, name: str) -> dict[str, Any]:
    return next(one for one in site.status()["jobs"] if one["name"] == name)


def same_inode_gone(path: Path) -> Path:
    """Make a file of its own of one that the live storage links to."""
    text = path.read_bytes()
    path.unlink()
    path.write_bytes(text)
    return path


@pytest.fixture
def kept(live: PloneSite) -> Iterator[PloneSite]:
    """Give the site with a whole backup, one increment, and files."""
    live.wait(live.is_well, 60, "the site before")
    forget(live)
    saved = live.folder / "saved"
    if not saved.exists():
        _back_up_twice(live)
        saved.mkdir()
        places = [str(live.folder / "var" / name) for name in SAVED]
        live.run("cp", "-a", *places, str(saved)).good()
    forget(live)
    for one in ("backups", "blobstoragebackups"):
        (live.folder / "var" / one).rmdir()
    for place in ("var", "var/stack"):
        names = [one for one in SAVED if ("stack/" in one) == (place == "var/stack")]
        found = [str(saved / Path(one).name) for one in names]
        live.run("cp", "-a", *found, str(live.folder / place)).good()
    script = live.folder / "bin/zeopack"
    text = script.read_text()
    yield live
    script.write_text(text)
    forget(live)


def _back_up_twice(live: PloneSite) -> None:
    name = f"file-{os.urandom(4).hex()}"
    upload(live, name)
    live.stack("backup").good()
    # Names of backups are seconds.
    time.sleep(1.1)
    upload(live, f"{name}-more")
    live.took["backup"] = live.stack("backup").good()


def test_a_backup_is_judged_and_noted(kept: PloneSite) -> None:
    said = kept.took["backup"].output
    assert "blobs" in said
    assert newest(kept, "fsz").exists()
    assert newest(kept, "deltafsz").exists()
    (latest,) = sorted(folders(kept)["manifests"].iterdir())[-1:]
    values = json.loads(gzip.decompress(latest.read_bytes()))
    assert latest.name.startswith(newest(kept, "deltafsz").name.partition(".")[0])
    assert len(values["blobs"]) == len(blobs(kept))
    shown = job(kept, "backup")
    assert shown["ok"]
    assert shown["age"] < 3000
    assert "backup: " in kept.stack("status").good().text
    metrics = kept.stack("status", "--metrics").good().output
    assert 'productionstack_job_ok{stack="stack",job="backup"} 1' in metrics
    for path in kept.folder.glob("var/manifests/backup/*"):
        assert not path.stat().st_mode & 0o007


def verify(site: PloneSite, *words: str) -> tuple[Timed, dict[str, Any]]:
    said = site.stack("verify-backup", "--json", *words)
    return said, json.loads(said.output)["backups"][0]


def test_a_good_backup_is_read_whole(kept: PloneSite) -> None:
    before = sorted(path.name for path in kept.folder.glob("var/stack/*"))
    said, report = verify(kept)
    kept.took["verify-backup"] = said
    assert said.status == 0, said.text
    assert report["ok"]
    assert report["objects"] == report["loaded"] == report["live_objects"] > 1000
    assert report["blobs"] == len(blobs(kept))
    assert report["notes"] == []
    assert sorted(path.name for path in kept.folder.glob("var/stack/*")) == before
    assert job(kept, "verify")["ok"]
    _, sampled = verify(kept, "--sample", "10")
    assert 0 < sampled["loaded"] < report["loaded"] / 2


def test_an_older_one_can_be_read_too(kept: PloneSite) -> None:
    first = newest(kept, "fsz").name.partition(".")[0]
    said, report = verify(kept, "--date", first)
    assert said.status == 0, said.text
    assert report["date"] == first
    _, last = verify(kept)
    assert report["objects"] < last["objects"]
    none = kept.stack("verify-backup", "--date", "2001-01-01")
    assert none.status == 1
    assert "there is no backup until 2001-01-01" in none.errors


def test_without_a_manifest_it_says_so(kept: PloneSite) -> None:
    shutil.rmtree(folders(kept)["manifests"])
    said, report = verify(kept)
    assert said.status == 1
    assert any("is gone or damaged" in one for one in report["troubles"])
    # One that bin/backup made by hand never had any.
    delete(kept.folder / "var/stack/backups.json")
    said, report = verify(kept)
    assert said.status == 0, said.text
    assert report["notes"][0].startswith("it has no manifest")


def _flip(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 0x20
    path.write_bytes(bytes(data))


def _flip_data(site: PloneSite) -> str:
    path = newest(site, "fsz")
    _flip(path, path.stat().st_size // 2)
    return path.name


def _drop_increment(site: PloneSite) -> str:
    path = newest(site, "deltafsz")
    path.unlink()
    return path.name


def _drop_blob(site: PloneSite) -> str:
    path = blobs(site)[0]
    path.unlink()
    return path.name


def _flip_blob(site: PloneSite) -> str:
    path = same_inode_gone(blobs(site)[0])
    _flip(path, 1)
    return path.name


DAMAGE = [_flip_data, _drop_increment, _drop_blob, _flip_blob]
"""Some of what tests/ctl/backups/damage.py has."""


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_found_and_named(kept: PloneSite, damage: Any) -> None:
    name = damage(kept)
    said, report = verify(kept)
    assert said.status == 1
    assert not report["ok"]
    assert any(name in text for text in report["troubles"]), report["troubles"]
    assert "Traceback" not in said.text
    assert "NOT good" in said.errors
    shown = kept.stack("status")
    assert shown.status == 1
    assert "verify: FAILED" in shown.text
    if damage not in {_drop_increment, _drop_blob}:
        return
    # It is no copy any more that should be copied away, either.
    target = kept.folder / "far"
    kept.configure(stack=f"sync-target = {target}")
    kept.buildout().good()
    kept.stack("reload").good()
    refused = kept.stack("sync-backup")
    assert refused.status == 1
    assert not list(target.glob("[0-9]*"))


def test_a_lost_blob_is_named_by_its_path(kept: PloneSite) -> None:
    shutil.rmtree(folders(kept)["manifests"])
    lost = [one for one in blobs(kept) if TEXT.encode() in one.read_bytes()][-1]
    name = lost.read_text().removeprefix(TEXT)
    lost.unlink()
    said, _ = verify(kept)
    assert said.status == 1
    assert f"/Plone/{name}" in said.errors


def test_every_backup_made_while_people_write_opens(kept: PloneSite) -> None:
    over = threading.Event()

    def write() -> None:
        number = 0
        while not over.is_set():
            number += 1
            upload(kept, f"busy-{os.urandom(4).hex()}", "x" * 20_000)

    writers = [threading.Thread(target=write) for _ in range(2)]
    for writer in writers:
        writer.start()
    dates = []
    try:
        for _ in range(3):
            time.sleep(1.1)
            kept.stack("backup").good()
            dates.append(max(folders(kept)["manifests"].iterdir()).name[:19])
    finally:
        over.set()
        for writer in writers:
            writer.join()
    assert len(set(dates)) == 3
    for date in dates:
        said, report = verify(kept, "--date", date)
        assert said.status == 0, said.text
        assert report["date"] == date


def test_pack_and_backup_run_one_after_the_other(kept: PloneSite) -> None:
    words = [str(kept.folder / "bin/stack")]
    started = [
        subprocess.Popen(
            [*words, verb],
            cwd=kept.folder,
            env=kept.environment(),
            stdout=subprocess.PIPE,
            text=True,
        )
        for verb in ("pack", "backup", "verify-backup", "backup")
    ]
    said = [one.communicate(timeout=200)[0] for one in started]
    assert [one.returncode for one in started] == [0, 0, 0, 0], said
    assert sum("waiting for " in one for one in said) >= 2
    assert "MB before, " in said[0]
    assert verify(kept)[0].status == 0


def test_who_does_not_want_to_wait_is_told_who_works(kept: PloneSite) -> None:
    lock = kept.folder / "var/stack/maintenance.lock"
    with lock.open("a") as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        said = kept.stack("backup", "--wait", "1")
    assert said.status == 1
    assert "still works on the database" in said.errors
    assert not job(kept, "backup")["ok"]
    kept.stack("backup").good()
    assert job(kept, "backup")["ok"]


@pytest.mark.parametrize(
    "verb",
    [
        "backup",
        *(
            pytest.param(one, marks=pytest.mark.slow)
            for one in ("verify-backup", "pack")
        ),
    ],
)
def test_a_killed_job_loses_nothing(kept: PloneSite, verb: str) -> None:
    for delay in (0.2, 0.35, 0.5):
        one = subprocess.Popen(
            [str(kept.folder / "bin/stack"), verb],
            cwd=kept.folder,
            env=kept.environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(delay)
        one.send_signal(signal.SIGKILL)
        one.wait()
    kept.stack("backup").good()
    said, _ = verify(kept)
    assert said.status == 0, said.text
    assert not list(kept.folder.glob("var/stack/scratch-*"))
    assert kept.serves()


@pytest.mark.slow
def test_without_zeo_a_backup_is_made_and_a_pack_is_refused(kept: PloneSite) -> None:
    kept.stack("down").good()
    try:
        kept.stack("backup").good()
        said = kept.stack("pack")
        assert said.status == 1
        assert "does not answer" in said.errors
    finally:
        kept.stack("up").good()
    assert not job(kept, "pack")["ok"]
    kept.stack("pack").good()


def test_a_restore_brings_the_same_pages_back(kept: PloneSite) -> None:
    refused = kept.stack("restore", "--yes")
    assert refused.status == 1
    assert "bin/stack down first" in refused.errors
    staging = str(kept.folder / "staging")
    assert "Add --yes" in kept.stack("restore", "--to", staging).errors
    kept.make("Document", "too-late")
    kept.stack("down").good()
    data = kept.folder / "var/filestorage/Data.fs"
    before = data.read_bytes()
    kept.took["restore"] = kept.stack("restore", "--yes").good()
    (aside,) = kept.folder.glob("var/filestorage/replaced-*")
    assert (aside / "Data.fs").read_bytes() == before
    kept.stack("up").good()
    kept.wait(kept.is_well, 60, "the restored site")
    assert kept.get("/too-late").status == 404
    lost = [one for one in blobs(kept) if TEXT.encode() in one.read_bytes()][-1]
    name = lost.read_text().removeprefix(TEXT)
    page = kept.api("GET", f"/{name}/@@download/file")
    assert page.text == f"{TEXT}{name}"


@pytest.mark.slow
def test_a_fresh_buildout_shows_the_same_pages(kept: PloneSite) -> None:
    file = next(one for one in blobs(kept) if TEXT.encode() in one.read_bytes())
    name = file.read_text().removeprefix(TEXT)
    pages = ("/", "/@@search", f"/{name}/view")
    before = [kept.get(path).text for path in pages]
    other = PloneSite(new_folder(), ports.take()[0])
    try:
        other.bootstrap()
        other.buildout().good()
        for folder in ("backups", "blobstoragebackups", "manifests"):
            target = other.folder / "var" / folder
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(kept.folder / "var" / folder, target, symlinks=True)
        other.stack("restore", "--yes").good()
        other.stack("up").good()
        old, new = f":{kept.base}", f":{other.base}"
        after = [other.get(path).text.replace(new, old) for path in pages]
        assert [_words(one) for one in after] == [_words(one) for one in before]
        text = other.get(f"/{name}/@@download/file").text
        assert text == f"{TEXT}{name}"
    finally:
        other.end()


def _words(page: str) -> str:
    """Return what a reader sees of a page."""
    return " ".join(lxml.html.fromstring(page).text_content().split())


@pytest.mark.slow
def test_a_restore_that_fails_leaves_everything(kept: PloneSite) -> None:
    _drop_blob(kept)
    kept.stack("down").good()
    data = kept.folder / "var/filestorage/Data.fs"
    before = sorted(str(one) for one in (kept.folder / "var").rglob("*.blob"))
    inode = data.stat().st_ino
    said = kept.stack("restore", "--yes")
    assert said.status == 1
    assert "is not good; nothing was changed" in said.errors
    assert data.stat().st_ino == inode
    after = sorted(str(one) for one in (kept.folder / "var").rglob("*.blob"))
    assert after == before
    kept.stack("up").good()


@pytest.mark.slow
def test_a_killed_restore_is_healed(kept: PloneSite) -> None:
    kept.stack("down").good()
    data = kept.folder / "var/filestorage/Data.fs"
    before = data.read_bytes()
    for delay in (0.2, 0.25, 0.3, 0.35, 0.4, 0.5):
        one = subprocess.Popen(
            [str(kept.folder / "bin/stack"), "restore", "--yes"],
            cwd=kept.folder,
            env=kept.environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(delay)
        one.send_signal(signal.SIGKILL)
        one.wait()
        # What was live is somewhere, and up finds it or what was restored.
        places = [data, *data.parent.glob("replaced-*/Data.fs")]
        assert before in [one.read_bytes() for one in places if one.exists()]
    kept.stack("up").good()
    kept.wait(kept.is_well, 60, "the site after")
    assert not list(kept.folder.glob("var/**/*.restoring"))


def test_a_restore_elsewhere_touches_nothing(kept: PloneSite) -> None:
    target = kept.folder / "staging"
    said = kept.stack("restore", "--to", str(target), "--yes").good()
    assert str(target) in said.output
    data = target / "filestorage/Data.fs"
    live = kept.folder / "var/filestorage/Data.fs"
    assert live.read_bytes().startswith(data.read_bytes())
    assert not data.stat().st_mode & 0o007
    found = {one.name for one in (target / "blobstorage").rglob("*.blob")}
    assert found == {one.name for one in blobs(kept)}
    again = kept.stack("restore", "--to", str(target), "--yes")
    assert again.status == 1
    assert "is not empty" in again.errors
    shutil.rmtree(target)


@pytest.mark.slow
def test_a_full_disk_is_loud_and_heals(kept: PloneSite) -> None:
    """Files may not grow over a size: what writes gets an error, as on a full disk."""
    little = ("prlimit", "--fsize=150000", "bin/stack")
    kept.configure(stack=f"sync-target = {kept.folder}/far")
    kept.buildout().good()
    kept.stack("reload").good()
    for verb in ("verify-backup", "sync-backup"):
        said = kept.run(*little, verb)
        assert said.status == 1, said.text
        assert "Traceback (most recent call last)" not in said.text.partition("\n")[0]
        assert not list((kept.folder / "far").glob("[0-9]*"))
    staging = kept.folder / "too-little"
    said = kept.run(*little, "restore", "--to", str(staging), "--yes")
    assert said.status == 1
    assert not staging.exists()
    # A whole backup has to be written anew.
    forget(kept)
    said = kept.run(*little, "backup")
    assert said.status == 1
    assert not job(kept, "backup")["ok"]
    assert kept.stack("status").status == 1
    for verb in ("backup", "verify-backup", "sync-backup"):
        kept.stack(verb).good()
    assert kept.stack("status").status == 0
    shutil.rmtree(kept.folder / "far")


@pytest.mark.slow
def test_a_pack_without_room_is_loud_and_harms_nothing(kept: PloneSite) -> None:
    """The ZEO server may not write files of the database's size for a while."""
    # The script keeps what a day has brought, which is everything here.
    script = kept.folder / "bin/zeopack"
    text = script.read_text()
    script.write_text(re.sub(r"(?m)^days = .*$", "days = 0", text))
    assert script.read_text() != text
    data = kept.folder / "var/filestorage/Data.fs"
    before = data.read_bytes()
    victim = str(kept.pid("zeoserver"))
    kept.run("prlimit", "--pid", victim, "--fsize=100000:unlimited").good()
    try:
        said = kept.stack("pack")
    finally:
        kept.run("prlimit", "--pid", victim, "--fsize=unlimited:unlimited").good()
    assert said.status == 1
    assert "If you cannot pack your database, something is wrong with it" in (
        " ".join(said.errors.split())
    )
    assert not job(kept, "pack")["ok"]
    assert data.read_bytes() == before
    assert kept.serves()
    kept.stack("pack").good()
    assert job(kept, "pack")["ok"]
    assert data.read_bytes() != before


@pytest.fixture
def far() -> Iterator[dict[str, str]]:
    """Give another machine."""
    with sshd.machine() as one:
        yield one


def test_copies_go_over_ssh_and_survive_a_broken_network(
    kept: PloneSite, far: dict[str, str]
) -> None:
    kept.configure(stack=f"sync-target = {far['target']}\nsync-key = {far['key']}")
    kept.buildout().good()
    kept.stack("reload").good()
    words = ("env", far["path"], "bin/stack", "sync-backup")
    said = kept.run(*words).good()
    assert far["target"] in said.output
    target = Path(far["folder"])
    before = generations(target)
    assert len(before) == 1
    upload(kept, f"far-{os.urandom(4).hex()}")
    time.sleep(1.1)
    kept.stack("backup").good()
    os.kill(int(far["pid"]), signal.SIGKILL)
    said = kept.run(*words)
    assert said.status == 1
    assert "cannot be reached; the last good copy there is untouched" in said.errors
    assert generations(target) == before
    assert kept.stack("status").status == 1


@pytest.fixture
def copied(kept: PloneSite) -> Iterator[tuple[PloneSite, Path]]:
    target = kept.folder / "far"
    kept.took["sync-backup"] = kept.stack("sync-backup").good()
    yield kept, target
    shutil.rmtree(target)


def generations(target: Path) -> list[str]:
    """Return the names of all copies, interrupted ones too."""
    return sorted(one.name for one in target.iterdir() if "copies-of" not in one.name)


@pytest.mark.slow
@WITH_COPIES
def test_generations_are_whole_linked_and_few(copied: tuple[PloneSite, Path]) -> None:
    site, target = copied
    assert len(generations(target)) == 1
    for _ in range(2):
        upload(site, f"sync-{os.urandom(4).hex()}")
        time.sleep(1.1)
        site.stack("backup").good()
        site.stack("sync-backup").good()
    names = generations(target)
    assert len(names) == 2
    blob = blobs(site)[0].name
    inodes = {next((target / one).rglob(blob)).stat().st_ino for one in names}
    assert len(inodes) == 1
    again = site.stack("sync-backup").good()
    assert again.seconds < 5
    assert generations(target) == names
    assert job(site, "sync")["ok"]
    # A copy is a backup: it can be restored.
    staging = site.folder / "from-far"
    source = str(target / names[-1])
    site.stack("restore", "--from", source, "--to", str(staging), "--yes").good()
    assert (staging / "filestorage/Data.fs").exists()
    shutil.rmtree(staging)


@WITH_COPIES
def test_an_empty_source_is_never_copied(copied: tuple[PloneSite, Path]) -> None:
    site, target = copied
    before = sorted(str(one) for one in target.rglob("*"))
    for name in ("data", "blobs"):
        shutil.rmtree(folders(site)[name])
    said = site.stack("sync-backup")
    assert said.status == 1
    assert "nothing is copied" in said.errors
    assert sorted(str(one) for one in target.rglob("*")) == before


@WITH_COPIES
def test_another_stacks_copies_are_left_alone(copied: tuple[PloneSite, Path]) -> None:
    site, target = copied
    (mark,) = target.glob(".copies-of-*")
    mark.rename(target / ".copies-of-another")
    said = site.stack("sync-backup")
    assert said.status == 1
    assert "holds the copies of another stack" in said.errors
    assert all(path.stat().st_mode & 0o077 == 0 for path in target.glob("[0-9]*"))


@pytest.mark.slow
@WITH_COPIES
def test_a_killed_copy_is_gone_on_with(copied: tuple[PloneSite, Path]) -> None:
    site, target = copied
    before = generations(target)
    upload(site, f"sync-{os.urandom(4).hex()}")
    time.sleep(1.1)
    site.stack("backup").good()
    for delay in (0.15, 0.25, 0.35):
        one = subprocess.Popen(
            [str(site.folder / "bin/stack"), "sync-backup"],
            cwd=site.folder,
            env=site.environment(),
            stdout=subprocess.DEVNULL,
        )
        time.sleep(delay)
        one.send_signal(signal.SIGKILL)
        one.wait()
    site.stack("sync-backup").good()
    after = generations(target)
    assert set(before) < set(after)
    assert all(one[0].isdigit() for one in after)


def test_no_secret_of_zope_lies_in_a_manifest(kept: PloneSite) -> None:
    for path in folders(kept)["manifests"].iterdir():
        assert PASSWORD.encode() not in gzip.decompress(path.read_bytes())
