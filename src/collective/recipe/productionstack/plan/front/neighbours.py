"""Where applications lie: on hosts of sites, hiding nothing there, or on their own."""

from __future__ import annotations

import re
from collections.abc import Iterator

from collective.recipe.productionstack.daemons import cannot
from collective.recipe.productionstack.errors import Problem
from collective.recipe.productionstack.model.application import Application
from collective.recipe.productionstack.model.application import Neighbours
from collective.recipe.productionstack.model.chain import Chain
from collective.recipe.productionstack.model.folders import Folders
from collective.recipe.productionstack.model.site import Site
from collective.recipe.productionstack.model.site import VirtualHost
from collective.recipe.productionstack.options.load import StackOptions
from collective.recipe.productionstack.options.values.names import ZOPES
from collective.recipe.productionstack.plan.front import hosts
from collective.recipe.productionstack.plan.front import virtual_hosts
from collective.recipe.productionstack.plan.front.applications import ApplicationLine
from collective.recipe.productionstack.plan.front.hosts import Line

ELSEWHERE = "Choose another path, or a host of its own: shop.example.com http …"

PLONES = re.compile(
    r"portal_.*|plone.*|.*-controlpanel|.*_forms?|.*-form|.*_view|p_|misc_|"
    r"accessibility-info|actions|ajax-search|atom\.xml|author|browserconfig\.xml|"
    r"contact-info|content_status_.*|controlpanel|cut|delete.*|edit|favicon\.ico|"
    r"folder_.*|getVocabulary|image|images|index_html|itunes\.xml|layout|"
    r"livesearch_reply|"
    r"logged-out|logged_out|login.*|logout|mail_password.*|member.*|MailHost|Members|"
    r"news\.xml|object_.*|passwordreset.*|pwreset.*|registered|register|require_login|"
    r"resourceregistries|robots\.txt|RSS|rss\.xml|search.*|select_default.*|sharing|"
    r"site-logo.*|sitemap.*|skins|theme|translation_service|updated_search|"
    r"user-information|view|workflow.*",
    re.IGNORECASE,
)
"""What every Plone site has at its root: views and tools of Products.CMFPlone 6."""


def neighbours(
    found: list[ApplicationLine],
    sites: tuple[Site, ...],
    options: StackOptions,
    chain: Chain,
    folders: Folders,
) -> Neighbours:
    """Return the applications, with the hosts that have no site."""
    lines = own_hosts(found, sites)
    return Neighbours(
        applications=tuple(one.application for one in found),
        hosts=tuple(
            VirtualHost(**virtual_hosts.values(line, options, chain, folders))
            for line in lines
        ),
    )


def own_hosts(found: list[ApplicationLine], sites: tuple[Site, ...]) -> list[Line]:
    """Return the hosts that have no site, once each."""
    taken = {name for site in sites for name in site.hosts}
    own = [one.of_host for one in found if one.application.host not in taken]
    names = [Line(one.hosts, "", dict(one.names)) for one in own]
    return list({one.hosts[0]: one for one in hosts.shared(names)}.values())


def problems(
    part: str, found: list[ApplicationLine], sites: tuple[Site, ...], chain: Chain
) -> Iterator[Problem]:
    """Yield the lines that would hide something, or say what others say."""
    message = "no web server here would serve it"
    nobody = message, "Remove it, or web-server = none."
    together = cannot.at_odds(chain.web_server, [one.application for one in found])
    at_odds = {one.number: other.place for one, other in together}
    long = list(cannot.too_long(chain.web_server, [one.application for one in found]))
    for line in found:
        wrong = _on_a_site(line, sites) or _twice(line, found)
        wrong = wrong or _at_odds(at_odds.get(line.application.number, ""), chain)
        if line.application in long:
            wrong = wrong or _too_long(chain.web_server)
        wrong = wrong if chain.has_web_server else nobody
        if wrong:
            message, remedy = wrong
            yield Problem(
                part=part,
                option="application",
                value=line.text,
                message=message,
                remedy=remedy,
            )


def _on_a_site(
    line: ApplicationLine, sites: tuple[Site, ...]
) -> tuple[str, str] | None:
    """Return what is wrong on the host of a site, and what to write."""
    host = line.application.host
    its = [site for site in sites if host in site.hosts]
    if not its:
        return None
    first = its[0]
    if host != first.host:
        message = f"{host} is another name of {first.host}"
        return message, f"Write: {first.host}{line.application.path or '/…'}"
    if line.names:
        message = f"{next(iter(line.names))} stands with the site of that host"
        return message, "Take it out here: it holds for all of the host."
    for site in its:
        if hidden := _hidden(line.application, site):
            message = f"{hidden} would be hidden by it"
            return message, ELSEWHERE
    return None


def _hidden(application: Application, site: Site) -> str:
    """Return an address of a site that nobody would reach any more, if there is one."""
    path, folder = application.path, site.folder
    around = f"{folder}/".startswith(f"{path}/") if path else not folder
    if around:
        return f"the site {site.path}"
    if not path.startswith(f"{folder}/"):
        return ""
    first = path.removeprefix(folder).split("/")[1]
    if PLONES.fullmatch(first) or ZOPES.fullmatch(first):
        return f"{first}, which every Plone site has,"
    if first == site.path.split("/")[1]:
        return f"where images are uploaded to {site.path}"
    return ""


def _at_odds(other: str, chain: Chain) -> tuple[str, str] | None:
    """Return what is wrong where two would be asked in one way."""
    if not other:
        return None
    message = (
        f"{other} is asked at the same address, for which {chain.web_server} knows"
        " timeout, connections and websocket once"
    )
    return message, "Write the same in both, or let it listen on a socket: unix:/PATH"


def _too_long(web: str) -> tuple[str, str]:
    limit = cannot.SOCKET_PATHS[web]
    message = (
        f"the path of its socket has more than {limit} bytes, all that {web} takes"
    )
    return message, "Let it listen at a shorter path: unix:/run/app.sock"


def _twice(
    line: ApplicationLine, found: list[ApplicationLine]
) -> tuple[str, str] | None:
    """Return what is wrong on a host of its own."""
    others = [
        one
        for one in found
        if one.application.host == line.application.host and one.names
    ]
    if line.names and others[0] is not line:
        message = f"names of {line.application.host} stand in another line already"
        return message, "Write them once: they hold for all of the host."
    return None
