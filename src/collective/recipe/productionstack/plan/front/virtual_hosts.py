"""What a host is to visitors: its address, and who certifies it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from collective.recipe.productionstack.errors import Problem
from collective.recipe.productionstack.model.chain import Chain
from collective.recipe.productionstack.model.folders import Folders
from collective.recipe.productionstack.model.site import CHAIN_FILE
from collective.recipe.productionstack.model.site import KEY_FILE
from collective.recipe.productionstack.model.site import Site
from collective.recipe.productionstack.model.site import VirtualHost
from collective.recipe.productionstack.model.site import host_folder
from collective.recipe.productionstack.options.load import StackOptions
from collective.recipe.productionstack.options.values.names import host_name
from collective.recipe.productionstack.options.values.parse import port
from collective.recipe.productionstack.plan.front import hosts
from collective.recipe.productionstack.plan.front.hosts import Line


def address(value: str) -> tuple[str, str, int]:
    """Parse what visitors type for a host: scheme, name and port.

    Raises ValueError for anything else, and for more than that.
    """
    parts = urlsplit(value)
    usual = {"http": 80, "https": 443}
    if parts.scheme not in usual or not parts.hostname:
        raise ValueError("not an address such as https://www.example.com")
    if parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError("only scheme, host and port are allowed")
    _, colon, number = parts.netloc.rpartition("]")[2].partition(":")
    seen = port(number) if colon else usual[parts.scheme]
    return parts.scheme, host_name(parts.hostname), seen


def values(
    line: Line, options: StackOptions, chain: Chain, folders: Folders
) -> dict[str, Any]:
    """Return the values of a line's ``VirtualHost``; other options decide too."""
    certificates, keys = _files(line, options)
    acme = options.acme != "off" and not (certificates or keys)
    if acme:
        certificates, keys = (
            (f"{folders.certificates}/{host_folder(line.hosts[0])}/{name}",)
            for name in (CHAIN_FILE, KEY_FILE)
        )
    scheme, host, number = line.names.get("url") or _seen(
        line, chain, tls=bool(certificates)
    )
    return {
        "host": line.hosts[0],
        "aliases": line.hosts[1:],
        "redirect": line.names.get("redirect", True),
        "scheme": scheme,
        "url_host": host,
        "url_port": number,
        "certificate": next(iter(certificates), ""),
        "key": next(iter(keys), ""),
        "own_certificate": "certificate" in line.names,
        "more_certificates": tuple(zip(certificates[1:], keys[1:], strict=False)),
        "acme": acme,
        "error_pages": line.names.get("error-pages", ""),
    }


def _files(
    line: Line, options: StackOptions
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the certificates and the keys that the user names for a host."""
    own = "certificate" in line.names
    certificates = line.names.get("certificate", options.certificate)
    return certificates, line.names.get("key", () if own else options.key)


def _seen(line: Line, chain: Chain, *, tls: bool) -> tuple[str, str, int]:
    if tls and chain.https:
        return "https", line.hosts[0], chain.https.port
    return "http", line.hosts[0], chain.http.port


def problems(
    part: str, found: list[Line], options: StackOptions, built: tuple[VirtualHost, ...]
) -> Iterator[Problem]:
    """Yield what contradicts itself about the hosts of some lines."""
    for line, host in zip(found, built, strict=True):
        if len(set(map(len, _files(line, options)))) > 1:
            yield _problem(
                part,
                host,
                "a certificate and a key belong together",
                "Give both or neither, and as many of each: "
                "certificate=/path/chain.pem key=/path/key.pem",
            )
    for host in built:
        if host.certificate and host.scheme != "https":
            url = host.url if isinstance(host, Site) else host.origin
            yield _problem(
                part,
                host,
                f"visitors are to type {url}, but its certificate sends them to https",
                "Write url=https://…, or give this site no certificate.",
            )


def strangers(part: str, built: tuple[VirtualHost, ...]) -> Iterator[Problem]:
    """Yield the hosts that another would answer for over TLS."""
    owners = {name: host for host in built for name in host.hosts}
    names = {name: host.host for name, host in owners.items()}
    for star, name in hosts.covered(names):
        host, other = owners[name], owners[star]
        if other.certificate and not host.certificate:
            yield _problem(
                part,
                host,
                f"it has no certificate, and {star} of {other.host} has: over https"
                " that site would answer for it",
                "Give it a certificate too, or write the names out in place of the"
                " star.",
            )


def _problem(part: str, host: VirtualHost, message: str, remedy: str) -> Problem:
    shown = f"{host.name} {host.path}" if isinstance(host, Site) else host.host
    return Problem(
        part=part, option=host.option, value=shown, message=message, remedy=remedy
    )
