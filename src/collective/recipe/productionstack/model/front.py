"""What the web server refuses, limits, tells browsers and writes down."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Front:
    """How the web server treats visitors.

    ``hsts`` is seconds (0 for none) and whether subdomains are meant too; an upload of
    0 bytes stands for what the clients take.
    """

    hsts: tuple[int, bool] = (0, False)
    csp: str = "off"
    zmi_allow: tuple[str, ...] = ()
    rate_limits: str = "on"
    rate_limits_exempt: tuple[str, ...] = ()
    max_upload: int = 0
    log_format: str = "text"
    error_pages: str = ""
