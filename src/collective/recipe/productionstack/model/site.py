"""Host names, and the Plone site in the ZODB that they show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from collective.recipe.productionstack.model.frontend import MARK
from collective.recipe.productionstack.model.frontend import Frontend

CHAIN_FILE = "fullchain.pem"
KEY_FILE = "key.pem"
"""Names in the folder of a certificate that is ours."""

API = "/++api++"
"""What makes a request one of Plone's REST API."""


def host_folder(host: str) -> str:
    """Return the name of a folder or file that is a host's."""
    return host.strip("[]").replace(":", "_")


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualHost:
    """Host names, what visitors type for them, and who certifies them."""

    host: str
    aliases: tuple[str, ...] = ()
    redirect: bool = True
    scheme: str
    url_host: str
    url_port: int
    certificate: str = ""
    key: str = ""
    own_certificate: bool = False
    more_certificates: tuple[tuple[str, str], ...] = ()
    acme: bool = False
    error_pages: str = ""
    frontend: Frontend | None = None

    option: ClassVar[str] = "application"
    """Where it is written down."""

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Every certificate with its key: of one kind (RSA, ECDSA) each."""
        first = ((self.certificate, self.key),) if self.certificate else ()
        return (*first, *self.more_certificates)

    @property
    def certified_by(self) -> tuple[str, str]:
        """The options that its certificate and its key come from."""
        if self.acme:
            return "acme", "acme"
        own = (self.option, self.option)
        return own if self.own_certificate else ("certificate", "key")

    @property
    def hosts(self) -> tuple[str, ...]:
        """Every host name, the canonical one first; an alias may begin with a star."""
        return (self.host, *self.aliases)

    @property
    def served(self) -> tuple[str, ...]:
        """The host names that get pages (the others get a redirect)."""
        return (self.host,) if self.redirect else self.hosts

    @property
    def port(self) -> str:
        """What stands behind the host in an address: nothing for the usual port."""
        usual = {"http": 80, "https": 443}[self.scheme]
        return "" if self.url_port == usual else f":{self.url_port}"

    @property
    def origin(self) -> str:
        """What visitors type for the host: with a port that is not the usual one."""
        return f"{self.scheme}://{self.url_host}{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Site(VirtualHost):
    """Host names and the Plone site in the ZODB that they show."""

    folder: str = ""
    path: str

    option: ClassVar[str] = "sites"

    @property
    def name(self) -> str:
        """Host and folder: what tells it from other sites."""
        return f"{self.host}{self.folder}"

    @property
    def shown(self) -> str:
        """Its name for people, in its own script too where that is another."""
        own = readable(self.host)
        return self.name if own == self.host else f"{self.name} ({own})"

    @property
    def url(self) -> str:
        """What visitors type for the site: the host, and its folder there."""
        return f"{self.origin}{self.folder}"

    @property
    def virtual_host(self) -> str:
        """The path that tells Zope's virtual host monster who is asked for.

        After the root it reads ``_vh_`` words: folders that links have, the site not.
        """
        return (
            f"/VirtualHostBase/{self.scheme}/{self.url_host}:{self.url_port}"
            f"{self.path}/VirtualHostRoot{self.folder.replace('/', '/_vh_')}"
        )

    @property
    def api(self) -> str:
        """The path that tells Zope the same of what its REST API is asked for."""
        return self.virtual_host.replace("/VirtualHostRoot", f"{API}/VirtualHostRoot")

    @property
    def pages(self) -> str:
        """The path that tells the tiers behind the web server to ask for a page."""
        return f"{MARK if self.frontend else ''}{self.virtual_host}"


def readable(host: str) -> str:
    """Return a host name in the script that people write it in (RFC 3492)."""
    return ".".join(map(_readable, host.split(".")))


def _readable(label: str) -> str:
    try:
        found = label.removeprefix("xn--").encode("ascii").decode("punycode")
    except UnicodeError:
        return label
    good = label.startswith("xn--") and found and found.isprintable()
    return found if good else label


def an_example(host: str) -> str:
    """Return a name that somebody may ask for: of many where the host has a star."""
    return host.replace("*", "any-name", 1)
