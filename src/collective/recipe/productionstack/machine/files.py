"""Write state and scripts so that a crash leaves the old text or the new one."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write_atomically(path: Path, text: str, mode: int = 0o640) -> bool:
    """Replace a file's text in one rename; return whether anything changed."""
    data = text.encode()
    if (
        path.is_file()
        and path.read_bytes() == data
        and path.stat().st_mode & 0o777 == mode
    ):
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            os.fchmod(stream.fileno(), mode)
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return True
