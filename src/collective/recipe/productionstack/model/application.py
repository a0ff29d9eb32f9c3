"""Other applications beside the sites: on a path of a host, or on their own hosts."""

from __future__ import annotations

from dataclasses import dataclass

from collective.recipe.productionstack.model.address import Address
from collective.recipe.productionstack.model.site import VirtualHost

HTTP = "http"
FASTCGI = "fastcgi"
STATIC = "static"
REDIRECT = "redirect"
KINDS = (HTTP, FASTCGI, STATIC, REDIRECT)

CONNECTIONS = 256
"""At a time: one that hangs must not take those of the sites."""

SECONDS = 60
"""How long an application may say nothing."""

FRONT = "index.php"
"""The script that answers for everything that is no file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """What answers below a path of a host in place of a site.

    ``number`` tells it from the others in names. ``path`` has no slash at its end and
    is empty for a whole host. ``address`` is where it answers, ``below`` what stands
    there in place of the path (empty: the path itself); ``root`` is a folder of files
    and ``front`` the script for all that is none, ``scripts`` which others of them may
    run; ``url`` is where visitors are sent, with what they asked for below the path
    where ``rest``, by ``status`` (0: as the method wants it).
    """

    number: int
    host: str
    path: str = ""
    kind: str
    address: Address = Address()
    below: str = ""
    websocket: bool = False
    seconds: int = SECONDS
    connections: int = CONNECTIONS
    root: str = ""
    front: str = FRONT
    scripts: tuple[str, ...] = ()
    url: str = ""
    status: int = 0
    rest: bool = True

    @property
    def name(self) -> str:
        """What the web server calls it."""
        return f"application_{self.number}"

    @property
    def place(self) -> str:
        """Host and path: what tells it from others for people."""
        return f"{self.host}{self.path}"

    @property
    def is_asked(self) -> bool:
        """Whether a program answers, and not the web server itself."""
        return self.kind in {HTTP, FASTCGI}

    @property
    def target(self) -> str:
        """Where requests end, for people."""
        if self.kind == REDIRECT:
            return self.url
        if not self.is_asked:
            return self.root
        below = f":{self.below}" if self.below and self.address.path else self.below
        return f"{'unix:' if self.address.path else ''}{self.address}{below}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbours:
    """The applications, and the hosts that have no site."""

    applications: tuple[Application, ...] = ()
    hosts: tuple[VirtualHost, ...] = ()

    def of(self, host: str) -> tuple[Application, ...]:
        """Return what lies on a host, in the order of its paths."""
        found = (one for one in self.applications if one.host == host)
        return tuple(sorted(found, key=lambda one: one.path))
