"""Another machine: a real sshd of this user on the loopback, and a key for it."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from collective.recipe.productionstack.machine import run
from tests.support import ports


def needed(*programs: str) -> None:
    """Skip where one is missing, or fail where all must be there."""
    missing = [one for one in programs if run.find(one) is None]
    if missing and os.environ.get("PRODUCTIONSTACK_REQUIRE_DAEMONS") == "1":
        pytest.fail(f"not installed: {missing}")
    if missing:
        pytest.skip(f"not installed: {missing}")


@contextmanager
def machine() -> Iterator[dict[str, str]]:
    """Give how it is reached: target, key, path, and its folder and pid."""
    needed("sshd", "ssh-keygen")
    folder = Path(tempfile.mkdtemp(prefix="far-"))
    for name in ("host", "key"):
        command = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f")
        assert run.run((*command, f"{folder}/{name}")).ok
    shutil.copy(folder / "key.pub", folder / "authorized_keys")
    (port,) = ports.take(1)
    host = folder.joinpath("host.pub").read_text()
    folder.joinpath("known").write_text(f"[127.0.0.1]:{port} {host}")
    folder.joinpath("sshd.conf").write_text(
        f"ListenAddress 127.0.0.1\nPort {port}\nHostKey {folder}/host\nUsePAM no\n"
        f"AuthorizedKeysFile {folder}/authorized_keys\nStrictModes no\nPidFile none\n"
        "Subsystem sftp internal-sftp\nLogLevel ERROR\n"
    )
    folder.joinpath("config").write_text(
        f"Host far\n HostName 127.0.0.1\n Port {port}\n"
        f" UserKnownHostsFile {folder}/known\n"
        "Host gone\n HostName 127.0.0.1\n Port 1\n"
    )
    # Where a user's ~/.ssh/config would stand.
    script = folder / "bin/ssh"
    script.parent.mkdir()
    script.write_text(
        f"#!/bin/sh\necho >>{folder}/logins\n"
        f'exec /usr/bin/ssh -F {folder}/config "$@"\n'
    )
    script.chmod(0o755)
    program = run.find("sshd") or ""
    with subprocess.Popen((program, "-D", "-f", f"{folder}/sshd.conf")) as daemon:
        try:
            yield {
                "target": f"far:{folder}/copies",
                "key": f"{folder}/key",
                "path": f"PATH={folder}/bin:/usr/bin:/bin",
                "folder": str(folder / "copies"),
                "pid": str(daemon.pid),
                "logins": f"{folder}/logins",
            }
        finally:
            daemon.terminate()
    ports.give_back((port,))
    shutil.rmtree(folder)
