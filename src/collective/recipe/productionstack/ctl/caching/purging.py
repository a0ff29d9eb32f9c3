"""``purge``: drop addresses from the cache."""

from __future__ import annotations

import http.client
import re
import time
from dataclasses import dataclass
from urllib.parse import quote
from urllib.parse import unquote
from urllib.parse import urlsplit

from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.daemons import roles
from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.errors import printable
from collective.recipe.productionstack.machine.net.http import connection
from collective.recipe.productionstack.model.site import Site
from collective.recipe.productionstack.model.site import readable
from collective.recipe.productionstack.model.stack import Stack

SAFE = "/!$&'()*+,;=:@[]~"
"""What nginx leaves as it is when it writes a path anew (ngx_escape_uri)."""

LONGEST = 4000
TIMEOUT = 10.0


@dataclass(frozen=True, slots=True)
class Target:
    """What is to be dropped from one site: a path, a pattern, or all of it."""

    site: Site
    path: str = ""

    @property
    def is_pattern(self) -> bool:
        """Whether the path stands for several."""
        return "*" in self.path


def settle(stack: Stack) -> None:
    """Wait until visitors get what was dropped: the web server keeps it for a second.

    It keeps an answer until the second of the clock ends in which it came.
    """
    if stack.is_micro_cached:
        time.sleep(1.05 - time.time() % 1)


def targets(stack: Stack, urls: tuple[str, ...], host: str) -> list[Target]:
    """Return what is meant; refuse all of it when one address is not understood."""
    chosen = _site(stack, host) if host else None
    if chosen and not urls:
        return [Target(chosen)]
    return [_target(stack, url, chosen) for url in urls]


def _target(stack: Stack, url: str, chosen: Site | None) -> Target:
    if len(url) > LONGEST:
        message = f"{url[:60]}…: longer than {LONGEST} letters. Write a pattern with *."
        raise ControlError(message)
    if url.startswith("/"):
        return Target(chosen or _only(stack, url), _path(re.split("[?#]", url)[0]))
    try:
        parts = urlsplit(url)
        good = parts.scheme in {"http", "https"} and parts.hostname
    except ValueError:
        good = None
    if not good:
        message = f"{printable(url)}: no address. Write for example: https://HOST/path"
        raise ControlError(message)
    return _below(stack, good, _path(parts.path))


def _below(stack: Stack, host: str, path: str) -> Target:
    """Return the site whose folder a path of a host lies in, and the path there."""
    of_host = _of_host(stack, host)
    for site in sorted(of_host, key=lambda one: one.folder, reverse=True):
        if f"{path}/".startswith(f"{site.folder}/"):
            return Target(site, path.removeprefix(site.folder) or "/")
    shown = ", ".join(site.url for site in of_host)
    message = f"{printable(host + path)} is in no site. There are: {shown}."
    raise ControlError(message)


def _path(text: str) -> str:
    """Write a path as nginx does."""
    lenient = "surrogateescape"
    path = quote(unquote(text, errors=lenient), safe=SAFE, errors=lenient)
    return re.sub("/{2,}", "/", path) or "/"


def _only(stack: Stack, url: str) -> Site:
    if len({site.path for site in stack.sites}) == 1:
        return stack.sites[0]
    message = (
        f"{printable(url)}: of which site? Write --site HOST. "
        f"There are: {_known(stack)}."
    )
    raise ControlError(message)


def _site(stack: Stack, name: str) -> Site:
    """Return the site of a host, or of a folder there; of several the host's own."""
    host, slash, folder = name.partition("/")
    wanted = f"/{folder}".rstrip("/") if slash else ""
    found = _of_host(stack, host)
    for site in found:
        if site.folder == wanted or (not slash and len(found) == 1):
            return site
    message = f"{printable(name)} is no site. There are: {_known(stack)}."
    raise ControlError(message)


def _of_host(stack: Stack, host: str) -> list[Site]:
    name = host.lower().rstrip(".").partition(":")[0] if "[" not in host else host
    found = [one for one in stack.sites if name in _names(one)]
    if found:
        return found
    stars = {f"*{name[at:]}" for at, letter in enumerate(name) if letter == "."}
    covered = [one for one in stack.sites if stars & set(one.hosts)]
    if covered:
        longest = max(covered, key=lambda one: max(map(len, stars & set(one.hosts))))
        return [one for one in covered if one.host == longest.host]
    message = f"{printable(host)} is no host of this stack. There are: {_known(stack)}."
    raise ControlError(message)


def _names(site: Site) -> set[str]:
    return {*site.hosts, *map(readable, site.hosts), site.url_host}


def _known(stack: Stack) -> str:
    found = (f"{host}{one.folder}" for one in stack.sites for host in one.hosts)
    return ", ".join(found)


def drop(control: Control, stack: Stack, target: Target) -> None:
    """Drop one page of a site."""
    site = target.site
    shown = f"{site.name}{target.path}"
    of_site = ("obj.http.X-PS-Site", "==", f"={site.path}")
    if not target.path:
        ban(control, stack, *of_site)
        shown = f"{site.name}: the whole site ({site.path})"
    elif target.is_pattern:
        # The owner has no slash at its end, see ps_owner in default.vcl.
        path = re.sub(r"^/\+\+api\+\+(?=/)", "", target.path)
        # No backslash: it would need quoting on its way to Varnish.
        words = re.sub(r"[][.?+(){}|$]", r"[\g<0>]", path).replace("*", ".*")
        pattern = f"^={words.removesuffix('/')}$"
        ban(control, stack, *of_site, "&&", "obj.http.X-PS-Owner", "~", pattern)
    else:
        _purge(control, stack, site, target.path)
    control.screen.say(f"{shown}: dropped")


def _purge(control: Control, stack: Stack, site: Site, path: str) -> None:
    """Send what Plone sends."""
    one = connection(stack.chain.purge, TIMEOUT)
    try:
        headers = {"Host": str(stack.chain.purge), "Connection": "close"}
        one.request("PURGE", f"{site.virtual_host}{path}", headers=headers)
        status = one.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        raise _away(control, f"{type(error).__name__} at {stack.chain.purge}") from None
    finally:
        one.close()
    if status != http.HTTPStatus.OK:
        raise _away(control, f"{stack.chain.purge} answered {status} to PURGE")


def ban(control: Control, stack: Stack, *words: str) -> None:
    """Ban what the words describe; what Varnish says is told to the user.

    Raises ControlError when the cache refuses, or is not there.
    """
    try:
        roles.cache(stack).ban(*words)
    except ControlError as error:
        raise _away(control, str(error)) from None


def _away(control: Control, why: str) -> ControlError:
    message = (
        f"Varnish did not drop it: {why}. See {control.script} status; a Varnish that "
        "does not run has nothing stored."
    )
    return ControlError(message)
