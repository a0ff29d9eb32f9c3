"""The options of the web front: what it refuses, limits and tells browsers."""

from __future__ import annotations

from dataclasses import dataclass

from collective.recipe.productionstack.options.declare import option
from collective.recipe.productionstack.options.values.parse import choice
from collective.recipe.productionstack.options.values.parse import file_path
from collective.recipe.productionstack.options.values.parse import in_bytes
from collective.recipe.productionstack.options.values.parse import networks
from collective.recipe.productionstack.options.values.parse import proxies

TWO_YEARS = 63072000
"""What Mozilla's guideline 6.0 has."""

SUBDOMAINS = "includeSubDomains"


def transport_security(value: str) -> tuple[int, bool]:
    """Parse ``off``, ``on`` or seconds, with ``includeSubDomains`` behind or not.

    Raises ValueError for anything else.
    """
    first, *more = value.split()
    if [one.lower() for one in more] not in ([], [SUBDOMAINS.lower()]):
        raise ValueError(f"only {SUBDOMAINS} may stand behind it")
    if first == "off" and not more:
        return 0, False
    if first == "on":
        return TWO_YEARS, bool(more)
    if not first.isascii() or not first.isdigit() or not 0 < int(first[:12]) <= 10**9:
        raise ValueError("neither on nor off, nor a number of seconds")
    return int(first), bool(more)


@dataclass(frozen=True, kw_only=True)
class FrontOptions:
    """How the web server treats visitors."""

    hsts: tuple[int, bool] = option(
        "Whether browsers are told to come by https alone, for two years or so many"
        " seconds, to all subdomains too with `includeSubDomains`. They hold to it.",
        transport_security,
        example="on",
        default=(0, False),
        shown="`off`",
    )
    http3: str = option(
        "Whether pages are offered over HTTP/3 too, at the UDP port of `https-address`."
        " Needs nginx 1.25 built with it (Debian 13 has it). A reload ends connections"
        " of that kind; browsers open another.",
        choice("on", "off"),
        example="on",
        default="off",
    )
    csp: str = option(
        "A Content-Security-Policy for pages: `frame` forbids what Plone never needs"
        " (to be framed or based elsewhere, plug-ins, forms that go elsewhere);"
        " `report` tells the browser's console what a strict one would forbid, and"
        " forbids nothing.",
        choice("off", "report", "frame"),
        example="frame",
        default="off",
    )
    zmi_allow: tuple[str, ...] = option(
        "Addresses and networks that reach Zope's management pages (`/manage_main` and"
        " the like) through the web server. All others get 404.",
        proxies,
        example="10.20.0.0/16",
        default=(),
        shown="nobody",
    )
    rate_limits: str = option(
        "Whether one address (IPv6: one /64) may send only some ten passwords,"
        " registrations or mails a minute, twenty searches a second and 200 requests at"
        " a time; `log` refuses nothing and writes down what would be refused.",
        choice("on", "log", "off"),
        example="log",
        default="on",
    )
    rate_limits_exempt: tuple[str, ...] = option(
        "Addresses and networks that are not counted: the office, a monitor, a proxy"
        " in front that is not in `trusted-proxies`.",
        networks,
        example="192.0.2.0/24 2001:db8::/48",
        default=(),
        shown="none",
    )
    max_upload: int | None = option(
        "The largest body of a request. What is larger gets 413.",
        in_bytes,
        example="500M",
        shown="what the clients take (`max-request-body-size`, 1G)",
    )
    error_pages: str = option(
        "A folder with error pages of your own: `503.html` and `502 504 429 413 421`,"
        " in a language as `503.de.html`, each one HTML file with nothing beside it."
        " `[request-id]` in one becomes the request's id. A site may name its own.",
        file_path,
        example="${buildout:directory}/error-pages",
        default="",
        shown="plain ones in the visitor's language",
    )
    log_format: str = option(
        "How the access logs are written: lines for people, or one JSON object a line.",
        choice("text", "json"),
        example="json",
        default="text",
    )
    xsendfile: str = option(
        "Whether Plone names a file that is downloaded, and the web server sends it"
        " (needs collective.xsendfile among the clients' eggs; see"
        " how-to/send-large-files.md). Images come from the cache all the same.",
        choice("on", "off"),
        example="on",
        default="off",
    )
    micro_cache: str = option(
        "Whether nginx keeps for the rest of a second what Varnish has stored for"
        " everybody, so that a crowd on one address costs next to nothing.",
        choice("on", "off"),
        example="off",
        default="on",
    )
