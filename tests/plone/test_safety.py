"""Who may read and reach what: files, listeners, limits."""

from __future__ import annotations

import re
import stat
from pathlib import Path

from tests.support.plonesite import PASSWORD
from tests.support.plonesite import PloneSite

LISTEN = "0A"


def _inodes(pid: int) -> set[str]:
    found = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            link = str(entry.readlink())
        except OSError:
            continue
        if match := re.fullmatch(r"socket:\[(\d+)\]", link):
            found.add(match[1])
    return found


def _listeners() -> dict[str, tuple[str, int]]:
    """Return inode: address and port of every TCP listener on this machine."""
    found = {}
    for name in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == LISTEN:
                address, _, port = words[1].partition(":")
                found[words[9]] = (address, int(port, 16))
    return found


def test_everything_listens_on_the_loopback_alone(live: PloneSite) -> None:
    every = _listeners()
    ours = {
        every[inode]
        for pid in live.processes()
        for inode in _inodes(pid)
        if inode in every
    }
    assert {address for address, _ in ours} == {"0100007F"}
    ports = {port - live.base for _, port in ours}
    # nginx, Varnish's two, HAProxy's two, the clients; Varnish's own administration
    # port is any free one.
    assert {0, 2, 3, 4, 5, 11, 12} <= ports
    extra = {port for port in ports - {0, 2, 3, 4, 5, 11, 12} if 0 <= port < 20}
    assert not extra


def test_the_database_is_on_its_socket_alone(live: PloneSite) -> None:
    every = _listeners()
    assert not _inodes(live.pid("zeoserver")) & every.keys()
    path = live.folder / "var/stack/zeoserver.sock"
    assert stat.S_ISSOCK(path.stat().st_mode)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_programs_make_files_for_nobody_else(live: PloneSite) -> None:
    for pid, command in live.processes().items():
        status = Path(f"/proc/{pid}/status").read_text()
        umask = int(re.findall(r"^Umask:\s+(\d+)", status, re.MULTILINE)[0], 8)
        assert umask & 0o027 == 0o027, command


def test_programs_live_with_few_open_files(live: PloneSite) -> None:
    for pid, command in live.processes().items():
        limits = Path(f"/proc/{pid}/limits").read_text()
        assert re.search(r"^Max open files\s+1024\s+1024\s", limits, re.MULTILINE), (
            command
        )


def test_no_secret_lies_open(live: PloneSite) -> None:
    open_files = []
    for base in ("bin", "etc", "var"):
        for path in (live.folder / base).rglob("*"):
            if path.is_symlink() or not path.is_file():
                continue
            if _is_private(path, live.folder):
                continue
            if PASSWORD.encode() in path.read_bytes():
                open_files.append(path)
    assert open_files == []


def _is_private(path: Path, top: Path) -> bool:
    """Whether the file, or a folder above it, shuts everybody else out."""
    if not path.stat().st_mode & 0o004:
        return True
    above = [one for one in path.parents if one.is_relative_to(top) and one != top]
    return any(not one.stat().st_mode & 0o001 for one in above)


def test_what_the_stack_keeps_is_private(live: PloneSite) -> None:
    assert stat.S_IMODE((live.folder / "var/stack").stat().st_mode) == 0o700
    data = live.folder / "var/filestorage/Data.fs"
    assert not data.stat().st_mode & 0o007
    assert not (live.folder / "var/blobstorage").stat().st_mode & 0o007
    for pid in live.processes():
        environment = Path(f"/proc/{pid}/environ").read_bytes()
        assert PASSWORD.encode() not in environment


def test_visitors_cannot_make_zope_log_a_traceback(live: PloneSite) -> None:
    axios = {"Accept": "application/json, text/plain, */*"}
    logs = sorted((live.folder / "var/log").glob("*instance*"))
    before = {path: path.stat().st_size for path in logs}
    for method in ("PATCH", "DELETE"):
        assert live.get("/", axios, method=method, body="{}").status == 401
    assert live.get("/@@search?SearchableText=%ff").status == 400
    assert live.get("/@@search?SearchableText=%C3%A4").status == 200
    for path in logs:
        with path.open("rb") as stream:
            stream.seek(before[path])
            assert b"Traceback" not in stream.read(), path
