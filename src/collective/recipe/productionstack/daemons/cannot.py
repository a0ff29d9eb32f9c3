"""What a daemon cannot do that another can: said where an option asks for it.

Also which of them go together in one chain.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from dataclasses import dataclass

from collective.recipe.productionstack.model.application import HTTP
from collective.recipe.productionstack.model.application import Application
from collective.recipe.productionstack.model.chain import BALANCER
from collective.recipe.productionstack.model.chain import CACHE
from collective.recipe.productionstack.model.chain import Chain


@dataclass(frozen=True, slots=True, kw_only=True)
class Lack:
    """An option that a daemon has no means for, and its value for nothing of it.

    One that is ``refused`` has that value where the user writes none, and no other. Of
    another what the rest of the stack does with it still works.
    """

    option: str
    instead: object
    what: str
    remedy: str
    refused: bool = False

    @property
    def field(self) -> str:
        """The option's name in the model."""
        return self.option.replace("-", "_")


LACKS = {
    "apache": (
        Lack(
            option="rate-limits",
            instead="off",
            what="Apache counts no requests of an address: what HAProxy counts is all"
            " (passwords, where it is there and this is on)",
            remedy="Limit the rest before it (a firewall, a balancer), or write:"
            " web-server = nginx",
        ),
        Lack(
            option="http3",
            instead="off",
            what="Apache does not speak HTTP/3",
            remedy="Remove it, or write: web-server = nginx",
            refused=True,
        ),
        Lack(
            option="micro-cache",
            instead="off",
            what="Apache counts the age of an answer in whole seconds, and shows an old"
            " one while it fetches another: an edit could stay unseen for longer",
            remedy="Remove it, or write: web-server = nginx",
            refused=True,
        ),
        Lack(
            option="xsendfile",
            instead="off",
            what="Apache sends no file that Plone names: Debian's mod_xsendfile is of"
            " 2012, and does not ask Plone again for one that is gone",
            remedy="Remove it, or write: web-server = nginx",
            refused=True,
        ),
    )
}
"""By the daemon that lacks it."""


def lacks(daemon: str) -> tuple[Lack, ...]:
    """Return what a daemon cannot do."""
    return LACKS.get(daemon, ())


SOCKET_PATHS = {"apache": 95, "nginx": 107}
"""How many bytes the path of an application's socket may have.

mod_proxy keeps 96 with the last zero, the system 108: unix(7).
"""


def too_long(daemon: str, applications: Iterable[Application]) -> Iterator[Application]:
    """Yield the applications whose socket a daemon cannot connect to."""
    limit = SOCKET_PATHS.get(daemon, 0)
    for one in applications:
        if limit and one.is_asked and len((one.address.path or "").encode()) > limit:
            yield one


ONE_WORD = ("apache",)
"""Daemons that know one ``timeout`` and so on for all that is asked at an address."""


def at_odds(
    daemon: str, applications: Iterable[Application]
) -> Iterator[tuple[Application, Application]]:
    """Yield applications, and another at whose address a daemon would do as it says.

    What is behind a socket has a name of its own each time.
    """
    first: dict[tuple[str, ...], Application] = {}
    for one in applications:
        if daemon not in ONE_WORD or not one.is_asked or one.address.path:
            continue
        below = one.below or one.path if one.kind == HTTP else ""
        before = first.setdefault((one.host, one.kind, str(one.address), below), one)
        if _words(before) != _words(one):
            yield one, before


def _words(one: Application) -> tuple[int, int, bool]:
    return one.seconds, one.connections, one.websocket


USUAL = {CACHE: "varnish", BALANCER: "haproxy"}
"""Who fills an inner role where nobody says who."""

SHARED = {"nginx": "nginx"}
"""Daemons that fill an inner role in the processes of the web server alone."""

NEVER = {
    (CACHE, "apache"): (
        "Apache can drop no page when somebody edits it, and shows an old one while it"
        " fetches another"
    ),
    (BALANCER, "apache"): (
        "nothing can tell Apache to leave a client out for a restart, so its visitors"
        " would lose requests"
    ),
}
"""What a daemon that has the means is not used for, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Excess:
    """An option that asks more of a role than who fills it has.

    Only some values may do so; one that is not ``refused`` has no effect.
    """

    option: str
    what: str
    remedy: str
    values: tuple[str, ...] = ()
    refused: bool = False


def _queue(who: str) -> tuple[Excess, ...]:
    return tuple(
        Excess(
            option=name,
            what=f"has no effect: {who}",
            remedy="Remove it, or write: load-balancer = haproxy",
        )
        for name in ("slow-start", "queue-timeout", "queue-length")
    )


_POOLS = ("editors-clients", "path-clients")
_TAGS = Excess(
    option="purge-by",
    values=("tag",),
    what="only Varnish finds pages by the tags of what they show",
    remedy="Remove it, or write: proxy-cache = varnish",
    refused=True,
)


def _files(role: str, usual: str) -> Excess:
    return Excess(
        option="xsendfile",
        values=("on",),
        what=f"nginx as the {role} hands no name of a file on",
        remedy=f"Remove it, or write: {usual}",
        refused=True,
    )


EXCESSES = {
    (BALANCER, "nginx"): (
        _files("load balancer", "load-balancer = haproxy"),
        *_queue("nginx has no queue, and asks no client how it is"),
        Excess(
            option="balance",
            values=("first",),
            what="nginx cannot fill one client before the next",
            remedy="Remove it, or write: load-balancer = haproxy",
            refused=True,
        ),
        *(
            Excess(
                option=name,
                what="nginx sends everybody to the same clients",
                remedy="Remove it, or write: load-balancer = haproxy",
                refused=True,
            )
            for name in _POOLS
        ),
    ),
    (BALANCER, "none"): (
        *_queue("nobody balances, so nobody has a queue"),
        *(
            Excess(
                option=name,
                what="has no effect: nobody balances",
                remedy="Remove it, or write: load-balancer = haproxy",
            )
            for name in ("balance", "sticky", *_POOLS)
        ),
    ),
    (CACHE, "none"): (
        _TAGS,
        Excess(
            option="micro-cache",
            values=("on",),
            what="only a cache can say what may be kept, and there is none",
            remedy="Remove it, or write: proxy-cache = varnish",
            refused=True,
        ),
    ),
    (CACHE, "nginx"): (
        _TAGS,
        _files("cache", "proxy-cache = varnish"),
        Excess(
            option="cache-rules",
            what="nginx keeps what Plone marks, for times of its own",
            remedy="Remove it, or write: proxy-cache = varnish",
            refused=True,
        ),
        Excess(
            option="grace",
            what="has no effect: nginx shows nothing that has expired",
            remedy="Remove it, or write: proxy-cache = varnish",
        ),
        Excess(
            option="cache-file-limit",
            what="has no effect: nginx keeps no file of 10 MB or more",
            remedy="Remove it, or write: proxy-cache = varnish",
        ),
        Excess(
            option="micro-cache",
            values=("on",),
            what="has no effect: pages are kept in the same processes already",
            remedy="Remove it, or write: proxy-cache = varnish",
        ),
    ),
}
"""By a role and who fills it."""


def misfits(chain: Chain) -> Iterator[tuple[str, str, str, str]]:
    """Yield an option, its value, why it cannot be so and what to write instead."""
    for role in USUAL:
        daemon, option = chain.filled_by(role), role.replace("_", "-")
        if why := NEVER.get((role, daemon)):
            yield option, daemon, why, _instead(role)
        elif daemon in SHARED and chain.web_server != daemon:
            yield option, daemon, *_of_web_server(role, daemon, chain.web_server)


def _instead(role: str) -> str:
    return f"Write: {role.replace('_', '-')} = {USUAL[role]}"


def _of_web_server(role: str, daemon: str, web_server: str) -> tuple[str, str]:
    why = (
        f"{SHARED[daemon]} does this in the processes of the web server, which is"
        f" {web_server} here"
    )
    return why, f"{_instead(role)}, or web-server = {daemon}"


def texts(gap: str) -> Iterator[tuple[str, str]]:
    """Yield all that is said of this, and what to write; ``gap`` stands for a value."""
    for lacking in LACKS.values():
        yield from ((one.what, one.remedy) for one in lacking)
    for asked in EXCESSES.values():
        yield from ((one.what, one.remedy) for one in asked)
    yield from ((why, _instead(role)) for (role, _), why in NEVER.items())
    yield from (_of_web_server(role, one, gap) for role in USUAL for one in SHARED)


def excesses(chain: Chain) -> Iterator[Excess]:
    """Yield what options may ask too much of the chain."""
    for role in USUAL:
        yield from EXCESSES.get((role, chain.filled_by(role)), ())
