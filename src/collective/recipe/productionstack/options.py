"""Options: how one is declared, parsed and complained about, and those of the stack.

A declaration holds everything there is to say about an option (name, type, default,
sentence, example); the reference page is made from it.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from collective.recipe.productionstack.address import Address
from collective.recipe.productionstack.errors import Problem
from collective.recipe.productionstack.parsers import SERVICE_NAMES
from collective.recipe.productionstack.parsers import address
from collective.recipe.productionstack.parsers import choice
from collective.recipe.productionstack.parsers import clients
from collective.recipe.productionstack.parsers import file_path
from collective.recipe.productionstack.parsers import host_name
from collective.recipe.productionstack.parsers import lines
from collective.recipe.productionstack.parsers import port
from collective.recipe.productionstack.parsers import port_base
from collective.recipe.productionstack.parsers import services
from collective.recipe.productionstack.reserved import FREE
from collective.recipe.productionstack.reserved import RESERVED


def option(  # noqa: PLR0913 (a declaration says everything at once)
    doc: str,
    parse: Callable[[str], Any],
    *,
    kind: str,
    example: str,
    default: Any = None,
    shown: str = "",
) -> Any:
    """Declare an option: a sentence, its parser, its type in words, an example.

    ``shown`` words the default on the reference page where it is not a value.
    """
    metadata = {
        "doc": doc,
        "parse": parse,
        "kind": kind,
        "example": example,
        "shown": shown,
    }
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True, kw_only=True)
class StackOptions:
    """Everything a ``collective.recipe.productionstack`` part understands."""

    sites: tuple[str, ...] = option(
        "The Plone sites and their host names, one per line:"
        " `HOST[,ALIAS…] /zodb/path [name=value …]`. The first host is canonical;"
        " the others are redirected to it, or served too with `redirect=off`."
        " Further names: `url` (what visitors type, where something else stands in"
        " front), `certificate` and `key` (this site's own), `frontend` (`classic`).",
        lines,
        kind="lines",
        example="www.example.com,example.com /Plone",
        default=(),
        shown="required",
    )
    clients: int | tuple[str, ...] = option(
        "A number of clients to make from the one `plone.recipe.zope2instance` part,"
        " which itself becomes the debug client; or the names of the parts to balance.",
        clients,
        kind="number or part names",
        example="2",
        default=(),
        shown="every ZEO client among the parts but the debug client",
    )
    client_port_base: int | None = option(
        "The clients that are made listen on this port + 1, + 2 and so on.",
        port,
        kind="port",
        example="9080",
        shown="the port of the part that they are made from",
    )
    debug_client: str = option(
        "The client that gets no visitors and is not started with the rest.",
        str,
        kind="part name",
        example="instance",
        default="",
        shown="the part that the clients are made from, else none",
    )
    certificate: str = option(
        "The TLS certificate chain (PEM) of all sites that have none of their own.",
        file_path,
        kind="path",
        example="/etc/ssl/example.com/fullchain.pem",
        default="",
        shown="none",
    )
    key: str = option(
        "The private key of `certificate` (PEM).",
        file_path,
        kind="path",
        example="/etc/ssl/example.com/privkey.pem",
        default="",
        shown="none",
    )
    zeoserver: str = option(
        "The part that is the ZEO server, where there are several.",
        str,
        kind="part name",
        example="zeoserver",
        default="",
        shown="discovered",
    )
    backup: str = option(
        "The part that makes the backups, where there are several.",
        str,
        kind="part name",
        example="backup",
        default="",
        shown="discovered",
    )
    port_base: int = option(
        "The stack listens on this port and the nine that follow.",
        port_base,
        kind="port",
        example="8100",
        default=8000,
    )
    bind: str = option(
        "The address of the listeners that visitors reach.",
        host_name,
        kind="host",
        example="0.0.0.0",
        default="127.0.0.1",
    )
    http_address: Address | None = option(
        "Where nginx answers plain HTTP.",
        address,
        kind="address",
        example="127.0.0.1:8000",
        shown="`bind`:`port-base`",
    )
    https_address: Address | None = option(
        "Where nginx answers TLS.",
        address,
        kind="address",
        example="127.0.0.1:8001",
        shown="`bind`:`port-base` + 1 when a certificate is given",
    )
    cache_address: Address | None = option(
        "Where Varnish answers visitors' requests over TCP; nginx itself uses a Unix"
        " socket.",
        address,
        kind="address",
        example="127.0.0.1:8002",
        shown="127.0.0.1:`port-base` + 2",
    )
    purge_address: Address | None = option(
        "Where Varnish answers PURGE and nothing else.",
        address,
        kind="address",
        example="127.0.0.1:8003",
        shown="127.0.0.1:`port-base` + 3",
    )
    balancer_address: Address | None = option(
        "Where HAProxy listens, in front of the clients.",
        address,
        kind="address",
        example="127.0.0.1:8004",
        shown="127.0.0.1:`port-base` + 4",
    )
    stats_address: Address | None = option(
        "Where HAProxy shows its statistics page and Prometheus metrics.",
        address,
        kind="address",
        example="127.0.0.1:8005",
        shown="127.0.0.1:`port-base` + 5",
    )
    web_server: str = option(
        "The web server in front; `none` leaves it out.",
        choice("nginx", "none"),
        kind="nginx or none",
        example="none",
        default="nginx",
    )
    proxy_cache: str = option(
        "The cache; `none` leaves it out.",
        choice("varnish", "none"),
        kind="varnish or none",
        example="none",
        default="varnish",
    )
    load_balancer: str = option(
        "The load balancer; `none` leaves it out.",
        choice("haproxy", "none"),
        kind="haproxy or none",
        example="none",
        default="haproxy",
    )
    services: tuple[str, ...] = option(
        "Which services' files to write; the topology stays the same.",
        services,
        kind="words",
        example="nginx varnish haproxy",
        default=SERVICE_NAMES,
        shown="all",
    )
    templates: str = option(
        "A folder that is searched before the stock templates; a file there may"
        " extend `stock/…` and refill its blocks.",
        file_path,
        kind="path",
        example="${buildout:directory}/templates",
        default="",
        shown="`${buildout:directory}/templates`",
    )
    purge_by: str = option(
        "What an edit drops: `url`, the object's addresses; `tag`, also those it had"
        " before it was moved (needs varnish-modules and collective.purgebyid).",
        choice("url", "tag"),
        kind="url or tag",
        example="tag",
        default="url",
    )
    check: str = option(
        "Whether the daemons check the result: `auto` warns about a missing one,"
        " `on` makes that an error, `off` asks none.",
        choice("auto", "on", "off"),
        kind="auto, on or off",
        example="on",
        default="auto",
    )


def name_of(field_name: str) -> str:
    """Return an option's name as users write it."""
    return field_name.replace("_", "-")


PORT_OFFSETS = {
    "http_address": 0,
    "https_address": 1,
    "cache_address": 2,
    "purge_address": 3,
    "balancer_address": 4,
    "stats_address": 5,
}
"""What is added to `port-base` where an address is not chosen."""

OPTIONS = {name_of(field.name): field for field in dataclasses.fields(StackOptions)}


def load(part: str, section: Mapping[str, str]) -> tuple[StackOptions, list[Problem]]:
    """Parse a section; faulty options keep their default and become problems."""
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    for name, text in section.items():
        if name in FREE or name.startswith(("x-", "_")):
            continue
        if name not in OPTIONS:
            problems.append(_unknown(part, name, text))
        elif text.strip():
            _parse(part, name, text.strip(), values, problems)
    return StackOptions(**values), problems


def _parse(
    part: str, name: str, text: str, values: dict[str, Any], problems: list[Problem]
) -> None:
    field = OPTIONS[name]
    try:
        values[field.name] = field.metadata["parse"](text)
    except ValueError as error:
        remedy = f"Write for example: {name} = {field.metadata['example']}"
        problems.append(
            Problem(
                part=part, option=name, value=text, message=str(error), remedy=remedy
            )
        )


def _unknown(part: str, name: str, text: str) -> Problem:
    if name in RESERVED:
        message, remedy = "is reserved for a later release", "Remove it for now."
    else:
        message, remedy = "no such option", _suggestion(name, OPTIONS)
    return Problem(part=part, option=name, value=text, message=message, remedy=remedy)


def _suggestion(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, sorted(known), n=1)
    if near:
        return f"Did you mean {near[0]}?"
    return "Remove it; names of your own start with x-."
