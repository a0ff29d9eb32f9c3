"""A certificate that a name gives itself."""

from __future__ import annotations

import subprocess
from pathlib import Path


def own(folder: Path, host: str = "www.example.com") -> dict[str, str]:
    """Write a certificate and its key; return the paths as fields of a site."""
    pair = {"certificate": str(folder / "c.pem"), "key": str(folder / "k.pem")}
    command = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2")
    named = ("-subj", f"/CN={host}")
    files = ("-keyout", pair["key"], "-out", pair["certificate"])
    subprocess.run((*command, *named, *files), check=True, capture_output=True)
    return pair
