"""How visitors are treated: what the options say, and what the rest makes of it."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network
from ipaddress import IPv6Network
from ipaddress import ip_network
from typing import Any

from collective.recipe.productionstack.daemons import cannot
from collective.recipe.productionstack.errors import Problem
from collective.recipe.productionstack.model.chain import Chain
from collective.recipe.productionstack.model.clients import Zope
from collective.recipe.productionstack.model.front import Front
from collective.recipe.productionstack.model.site import Site
from collective.recipe.productionstack.model.storage import Data
from collective.recipe.productionstack.options.declare import fill
from collective.recipe.productionstack.options.load import StackOptions
from collective.recipe.productionstack.plan.front import error_pages
from collective.recipe.productionstack.plan.front import large_files

Network = IPv4Network | IPv6Network

HTTP3_SINCE = (1, 25)
"""The nginx that speaks it, where it was built to (nginx.org/en/docs/quic.html)."""


@dataclass(frozen=True)
class Around:
    """What the front stands before."""

    sites: tuple[Site, ...]
    chain: Chain
    zope: Zope
    data: Data = Data()
    services: tuple[str, ...] = ()
    versions: tuple[tuple[str, tuple[int, ...]], ...] = ()


def front(
    part: str, options: StackOptions, around: Around, *, given: Callable[[str], bool]
) -> tuple[Front, list[Problem]]:
    """Return how visitors are treated, and what contradicts something else."""
    found = [
        *_uploads(part, options, around.zope),
        *_rights_of_proxies(part, options),
        *_greetings(part, options),
        *_quic(part, options, around),
        *_combined(part, options, around.chain, given=given),
    ]
    if options.xsendfile == "on":
        found += large_files.problems(
            part, around.services, around.chain, around.zope, around.data
        )
    values: dict[str, Any] = {"max_upload": options.max_upload or 0}
    if hidden(around.sites, around.chain) and not given("rate-limits"):
        values["rate_limits"] = "off"  # they would meet all visitors together
    lacking = cannot.lacks(around.chain.web_server)
    for lack in (one for one in lacking if one.refused):
        if not given(lack.option):
            values[lack.field] = lack.instead
        elif getattr(options, lack.field) != lack.instead:
            shown = str(getattr(options, lack.field))
            found.append(_problem(part, lack.option, shown, lack.what, lack.remedy))
    made = fill(Front, options, **values)
    found += error_pages.problems(part, made, around.sites)
    found += error_pages.while_down(part, options.maintenance_page)
    return made, found


def hidden(sites: tuple[Site, ...], chain: Chain) -> str:
    """Return a site whose visitors all seem to be what stands in front, if any.

    It is https for them and not here, so something ends TLS that nobody has named.
    """
    if chain.has_web_server and not chain.https and not chain.trusted_proxies:
        return next((site.host for site in sites if site.scheme == "https"), "")
    return ""


def _uploads(part: str, options: StackOptions, zope: Zope) -> Iterator[Problem]:
    """Yield what Zope would not take."""
    wanted = options.max_upload or 0
    for client in sorted(zope.clients, key=lambda one: one.max_body)[:1]:
        if wanted > client.max_body:
            yield _problem(
                part,
                "max-upload",
                str(wanted),
                f"[{client.name}] takes {client.max_body} bytes at most",
                f"Write in [{client.name}]: max-request-body-size = {wanted}",
            )


def _rights_of_proxies(part: str, options: StackOptions) -> Iterator[Problem]:
    """Yield who may claim any address and has rights of an address."""
    trusted = [ip_network(one) for one in options.trusted_proxies]
    for option in ("zmi_allow", "rate_limits_exempt", "maintenance_allow"):
        for one in getattr(options, option):
            wide = [each for each in trusted if _overlap(each, ip_network(one))]
            if wide and wide[0].num_addresses > 1:
                yield _problem(
                    part,
                    option.replace("_", "-"),
                    one,
                    f"is among trusted-proxies ({wide[0]}): they claim any address",
                    "Name the proxies alone there: trusted-proxies = 10.0.0.1",
                )


def _greetings(part: str, options: StackOptions) -> Iterator[Problem]:
    """Yield a protocol that nobody is named for."""
    if options.proxy_protocol == "on" and not options.trusted_proxies:
        yield _problem(
            part,
            "proxy-protocol",
            "on",
            "nobody is named who speaks it, so all visitors would seem to be him",
            "Write its address too: trusted-proxies = 10.0.0.1",
        )


def _quic(part: str, options: StackOptions, around: Around) -> Iterator[Problem]:
    """Yield why HTTP/3 could not be had."""
    chain = around.chain
    lacking = {lack.option for lack in cannot.lacks(chain.web_server)}
    if options.http3 == "off" or "http3" in lacking:
        return
    version = dict(around.versions).get(chain.web_server, HTTP3_SINCE)
    if not chain.https:
        message = "no site has a certificate, and HTTP/3 is always encrypted"
        remedy = "Write: acme = certbot, or certificate = …"
    elif options.proxy_protocol == "on":
        message = "what speaks PROXY protocol in front passes no UDP on"
        remedy = "Let what stands in front offer HTTP/3 instead, and remove this."
    elif version < HTTP3_SINCE:
        shown = ".".join(map(str, version))
        message = f"the {chain.web_server} here ({shown}) is too old, 1.25 has it first"
        remedy = "Remove it, or run this on Debian 13."
    else:
        return
    yield _problem(part, "http3", "on", message, remedy)


def _combined(
    part: str, options: StackOptions, chain: Chain, *, given: Callable[[str], bool]
) -> Iterator[Problem]:
    """Yield which daemons do not go together, and what asks too much of one."""
    for option, value, what, remedy in cannot.misfits(chain):
        yield _problem(part, option, value, what, remedy)
    for one in cannot.excesses(chain):
        value = getattr(options, one.option.replace("-", "_"))
        if (
            one.refused
            and given(one.option)
            and (value in one.values or not one.values)
        ):
            shown = value if isinstance(value, str) else " ".join(value)
            yield _problem(part, one.option, shown, one.what, one.remedy)


def _problem(part: str, option: str, value: str, message: str, remedy: str) -> Problem:
    return Problem(
        part=part, option=option, value=value, message=message, remedy=remedy
    )


def _overlap(one: Network, other: Network) -> bool:
    return one.version == other.version and one.overlaps(other)
