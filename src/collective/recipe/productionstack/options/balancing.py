"""The options of HAProxy: who gets which request, and what happens under load."""

from __future__ import annotations

from dataclasses import dataclass

from collective.recipe.productionstack.options.declare import option
from collective.recipe.productionstack.options.values.parse import choice
from collective.recipe.productionstack.options.values.parse import lines
from collective.recipe.productionstack.options.values.parse import number
from collective.recipe.productionstack.options.values.parse import part_names
from collective.recipe.productionstack.options.values.parse import seconds


@dataclass(frozen=True, kw_only=True)
class BalancingOptions:
    """How requests are spread over the clients."""

    # Two pages at a time (one Python runs one at a time anyway), one for the check.
    threads: int = option(
        "Worker threads of each client that has no `threads` of its own. One of them"
        " is kept for the health check; the others serve, and so many requests does"
        " HAProxy give to a client at a time.",
        number(1, 64),
        example="4",
        default=3,
    )
    balance: str = option(
        "Who gets the next request: the client with the fewest (`leastconn`), each in"
        " turn (`roundrobin`), the first that has room (`first`), or always the same"
        " for a visitor's address (`source`).",
        choice("leastconn", "roundrobin", "first", "source"),
        example="roundrobin",
        default="leastconn",
    )
    sticky: str = option(
        "Whether who is logged in stays with one client while that serves; known by"
        " the cookie of the login, no other is set.",
        choice("on", "off"),
        example="on",
        default="off",
    )
    slow_start: int = option(
        "Seconds in which a client that has come up gets its full share of requests.",
        seconds(0, 600),
        example="30",
        default=5,
    )
    queue_timeout: int = option(
        "Seconds that a request waits for a client before it gets 503.",
        seconds(1, 300),
        example="10",
        default=30,
    )
    # Each that waits holds two of Varnish's 2000 threads; pages it has need some too.
    queue_length: int = option(
        "So many requests may wait; the next gets 503 at once. Eight for each that the"
        " clients serve at a time keeps the wait of all near eight pages.",
        number(1, 10000),
        example="32",
        default=500,
    )
    editors_clients: tuple[str, ...] = option(
        "Clients for those who are logged in, and for nobody else. While none of them"
        " serves, the others do.",
        part_names,
        example="instance4",
        default=(),
        shown="none",
    )
    path_clients: tuple[str, ...] = option(
        "Clients for some paths of every site and for nothing else, one path per line:"
        " `/PATH CLIENT [CLIENT…]`. While none of them serves, the others do.",
        lines,
        example="/import instance3",
        default=(),
        shown="none",
    )
