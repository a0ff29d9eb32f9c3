"""Which headers may say to Zope who asks, for whom and where; all others are dropped.

A list of what is forbidden always has gaps: every proxy has names of its own. And what
Zope may not say to the web server.
"""

from __future__ import annotations

from collections.abc import Iterator

from collective.recipe.productionstack.model.storage import ASKED
from collective.recipe.productionstack.model.storage import BLOB
from collective.recipe.productionstack.model.storage import NAMED_FILES

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


NAME = "X-Accel-Redirect"
NAMED = f"^{NAMED_FILES.replace('.', '[.]')}{BLOB}$"


def rules(*, names_files: bool = False) -> Iterator[str]:
    """Yield HAProxy's rules: keep what the front said, drop the kind, put it back.

    Where Plone ``names_files`` to be sent, a name gets through to who has asked for it.
    """
    if names_files:
        yield f"http-request set-var(txn.names_file) req.fhdr({ASKED})"
    for number, name in enumerate(TOLD):
        yield f"http-request set-var(txn.told{number}) req.fhdr({name})"
    yield f"http-request del-header '{'|'.join(CLAIMS)}' -m reg"
    for number, name in enumerate(TOLD):
        value = f"var(txn.told{number})"
        yield f"http-request set-header {name} %[{value}] if {{ {value} -m found }}"
    if names_files:
        yield from _askers()
        yield f"http-response set-var(txn.file) res.fhdr({NAME}) if {{ status 200 }}"
    yield _unasked(names_files=names_files)
    yield f"http-response del-header '{ORDERS}' -m reg"
    if names_files:
        yield from _names()


def _unasked(*, names_files: bool) -> str:
    """Return what becomes of a name that nobody can follow: it comes with no file.

    A client may be told to name files before the web server can send them, or after.
    """
    named = f"{{ res.fhdr({NAME}) -m reg {NAMED} }}"
    asked = " !{ var(txn.names_file) -m str yes }" if names_files else ""
    return f"http-response deny deny_status 503 if {named}{asked}"


def _askers() -> Iterator[str]:
    """Yield who may get a name: collective.xsendfile gives none without an address.

    Where the web server wants the bytes, the visitor is nobody to Zope, and not this
    machine, which may have rights of its own.
    """
    known = f"{{ var(txn.told{TOLD.index('X-Real-IP')}) -m found }}"
    # "page" is for who makes pages, and no files.
    bytes_wanted = "!{ var(txn.names_file) -m str yes page }"
    address = "X-Forwarded-For"
    yield f"http-request del-header {address} if {bytes_wanted}"
    empty = "%[var(txn.nobody)]"
    yield f"http-request set-header {address} {empty} if {bytes_wanted} {known}"


def _names() -> Iterator[str]:
    """Yield what becomes of a name; one that is of no blob is of nothing at all.

    The web server does not find that, and asks for the bytes.
    """
    asked = "{ var(txn.names_file) -m str yes } { var(txn.file) -m found }"
    named = f"{{ var(txn.file) -m reg {NAMED} }}"
    yield f"http-response set-header {NAME} {NAMED_FILES}none if {asked}"
    yield f"http-response set-header {NAME} %[var(txn.file)] if {asked} {named}"
