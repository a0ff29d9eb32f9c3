"""Fetch a real page of every site the way a visitor does."""

from __future__ import annotations

import http.client
import ssl
from dataclasses import dataclass

from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.ctl.lifecycle.starting import Starter
from collective.recipe.productionstack.ctl.traffic import maintenance
from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.machine import waiting
from collective.recipe.productionstack.machine.net.http import connection
from collective.recipe.productionstack.model.address import Address
from collective.recipe.productionstack.model.site import API
from collective.recipe.productionstack.model.site import Site
from collective.recipe.productionstack.model.stack import Stack

MISSING = 404
ANSWERS = frozenset({*range(200, 400), 401, 403, MISSING})
TIMEOUT = 30.0


@dataclass(frozen=True, slots=True)
class Page:
    """What came back; ``status`` 0 when nothing did."""

    status: int
    trouble: str = ""
    cache: str = ""
    control: str = ""
    location: str = ""


class _NamedConnection(http.client.HTTPSConnection):
    """HTTPS to an address of ours in the name of a site (SNI)."""

    def __init__(
        self, address: Address, name: str, timeout: float, *, proxied: bool
    ) -> None:
        # The chain is asked, not the certificate: it is for visitors to judge.
        context = ssl._create_unverified_context()  # noqa: S323, SLF001
        super().__init__(name, timeout=timeout, context=context)
        self.address, self.proxied = address, proxied
        self.trust = context

    def connect(self) -> None:
        """Connect to the address, not to the name."""
        plain = connection(self.address, self.timeout or 0, proxied=self.proxied)
        plain.connect()
        self.sock = self.trust.wrap_socket(plain.sock, server_hostname=self.host)


def wait_for_all(starter: Starter) -> dict[Site, Page]:
    """Wait until every site gives a page; return the pages."""
    pages: dict[Site, Page] = {}
    for site in starter.stack.sites:
        pages[site] = _wait(starter, site)
    return pages


def hints(control: Control, stack: Stack, pages: dict[Site, Page]) -> list[str]:
    """Return what a user should know about the pages."""
    found = [
        missing(stack, site) for site, page in pages.items() if page.status == MISSING
    ]
    good = [site for site, page in pages.items() if page.status == http.HTTPStatus.OK]
    if good and any(_is_never_cached(stack, site) for site in good):
        found.append(f"pages are not cached yet: run {control.script} plone-caching")
    return found


def fetch(stack: Stack, site: Site, timeout: float = TIMEOUT) -> Page:
    """Fetch a site's front page through the outermost tier that is ours."""
    one, path = entry(stack, site, site.host, timeout)
    return ask(one, path, site.host)


def ask(
    one: http.client.HTTPConnection, path: str, host: str, method: str = "GET"
) -> Page:
    """Send one request over a connection, and close it.

    The cache answers, not what a web server may have kept of this very second.
    """
    try:
        headers = {"Host": host, "Connection": "close", "Cache-Control": "no-cache"}
        one.request(method, path, headers=headers)
        answer = one.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException) as error:
        return Page(0, f"{type(error).__name__}: {error}")
    finally:
        one.close()
    return Page(
        answer.status,
        f"status {answer.status}",
        answer.getheader("X-Cache", ""),
        answer.getheader("Cache-Control", ""),
        answer.getheader("Location", ""),
    )


def entry(
    stack: Stack, site: Site, host: str, timeout: float, *, api: bool = False
) -> tuple[http.client.HTTPConnection, str]:
    """Return a connection to the outermost tier, and the front page's path there.

    With ``api`` it is the path that Plone answers where Node makes the pages.
    """
    start = f"{API}/" if api else f"{site.folder}/"
    chain, proxied = stack.chain, stack.chain.proxy_protocol
    ours = {one.kind for one in stack.announced.programs}
    # In maintenance the web server would answer with its page for visitors.
    if chain.web_server in ours and site.host not in maintenance.hosts(stack):
        if chain.https and site.certificate:
            https = chain.https.to_connect
            return _NamedConnection(https, host, timeout, proxied=proxied), start
        return connection(chain.http, timeout, proxied=proxied), start
    inner = ((chain.proxy_cache, chain.cache), (chain.load_balancer, chain.balancer))
    address = next(
        (address for daemon, address in inner if daemon in ours),
        stack.zope.clients[0].address,
    )
    return connection(address, timeout), f"{site.api if api else site.pages}/"


def _wait(starter: Starter, site: Site) -> Page:
    step = site.shown
    starter.steps.begin(step, "waiting for a page")
    for _ in waiting.tries(starter.left, 0.3):
        page = fetch(starter.stack, site, max(1.0, min(TIMEOUT, starter.left)))
        if page.status in ANSWERS:
            starter.steps.done(step, f"status {page.status}")
            return page
        starter.steps.begin(step, page.trouble)
    message = (
        f"{site.shown} gives no page ({page.trouble}) though everything runs. "
        f"See {starter.control.script} status and the logs in "
        f"{starter.stack.folders.log}."
    )
    raise ControlError(message)


def _is_never_cached(stack: Stack, site: Site) -> bool:
    """Whether two visits in a row both went to Plone, which allows no cache to keep it.

    Plone says ``private``, or nothing at all before its caching is set up.
    """
    visits = (fetch(stack, site), fetch(stack, site))
    return all(
        page.cache == "MISS" and (not page.control or "private" in page.control)
        for page in visits
    )


def missing(stack: Stack, site: Site) -> str:
    """Say that a site is not in the database, and how to create it."""
    text = (
        f"{site.shown}: there is no {site.path} in the database yet. "
        f"Create it: bin/{stack.name} create-site"
    )
    client = stack.zope.debug_client
    if client is None:
        return text
    port = client.address.port
    script = client.script.removeprefix(f"{stack.folders.buildout}/")
    return (
        f"{text}. Or in a browser: {script} fg; from your machine "
        f"ssh -L {port}:{client.address} THIS-HOST; http://localhost:{port}/"
    )
