"""``purge-check``: prove for every host that an edit's PURGE empties the cache."""

from __future__ import annotations

import http.client
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.ctl.traffic import pages
from collective.recipe.productionstack.ctl.traffic.pages import Page
from collective.recipe.productionstack.daemons import roles
from collective.recipe.productionstack.machine.net.http import connection
from collective.recipe.productionstack.model.chain import CACHE
from collective.recipe.productionstack.model.chain import WEB_SERVER
from collective.recipe.productionstack.model.site import Site
from collective.recipe.productionstack.model.site import an_example
from collective.recipe.productionstack.model.stack import Stack

TIMEOUT = 30.0
CONNECT = 3.0
REFUSED = 405
TRIES = 5
AS_PLONE = {
    "User-Agent": "python-requests",
    "Accept-Encoding": "gzip, deflate",
    "Accept": "*/*",
    "Connection": "keep-alive",
    "Content-Length": "0",
}
"""The headers of plone.cachepurging, which sends with requests."""


class FailedError(Exception):
    """A step failed; the text names the hop and the remedy."""


@dataclass
class Visit:
    """One host of one site, seen from outside; its pages, or what the API says."""

    control: Control
    stack: Stack
    site: Site
    host: str
    plan: dict[str, Any]
    api: bool = False

    def __post_init__(self) -> None:
        """Choose an address that nobody else asks for, where a purge drops that too."""
        self.name = an_example(self.host)
        self.exact = roles.cache(self.stack).exact
        self.query = "" if self.exact else f"?purge-check={secrets.token_hex(8)}"
        self.cache = roles.title(self.stack, CACHE)
        has_front = self.stack.chain.has_web_server
        self.front = roles.title(self.stack, WEB_SERVER) if has_front else self.cache

    def prove(self) -> str:
        """Take all steps; return what was seen, raise FailedError where one fails."""
        if self.site.redirect and self.host != self.site.host:
            return self.redirected()
        sent = self.planned()
        if short := roles.cache(self.stack).shortcoming():
            return short
        look = self.stored()
        for _ in range(TRIES if self.exact else 1):
            # A visitor may have come in between.
            for proxy, path in sent:
                self.purge(proxy, path)
            if (page := look()).cache == "MISS":
                break
        else:
            self.fail(
                self.cache,
                f"still {page.cache or page.trouble} after PURGE was answered with 200",
                "Is a template of your own at work? Compare it with the stock "
                f"default.vcl.j2, and see {self.script} diff",
            )
        if look().cache != "HIT":
            self.fail(self.cache, "not stored again", f"See {self.script} status")
        self.refused(look)
        return "stored, dropped by Plone's PURGE, refused from outside"

    @property
    def script(self) -> str:
        """What a user types."""
        return self.control.script

    def fail(self, hop: str, what: str, remedy: str) -> None:
        """End the proof with what is wrong, where, and what to do.

        Raises FailedError always.
        """
        raise FailedError(f"{hop}: {what}. {remedy}.")

    def visit(self, method: str = "GET") -> Page:
        """Ask as a visitor."""
        stack, site = self.stack, self.site
        one, path = pages.entry(stack, site, self.name, TIMEOUT, api=self.api)
        return pages.ask(one, f"{path}{self.query}", self.name, method)

    def at_cache(self, method: str = "GET") -> Page:
        """Ask the listener of the cache that is not the web server's."""
        one = connection(self.stack.chain.cache.to_connect, TIMEOUT)
        site = self.site
        path = f"{site.api if self.api else site.pages}/{self.query}"
        return pages.ask(one, path, self.name, method)

    def redirected(self) -> str:
        """See that an alias is sent to the site's address."""
        page = self.visit()
        if page.status != http.HTTPStatus.MOVED_PERMANENTLY or not (
            page.location.startswith(self.site.url)
        ):
            self.fail(
                self.front,
                f"no redirect to {self.site.url} but {page.trouble}",
                f"Run {self.script} diff and {self.script} reload",
            )
        if self.visit("PURGE").status != REFUSED:
            self.fail(self.front, "PURGE from outside is not refused", "See guard.conf")
        return f"sent to {self.site.url}, PURGE refused from outside"

    def planned(self) -> list[tuple[str, str]]:
        """Return the PURGEs that Plone would send to us: proxy and path.

        Raises FailedError where it would send none to us.
        """
        told = self.plan.get("sites", {}).get(self.site.path, self.plan)
        again = f"Run {self.script} plone-caching"
        if trouble := told.get("trouble"):
            if trouble == "missing":
                raise FailedError(pages.missing(self.stack, self.site))
            self.fail("Plone", f"cannot purge ({trouble})", again)
        if not told["enabled"]:
            self.fail("Plone", "purging is switched off", again)
        own = f"{self.stack.chain.purge.to_connect}"
        if own not in {urlsplit(one).netloc for one in told["proxies"]}:
            shown = ", ".join(told["proxies"]) or "nobody"
            self.fail("Plone", f"sends PURGE to {shown}, not to {own}", again)
        site = self.site
        paths = told["paths"][
            f"{site.scheme}/{site.url_host}/{site.url_port}{site.folder}"
        ]
        return [(proxy, path) for proxy in told["proxies"] for path in sorted(paths)]

    def stored(self) -> Callable[[], Page]:
        """See that the page is stored; return how to look at it again.

        Raises FailedError where it is not.
        """
        first, second = self.visit(), self.visit()
        look = self.visit
        if second.status == http.HTTPStatus.OK and not second.cache:
            # Not on the loopback nobody is shown what the cache did.
            look = self.at_cache
            look()
            second = look()
        if first.status == pages.MISSING:
            raise FailedError(pages.missing(self.stack, self.site))
        if second.status != http.HTTPStatus.OK:
            hop = self.front if not second.status else "Plone"
            self.fail(hop, f"no page but {second.trouble}", f"See {self.script} status")
        if second.cache != "HIT":
            said = f"Cache-Control says {second.control or 'nothing'}"
            self.fail(
                "Plone",
                f"the page is not stored ({second.cache}); {said}",
                f"Run {self.script} plone-caching",
            )
        return look

    def purge(self, proxy: str, path: str) -> None:
        """Send one PURGE as Plone does."""
        where = urlsplit(proxy)
        own = where.netloc == str(self.stack.chain.purge.to_connect)
        one = http.client.HTTPConnection(where.hostname or "", where.port, CONNECT)
        try:
            one.putrequest("PURGE", path, skip_accept_encoding=True)
            for name, value in AS_PLONE.items():
                one.putheader(name, value)
            one.endheaders()
            status = one.getresponse().status
        except (OSError, http.client.HTTPException) as error:
            remedy = (
                f"See {self.script} status"
                if own
                else (
                    "Each edit waits for it in Plone; take it out of cachingProxies, "
                    "or start that cache"
                )
            )
            self.fail(self.cache, f"{proxy} gives no answer ({error})", remedy)
        finally:
            one.close()
        if status not in {http.HTTPStatus.OK, http.HTTPStatus.NOT_FOUND}:
            self.fail(
                self.cache,
                f"{proxy} answered {status} to PURGE",
                f"Run {self.script} plone-caching; is that the purge-address?",
            )

    def refused(self, look: Callable[[], Page]) -> None:
        """See that visitors can drop nothing."""
        for method in ("PURGE", "BAN"):
            for hop, send in ((self.front, self.visit), (self.cache, self.at_cache)):
                status = send(method).status
                if status != REFUSED:
                    self.fail(
                        hop,
                        f"answered {status} to {method} from outside, not {REFUSED}",
                        "Is a template of your own at work?",
                    )
        if look().cache != "HIT":
            self.fail(self.cache, "a refused PURGE has dropped the page", "Report this")
