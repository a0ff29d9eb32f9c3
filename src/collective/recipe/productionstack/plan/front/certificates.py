"""The certificates and keys that are named, as far as they are there already."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from collective.recipe.productionstack.daemons import acme
from collective.recipe.productionstack.errors import Problem
from collective.recipe.productionstack.machine.net import tls
from collective.recipe.productionstack.model.folders import Folders
from collective.recipe.productionstack.model.site import Site
from collective.recipe.productionstack.model.site import VirtualHost
from collective.recipe.productionstack.model.stack import Stack
from collective.recipe.productionstack.options.load import StackOptions

if TYPE_CHECKING:
    from collective.recipe.productionstack.plan.stacks import Part

Wrong = tuple[str, str, str, str]
"""An option, its value, what is wrong with it, and what to write or to run."""


def problems(
    part: Part, options: StackOptions, sites: tuple[VirtualHost, ...], folders: Folders
) -> Iterator[Problem]:
    """Yield what no web server could serve with, and what nobody could renew."""
    for site in {one.pairs: one for one in reversed(sites) if not one.acme}.values():
        yield from _pairs(part.name, site)
    if options.acme == "off":
        return
    for option, value, message, remedy in (
        *_contradictions(part, options),
        *_out_of_reach(options, sites, folders),
    ):
        yield Problem(
            part=part.name, option=option, value=value, message=message, remedy=remedy
        )


def _contradictions(part: Part, options: StackOptions) -> Iterator[Wrong]:
    if part.alone:
        message = "a piece alone has no verb that gets certificates"
        yield "acme", options.acme, message, "Use the whole stack, or remove it."
    if options.certificate:
        message = "the sites share a certificate already, so there is none to get"
        yield "acme", options.acme, message, "Remove either this or certificate."
    if options.acme == "lego" and not options.acme_email:
        message = "lego opens no account without a mail address"
        yield "acme-email", "", message, "Write: acme-email = you@example.com"


def _out_of_reach(
    options: StackOptions, sites: tuple[VirtualHost, ...], folders: Folders
) -> Iterator[Wrong]:
    if (path := options.acme_ca_file) and not _is_certificate(path):
        message = "no certificate (PEM) can be read there"
        yield "acme-ca-file", path, message, "Name the CA's root certificate."
    for host in (host for site in sites if site.acme for host in site.hosts):
        if "*" in host:
            message = f"nobody certifies {host} over http"
            remedy = "Give that site certificate=… and key=… of its own."
            yield "acme", options.acme, message, remedy
    for folder in (folders.challenges, folders.certificates):
        if Path(folder).exists() and not os.access(folder, os.W_OK | os.X_OK):
            message = f"{folder} cannot be written, so no certificate could come"
            yield "acme", options.acme, message, f"Run: chmod u+rwx {folder}"


def _is_certificate(path: str) -> bool:
    try:
        return bool(tls.in_file(path))
    except (OSError, ValueError):
        return False


def _pairs(part: str, site: VirtualHost) -> Iterator[Problem]:
    """Yield the pairs of a site that no daemon can use together."""
    kinds: dict[str, str] = {}
    for certificate, key in site.pairs:
        if trouble := tls.pair_trouble(certificate, key):
            yield _problem(part, site, certificate, trouble)
        try:
            kind = tls.kind(tls.in_file(certificate)[0])
        except (OSError, ValueError):
            continue  # the web server itself says so
        other = kinds.setdefault(kind, certificate)
        if kind and other != certificate:
            message = f"{other} is {kind} too, and one of each kind is used"
            yield _problem(part, site, certificate, message)


def _problem(part: str, site: VirtualHost, certificate: str, message: str) -> Problem:
    option = site.certified_by[0]
    host = f"{site.host} {site.path}" if isinstance(site, Site) else site.host
    mine = f"{host} certificate={certificate}"
    return Problem(
        part=part,
        option=option,
        value=mine if option == site.option else certificate,
        message=message,
        remedy="Name the key that was made for it; with several, in the same order.",
    )


def warnings(stack: Stack) -> Iterator[str]:
    """Yield what visitors or the system's users will notice."""
    for site in stack.virtual_hosts:
        for certificate, _ in site.pairs:
            yield from _certificate(stack, site, certificate)
    yield from _open_keys(stack)
    if stack.acme.is_on and any(site.acme for site in stack.virtual_hosts):
        for what in acme.missing(stack.acme.acme):
            yield f"[{stack.name}] acme = {stack.acme.acme}: {what}"


def _certificate(stack: Stack, site: VirtualHost, path: str) -> Iterator[str]:
    """Yield what is wrong with a certificate that is there already."""
    what = f"[{stack.name}] certificate = {path}"
    again = "Renew it"
    if site.acme:
        what, again = f"[{stack.name}] acme: {path}", f"Run: {_obtain(stack, site)}"
    try:
        first = tls.in_file(path)[0]
        begins, ends = tls.validity(first)
        names = tls.names(first)
    except (OSError, ValueError):
        return  # the web server itself says so
    now = time.time()
    if not begins <= now <= ends:
        day = time.strftime("%Y-%m-%d", time.gmtime(ends if now > ends else begins))
        word = "ended on" if now > ends else "does not begin before"
        yield f"{what}: it {word} {day}: visitors are warned. {again}"
    if left := [one for one in site.hosts if not tls.covers(names, one)]:
        again = again if site.acme else "Get one that names them all"
        yield (
            f"{what}: it is for {', '.join(names) or 'no host'}, not for "
            f"{', '.join(left)}. {again}"
        )


def _obtain(stack: Stack, site: VirtualHost) -> str:
    return f"{stack.folders.bin}/{stack.name} certificate obtain {site.host}"


def _open_keys(stack: Stack) -> Iterator[str]:
    """Yield the keys that others may read."""
    for path in sorted(
        {key for site in stack.virtual_hosts for _, key in site.pairs if key}
    ):
        if Path(path).is_file() and Path(path).stat().st_mode & stat.S_IROTH:
            yield (
                f"[{stack.name}] key = {path}: every user of this machine can read it."
                f" Run: chmod o-rwx {path}"
            )
