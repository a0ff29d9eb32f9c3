"""Real applications beside a site: Django, PHP-FPM and a WebSocket that echoes."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from websockets.sync.server import ServerConnection
from websockets.sync.server import serve

DJANGO = Path(__file__).with_name("djangosite.py")


def php_fpm() -> str:
    """Return the path of PHP-FPM, whichever version the system has."""
    found = sorted(Path("/usr/sbin").glob("php-fpm*"))
    if not found and os.environ.get("PRODUCTIONSTACK_REQUIRE_DAEMONS") == "1":
        pytest.fail("not installed: php-fpm")
    if not found:
        pytest.skip("not installed: php-fpm")
    return str(found[-1])


def wait_for(path: Path, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until something listens on a socket's path."""
    deadline = time.monotonic() + 20
    while True:
        with socket.socket(socket.AF_UNIX) as one, suppress(OSError):
            one.connect(str(path))
            return
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)


@contextmanager
def running(command: tuple[str, ...], listens: Path) -> Iterator[None]:
    """Give a program that listens on a socket; end it."""
    log = listens.with_suffix(".log")
    with (
        log.open("wb") as stream,
        subprocess.Popen(command, stdout=stream, stderr=stream) as one,
    ):
        try:
            wait_for(listens, one, log)
            yield
        finally:
            one.terminate()
            with suppress(subprocess.TimeoutExpired):
                one.wait(5)
            one.kill()


@contextmanager
def short() -> Iterator[Path]:
    """Give a folder for a socket: the paths of pytest's are too long for Apache."""
    with TemporaryDirectory(prefix="n") as folder:
        yield Path(folder)


@contextmanager
def django(prefix: str = "") -> Iterator[Path]:
    """Give the socket of a Django whose addresses begin with a prefix."""
    with short() as folder:
        path = folder / "django.sock"
        command = (sys.executable, str(DJANGO), str(path), prefix)
        with running(command, path):
            yield path


@contextmanager
def php(children: int = 8) -> Iterator[Path]:
    """Give the socket of PHP-FPM, with that many processes."""
    with short() as folder:
        path, conf = folder / "php.sock", folder / "php.conf"
        conf.write_text(_pool(path, children))
        with running((php_fpm(), "-n", "-F", "-y", str(conf)), path):
            yield path


def _pool(path: Path, children: int) -> str:
    return (
        f"[global]\nerror_log = /dev/stderr\ndaemonize = no\n[www]\nlisten = {path}\n"
        f"pm = static\npm.max_children = {children}\ncatch_workers_output = yes\n"
        # As careless as can be: nothing but the web server looks at names.
        "security.limit_extensions =\n"
    )


@contextmanager
def echo() -> Iterator[int]:
    """Give the port of a WebSocket that says back what it is told."""

    def handle(peer: ServerConnection) -> None:
        for message in peer:
            peer.send(message)

    with serve(handle, "127.0.0.1", 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.socket.getsockname()[1]
        server.shutdown()
