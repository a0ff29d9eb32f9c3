"""Error pages of the user's own: a folder with ``503.html``, ``503.de.html``."""

from __future__ import annotations

import re
from pathlib import Path

STATUSES = ("413", "421", "429", "502", "503", "504")
"""What the front itself answers; everything else is Plone's to say."""

NAME = re.compile(
    rf"({'|'.join(STATUSES)})(?:[.]([a-z]{{2,3}}(?:-[a-z0-9]{{2,8}})?))?[.]html"
)
LARGEST = 32 * 1024
"""Bytes: the web server holds every page in memory."""

ODD = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")

Pages = dict[str, dict[str, str]]
"""By status and language; without a language for whoever reads none of the others."""


def read(folder: str) -> Pages:
    """Read every page of a folder.

    Raises ValueError that names the file which cannot be shown, and why.
    """
    found: Pages = {}
    try:
        paths = sorted(Path(folder).iterdir())
    except OSError as error:
        raise ValueError(f"{folder}: {error.strerror}") from None
    for path in paths:
        if path.name.startswith("."):
            continue
        named = NAME.fullmatch(path.name)
        if not named:
            known = ", ".join(STATUSES)
            raise ValueError(
                f"{path.name} is no page such as 503.html or 503.de.html (there are "
                f"{known})"
            )
        found.setdefault(named[1], {})[named[2] or ""] = _text(path)
    if not found:
        raise ValueError(f"{folder} holds no page such as 503.html")
    return found


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path.name} cannot be read: {error.strerror}") from None
    try:
        text = content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise ValueError(f"{path.name} is no text in UTF-8") from None
    if ODD.search(text) or not text.strip():
        raise ValueError(f"{path.name} is {'no text' if text.strip() else 'empty'}")
    if len(content) > LARGEST:
        raise ValueError(f"{path.name} is larger than {LARGEST // 1024} kB")
    return text
