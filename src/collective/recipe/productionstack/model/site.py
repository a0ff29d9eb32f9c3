"""Host names and the Plone site in the ZODB that they show."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Host names and the Plone site in the ZODB that they show."""

    host: str
    aliases: tuple[str, ...] = ()
    path: str
    redirect: bool = True
    scheme: str
    url_host: str
    url_port: int
    certificate: str = ""
    key: str = ""
    own_certificate: bool = False
    error_pages: str = ""

    @property
    def hosts(self) -> tuple[str, ...]:
        """Every host name, the canonical one first."""
        return (self.host, *self.aliases)

    @property
    def served(self) -> tuple[str, ...]:
        """The host names that get pages (the others get a redirect)."""
        return (self.host,) if self.redirect else self.hosts

    @property
    def url(self) -> str:
        """What visitors type: scheme, host and a port that is not the usual one."""
        usual = {"http": 80, "https": 443}[self.scheme]
        port = "" if self.url_port == usual else f":{self.url_port}"
        return f"{self.scheme}://{self.url_host}{port}"

    @property
    def virtual_host(self) -> str:
        """The path that tells Zope's virtual host monster who is asked for."""
        return (
            f"/VirtualHostBase/{self.scheme}/{self.url_host}:{self.url_port}"
            f"{self.path}/VirtualHostRoot"
        )
