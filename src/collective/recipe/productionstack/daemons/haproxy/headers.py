"""Which headers may say to Zope who asks, for whom and where; all others are dropped.

A list of what is forbidden always has gaps: every proxy has names of its own. And what
Zope may not say to the web server.
"""

from __future__ import annotations

from collections.abc import Iterator

TOLD = ("X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP")
"""What the web server says of a request; it overwrites what came from outside."""

CLAIMS = (
    "_",  # WSGI reads it as a dash
    "^(.*-)?(forwarded|remote|original|rewrite|client|cluster|connecting|override)(-|$)",
    "-(ip|ipv6|addr|user|username|groups?|roles?|host|scheme|proto|port|prefix)$",
    "-(ssl|https|server|anonymous)$",
    "^x-(ps|http-method)(-|$)",
    "^(proxy|via)(-|$)",
)
"""Names, in small letters as HAProxy has them, that say the like."""


ORDERS = "^x-accel-"
"""What would tell the web server what to do with an answer, and that Plone may not."""


def rules() -> Iterator[str]:
    """Yield HAProxy's rules: keep what the front said, drop the kind, put it back."""
    for number, name in enumerate(TOLD):
        yield f"http-request set-var(txn.told{number}) req.fhdr({name})"
    yield f"http-request del-header '{'|'.join(CLAIMS)}' -m reg"
    for number, name in enumerate(TOLD):
        value = f"var(txn.told{number})"
        yield f"http-request set-header {name} %[{value}] if {{ {value} -m found }}"
    yield f"http-response del-header '{ORDERS}' -m reg"
