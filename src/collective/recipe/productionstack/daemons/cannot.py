"""What a web server cannot do that another can: said where an option asks for it."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from dataclasses import dataclass

from collective.recipe.productionstack.model.application import HTTP
from collective.recipe.productionstack.model.application import Application


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
