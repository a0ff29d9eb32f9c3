"""What the web server refuses, limits, tells and writes down; who certifies it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Acme:
    """Which program gets certificates, and from whom (RFC 8555); nobody when off."""

    acme: str = "off"
    acme_email: str = ""
    acme_directory: str = ""
    acme_ca_file: str = ""

    @property
    def is_on(self) -> bool:
        """Whether sites without a certificate of their own get one."""
        return self.acme != "off"


@dataclass(frozen=True, slots=True, kw_only=True)
class Front:
    """How the web server treats visitors.

    ``hsts`` is seconds (0 for none) and whether subdomains are meant too; an upload of
    0 bytes stands for what the clients take.
    """

    hsts: tuple[int, bool] = (0, False)
    http3: str = "off"
    csp: str = "off"
    zmi_allow: tuple[str, ...] = ()
    rate_limits: str = "on"
    rate_limits_exempt: tuple[str, ...] = ()
    max_upload: int = 0
    log_format: str = "text"
    micro_cache: str = "on"
    xsendfile: str = "off"
    error_pages: str = ""
