"""Names of hosts in any script, and of the folders below them."""

from __future__ import annotations

import re
from encodings.idna import nameprep

LONGEST_NAME = 253  # RFC 1035 2.3.4, as text
LONGEST_FOLDER = 200
HOST_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
DOTS = re.compile("[.\u3002\uff0e\uff61]")  # RFC 3490 3.1
KEPT = re.compile("(\u00df|\u03c2)")
"""Letters of their own since IDNA 2008: ß is no ss in a browser (UTS 46 4)."""

INVISIBLE = re.compile("[\u00ad\u034f\u180b-\u180e\u200b-\u200f\u2060-\u2064\ufeff]")
FOLDER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.~-]*")
ZOPES = re.compile(
    r"virtualhostbase|virtualhostroot|virtual_hosting|manage(_.*)?|acl_users|aq_.*|"
    r"control_panel|error_log|temp_folder|browser_id_manager|session_data_manager|"
    r"standard_error_message",
    re.IGNORECASE,
)
"""Words that are refused in every address, see the web server's maps."""


def host_name(value: str) -> str:
    """Parse a host name or IP address; other scripts become punycode (RFC 5891).

    Raises ValueError for anything else.
    """
    bare = value[1:-1] if value.startswith("[") and value.endswith("]") else value
    if ":" in bare:
        if not re.fullmatch(r"[0-9A-Fa-f:.]+", bare):
            raise ValueError("not a host name")
        return bare if bare == value else value.lower()
    if len(value) > LONGEST_NAME + 1:
        raise ValueError("not a host name")
    labels = [_label(one) for one in DOTS.split(value)]
    if len(labels) > 1 and not labels[-1]:
        labels.pop()
    name = ".".join(labels)
    if len(name) > LONGEST_NAME or not all(map(HOST_LABEL.fullmatch, labels)):
        raise ValueError("not a host name")
    return name


def _label(text: str) -> str:
    """Return what browsers ask for (UTS 46, not transitional)."""
    if text.isascii():
        return text.lower()
    if INVISIBLE.search(text):
        raise ValueError("not a host name")
    small = KEPT.split("".join(map(str.lower, text)))
    try:
        ready = "".join(one if KEPT.match(one) else nameprep(one) for one in small)
        coded = ready.encode("punycode").decode()
    except UnicodeError:
        raise ValueError("not a host name") from None
    return ready if ready.isascii() else f"xn--{coded}"


def served_name(value: str) -> str:
    """Parse a host name, or ``*.`` and one: all names that end so.

    Raises ValueError for anything else.
    """
    if not value.startswith("*."):
        return host_name(value)
    name = host_name(value[2:])
    if ":" in name or re.fullmatch(r"[0-9.]+", name):
        raise ValueError("not a host name")
    return f"*.{name}"


def folder_name(value: str) -> str:
    """Parse a folder below a host, without slashes around: ``intranet``, ``a/b``.

    Raises ValueError that says which word of it cannot be one.
    """
    if len(value) > LONGEST_FOLDER:
        raise ValueError(f"a folder has at most {LONGEST_FOLDER} letters")
    for word in value.split("/"):
        if not FOLDER.fullmatch(word):
            raise ValueError(
                f"{word!r} is no name of a folder (a letter or digit, then . _ ~ - too)"
            )
        if ZOPES.fullmatch(word):
            raise ValueError(f"{word!r} cannot be a folder: it means something to Zope")
    return f"/{value}"
