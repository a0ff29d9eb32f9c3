"""Copies in repositories of the real restic."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from collective.recipe.productionstack.ctl.backups.far.proving import Share
from collective.recipe.productionstack.ctl.jobs import outcomes
from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.machine.run import Result
from collective.recipe.productionstack.machine.run import run
from tests.support import ports
from tests.support import sshd
from tests.support.kept import Kept

DAYS = ("2026-11-22-04-05-06", "2026-11-23-04-05-06", "2026-11-24-04-05-06")
WORD = "a-secret-word"


@pytest.fixture
def repository(kept: Kept) -> Path:
    """Give the folder of a repository that is not there yet."""
    sshd.needed("restic")
    secret = kept.folder / "password"
    secret.write_text(f"{WORD}\n")
    secret.chmod(0o600)
    folder = kept.folder / "far"
    kept.configure(sync_target=(f"restic:{folder}",), sync_password_file=str(secret))
    return folder


def restic(kept: Kept, *words: str, address: object = "") -> Result:
    env = {
        **os.environ,
        "RESTIC_REPOSITORY": str(address or kept.folder / "far"),
        "RESTIC_PASSWORD_FILE": str(kept.folder / "password"),
        "RESTIC_CACHE_DIR": str(kept.folder / "cache"),
    }
    done = run(("restic", *words), env=env, timeout=120)
    assert done.ok, done.text
    return done


def count(kept: Kept, address: object = "") -> int:
    said = restic(kept, "snapshots", "--json", address=address).output
    return said.count('"short_id"')


def damage(repository: Path) -> None:
    """Change a byte in what restic has stored."""
    for pack in (repository / "data").rglob("*"):
        if pack.is_file():
            data = bytearray(pack.read_bytes())
            data[len(data) // 2] ^= 0x55
            pack.chmod(0o600)
            pack.write_bytes(data)


def test_a_backup_is_saved_proven_and_can_be_restored(
    kept: Kept, repository: Path
) -> None:
    kept.copy_days(*DAYS[:2])
    assert count(kept) == 2
    said = kept.run("sync-backup")
    assert said.ok, said.text
    assert f"{DAYS[1]} at restic:{repository}, " in said.output
    assert count(kept) == 2

    target = kept.folder / "back"
    restic(kept, "restore", "latest", "--target", str(target))
    said = kept.run("verify-backup", "--from", str(target))
    assert said.ok, said.text
    assert f"in {target} {DAYS[1]}: " in said.output
    assert "2 blobs are all there" in said.output

    said = kept.run("verify-backup", "--from", "far")
    assert said.ok, said.text
    damage(repository)
    said = kept.run("verify-backup", "--from", f"restic:{repository}")
    assert said.status == 1
    assert f"restic:{repository} is NOT good" in said.errors


def test_what_has_not_changed_is_not_sent_again(kept: Kept, repository: Path) -> None:
    kept.copy_days(*DAYS[:1])
    before = len(list((repository / "data").rglob("*")))
    kept.copy_days(DAYS[1])
    # The same database and blobs: only lists and trees are new.
    stats = restic(kept, "stats", "--mode", "raw-data", "--json").output
    assert count(kept) == 2
    assert len(list((repository / "data").rglob("*"))) <= before + 4, stats
    restic(kept, "forget", "latest")
    assert f"{DAYS[1]} is gone from restic:{repository}" in kept.prove(Share())


def test_old_ones_expire_pinned_and_others_do_not(kept: Kept, repository: Path) -> None:
    kept.configure(sync_keep=0, sync_calendar=(1, 0, 0))
    kept.copy_days(DAYS[0])
    restic(kept, "tag", "--add", "pinned", "latest")
    restic(kept, "backup", "-q", str(kept.folder / "bin"), "--tag", "not-ours")
    kept.copy_days(*DAYS[1:])
    found = restic(kept, "snapshots", "--json").output
    assert found.count('"short_id"') == 3
    assert "pinned" in found
    assert "not-ours" in found
    assert "2026-11-23T" not in found


def test_nothing_expires_while_the_check_is_red(kept: Kept, repository: Path) -> None:
    kept.configure(sync_keep=1)
    kept.copy_days(DAYS[0])
    for index in (repository / "index").iterdir():
        index.chmod(0o600)
        index.write_bytes(b"rot")
    kept.make(DAYS[1])
    with pytest.raises(ControlError, match="restic"):
        kept.sync()
    assert len(list((repository / "snapshots").iterdir())) >= 1


def test_it_is_made_only_where_there_is_none(kept: Kept, repository: Path) -> None:
    kept.copy_days(DAYS[0])
    repository.rename(kept.folder / "unmounted")
    with pytest.raises(ControlError, match=r"held 1 copies .* is gone"):
        kept.sync()
    assert not repository.exists()
    (kept.folder / "unmounted").rename(repository)
    secret = kept.folder / "password"
    secret.write_text("another\n")
    with pytest.raises(ControlError, match="wrong password"):
        kept.sync()
    kept.configure(sync_target=("restic:rest:http://127.0.0.1:1/x",))
    with pytest.raises(ControlError, match="connection refused"):
        kept.sync()


def test_a_password_that_others_can_read_is_refused(
    kept: Kept, repository: Path
) -> None:
    kept.make(DAYS[0])
    secret = kept.folder / "password"
    secret.chmod(0o640)
    said = kept.run("sync-backup")
    assert said.status == 1
    assert f"sync-password-file = {secret}: others may read it" in said.errors
    assert f"chmod 600 {secret}" in said.errors
    secret.unlink()
    said = kept.run("sync-backup")
    assert f"sync-password-file = {secret}: there is no such file" in said.errors
    assert not repository.exists()


def test_without_restic_it_says_how_to_get_it(kept: Kept, repository: Path) -> None:
    kept.make(DAYS[0])
    empty = kept.folder / "empty"
    empty.mkdir()
    said = kept.run("sync-backup", env={"PATH": str(empty)})
    assert said.status == 1
    assert "there is no restic. On Debian: apt-get install restic" in said.errors


def test_over_sftp_with_the_key(kept: Kept, far: dict[str, str]) -> None:
    sshd.needed("restic")
    secret = kept.folder / "password"
    secret.write_text(f"{WORD}\n")
    secret.chmod(0o600)
    address = f"sftp:{far['target']}"
    kept.configure(
        sync_target=(f"restic:{address}",),
        sync_key=far["key"],
        sync_password_file=str(secret),
    )
    kept.make(DAYS[0])
    said = kept.over_ssh(far, "sync-backup")
    assert said.ok, said.text
    assert Path(far["folder"], "config").exists()


@contextmanager
def append_only(folder: Path) -> Iterator[str]:
    """Give the address of a server that lets nothing be deleted."""
    sshd.needed("rclone")
    (port,) = ports.take(1)
    words = ("rclone", "serve", "restic", "--append-only", "--user", "me")
    address = f"127.0.0.1:{port}"
    env = {**os.environ, "RCLONE_PASS": WORD, "RCLONE_CONFIG": "/dev/null"}
    command = (*words, "--addr", address, str(folder))
    with subprocess.Popen(command, env=env, stderr=subprocess.DEVNULL) as server:
        try:
            _wait_for(port)
            yield f"rest:http://{address}/"
        finally:
            server.terminate()
    ports.give_back((port,))


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        else:
            return


def test_where_nothing_can_be_deleted_it_is_said_and_not_red(
    kept: Kept, repository: Path
) -> None:
    repository.mkdir()
    with append_only(repository) as address:
        secrets = Path(kept.folders.var, "restic.env")
        secrets.write_text(f"RESTIC_REST_USERNAME=me\nRESTIC_REST_PASSWORD={WORD}\n")
        kept.configure(sync_target=(f"restic:{address}",), sync_keep=1)
        kept.make(DAYS[0])
        with pytest.raises(ControlError, match="others may read it"):
            kept.sync()
        secrets.chmod(0o600)
        kept.sync()
        kept.make(DAYS[1])
        said = kept.run("sync-backup")
        assert said.ok, said.text
        assert "what has expired may not be deleted there" in said.output
        assert count(kept) == 2
        secrets.write_text(f"RESTIC_REST_USERNAME=me\nRESTIC_REST_PASSWORD={WORD}x\n")
        said = kept.run("sync-backup")
        assert said.status == 1
        assert WORD not in said.text
    stamp = outcomes.load(kept.stack, "sync")
    assert stamp is not None
    assert WORD not in stamp.verdict
