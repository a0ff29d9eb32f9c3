"""What cron starts: backup, pack, rotation, each as cron starts it."""

from __future__ import annotations

import base64
import json
import os
import socket
import subprocess
from functools import partial
from pathlib import Path

from tests.support.plonesite import Editor
from tests.support.plonesite import PloneSite
from tests.support.plonesite import Timed


def _lines(site: PloneSite) -> dict[str, str]:
    """Return each job's command as cron hands it to the shell."""
    lines = (site.folder / "etc/stack/crontab").read_text().splitlines()
    commands = [
        line.split(None, 5)[5].replace("\\%", "%")
        for line in lines
        if line[:1].isdigit()
    ]
    words = ("quiet pack", "quiet verify-backup", "quiet backup", "/logrotate")
    found = {}
    for command in commands:
        word = next(one for one in words if one in command)
        found[word.removeprefix("quiet ").removeprefix("/")] = command
    return found


def _as_cron(site: PloneSite, command: str) -> Timed:
    words = ("HOME=/tmp", "LOGNAME=nobody", "SHELL=/bin/sh", "PATH=/usr/bin:/bin")
    done = subprocess.run(
        ("env", "-i", *words, "/bin/sh", "-c", f"umask 022; cd /; {command}"),
        capture_output=True,
        check=False,
        encoding="utf-8",
        stdin=subprocess.DEVNULL,
        timeout=120,
    )
    return Timed(done.returncode, done.stdout, done.stderr, 0)


def _assert_silent(done: Timed) -> None:
    assert (done.status, done.output, done.errors) == (0, "", "")


def test_every_job_has_its_line(live: PloneSite) -> None:
    assert _lines(live).keys() == {"backup", "pack", "verify-backup", "logrotate"}


def test_the_pack_is_silent_and_packs(live: PloneSite, editor: Editor) -> None:
    data = live.folder / "var/filestorage/Data.fs"
    live.make("Document", "packed")
    for number in range(3):
        editor.edit("/packed", f"Title {number}")
    command = _lines(live)["pack"]
    _assert_silent(_as_cron(live, command))
    # By default it keeps what a day has brought; there is nothing older here.
    old = data.stat().st_ino
    live.run("bin/zeopack", "-D", "0").good()
    assert data.stat().st_ino != old
    assert (data.parent / "Data.fs.old").stat().st_ino == old
    assert live.serves()


def test_the_backup_holds_data_and_blobs(live: PloneSite) -> None:
    word = os.urandom(12).hex()
    content = base64.b64encode(f"a file with {word}".encode()).decode()
    upload = {"data": content, "encoding": "base64", "filename": f"{word}.txt"}
    live.make("File", f"file-{word}", file=upload)
    _assert_silent(_as_cron(live, _lines(live)["backup"]))

    restored = live.folder / "restored.fs"
    backups = live.folder / "var/backups"
    live.run("bin/repozo", "-R", "-r", str(backups), "-o", str(restored)).good()
    assert f"file-{word}".encode() in restored.read_bytes()
    blobs = live.folder / "var/blobstoragebackups/latest/blobstorage"
    texts = [path.read_bytes() for path in blobs.rglob("*.blob")]
    assert f"a file with {word}".encode() in texts


def test_a_backup_is_for_nobody_else(live: PloneSite) -> None:
    _assert_silent(_as_cron(live, _lines(live)["backup"]))
    for path in (live.folder / "var/backups").iterdir():
        assert not path.stat().st_mode & 0o007, path


def _has_text(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0


def _annoy_zeo(site: PloneSite) -> None:
    """Let ZEO write to its log."""
    with socket.socket(socket.AF_UNIX) as one:
        one.connect(str(site.folder / "var/stack/zeoserver.sock"))
        one.sendall(b"\0\0\0\4nono")
        one.settimeout(5)
        one.recv(100)


def test_after_a_rotation_lines_land_in_the_new_files(live: PloneSite) -> None:
    logs = live.folder / "var/log"
    pids = live.pids()
    names = [
        "instance1-access.log",
        "instance2-access.log",
        "stack-nginx-access.log",
        "zeoserver.log",
    ]
    for number in range(6):
        live.get(f"/?before={number}")
    _annoy_zeo(live)
    old = {name: (logs / name).stat().st_ino for name in names}
    command = _lines(live)["logrotate"].replace("logrotate -s", "logrotate -f -s", 1)
    _assert_silent(_as_cron(live, command))

    for number in range(6):
        live.get(f"/?after={number}")
    _annoy_zeo(live)
    for name in names:
        live.wait(partial(_has_text, logs / name), 5, f"a line in {name}")
        assert (logs / name).stat().st_ino != old[name]
        assert (logs / f"{name}.1").stat().st_ino == old[name]
    assert "after=5" in (logs / "stack-nginx-access.log").read_text()
    assert "after=" not in (logs / "stack-nginx-access.log.1").read_text()
    assert live.pids() == pids


def test_event_logs_are_followed_too(live: PloneSite) -> None:
    logs = live.folder / "var/log"
    paths = [logs / f"instance{number}.log" for number in (1, 2)]
    for number, path in enumerate(paths, 1):
        assert path.exists() or (logs / f"{path.name}.1").exists()
        if path.exists():
            path.rename(f"{path}.moved")
        # An error of Zope itself, past the tiers that would refuse it.
        live.get("/Plone/%ff", port=live.base + 10 + number)
        live.wait(path.exists, 5, f"a new {path.name}")


def test_rotation_works_while_nothing_runs(live: PloneSite) -> None:
    live.stack("down").good()
    _assert_silent(_as_cron(live, _lines(live)["logrotate"]))
    assert live.folder.joinpath("var/stack/logrotate.state").exists()


def _crontab() -> str:
    return subprocess.run(
        ("crontab", "-l"), capture_output=True, check=False, text=True
    ).stdout


def test_the_block_in_the_crontab(live: PloneSite, own_crontab: None) -> None:
    live.stack("cron", "install").good()
    block = live.stack("cron", "show").good().output
    assert block in _crontab()
    live.stack("cron", "remove").good()
    assert _crontab() == ""


def test_the_part_cannot_go_while_its_block_is_there(
    live: PloneSite, own_crontab: None
) -> None:
    live.stack("cron", "install").good()
    live.stack("down").good()
    live.configure(parts="zeoserver instance")
    refused = live.buildout()
    assert refused.status == 1
    assert "bin/stack cron remove" in refused.text
    assert Path(live.folder / "etc/stack/stack.json").exists()
    assert Path(live.folder / "bin/instance1").exists()
    assert json.loads((live.folder / "etc/stack/stack.json").read_text())
