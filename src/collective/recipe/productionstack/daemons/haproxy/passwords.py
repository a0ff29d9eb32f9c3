"""Where Zope takes a name and a password from, however they are spelt.

Plone's PAS looks for them at every address, not on its login page alone: in the query,
in the form, in a cookie (Products.PluggableAuthService, CookieAuthHelper) and, with
plone.restapi, in the body of any JSON request.
"""

from __future__ import annotations

FIELDS = ("__ac_name", "__ac_password")
COOKIE, KEY = "__ac", "password"
PERCENT, ESCAPE = "%{:02x}", r"[\\]u{:04x}"


def in_form() -> str:
    """Return a regular expression for a field in a form's body, urlencoded or not."""
    return f"({'|'.join(_spellings(one, PERCENT) for one in FIELDS)})"


def in_query() -> str:
    """Return a regular expression for the same in an address, or a cookie's value."""
    return f"[?&]({in_form()}|{_spellings(COOKIE, PERCENT)})(=|:|%3a)"


def in_json() -> str:
    """Return a regular expression for the password in JSON (RFC 8259, 7: escapes)."""
    return f'"{_spellings(KEY, ESCAPE)}"'


def _spellings(word: str, code: str) -> str:
    """Let each letter be itself or its code."""
    return "".join(f"({one}|{code.format(ord(one))})" for one in word)
