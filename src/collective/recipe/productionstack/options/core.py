"""The options of sites, clients, addresses, tiers and files."""

from __future__ import annotations

from dataclasses import dataclass

from collective.recipe.productionstack.model.address import Address
from collective.recipe.productionstack.options.declare import option
from collective.recipe.productionstack.options.tls import file_paths
from collective.recipe.productionstack.options.values.names import host_name
from collective.recipe.productionstack.options.values.parse import SERVICE_NAMES
from collective.recipe.productionstack.options.values.parse import address
from collective.recipe.productionstack.options.values.parse import choice
from collective.recipe.productionstack.options.values.parse import file_path
from collective.recipe.productionstack.options.values.parse import lines
from collective.recipe.productionstack.options.values.parse import networks
from collective.recipe.productionstack.options.values.parse import number_or_part_names
from collective.recipe.productionstack.options.values.parse import part_name
from collective.recipe.productionstack.options.values.parse import part_names
from collective.recipe.productionstack.options.values.parse import port
from collective.recipe.productionstack.options.values.parse import port_base
from collective.recipe.productionstack.options.values.parse import proxies
from collective.recipe.productionstack.options.values.parse import service_names


@dataclass(frozen=True, kw_only=True)
class CoreOptions:
    """Who is served by what, where it listens, and which files are written."""

    sites: tuple[str, ...] = option(
        "The Plone sites and their host names, one per line:"
        " `HOST[/FOLDER][,ALIAS…] /zodb/path [name=value …]`. The first host is"
        " canonical; the others are redirected to it, or served too with"
        " `redirect=off`. With a folder the site lies below it, on all these hosts."
        " An alias `*.example.com` is every name that ends so and no other line has."
        " Further names: `url` (what visitors type, where something else stands in"
        " front), `certificate`, `key` and `error-pages` (this site's own), `frontend`"
        " (who makes its pages: `classic`, which is Plone; `volto`; or addresses of a"
        " Volto that runs already, as `127.0.0.1:3000`)."
        " `file:PATH` stands for the lines of a file.",
        lines,
        example="www.example.com,example.com /Plone",
        default=(),
        shown="required",
    )
    clients: int | tuple[str, ...] = option(
        "A number of clients to make from the one `plone.recipe.zope2instance` part,"
        " which itself becomes the debug client; or the names of the parts to balance.",
        number_or_part_names,
        example="2",
        default=(),
        shown="every ZEO client among the parts but the debug client",
    )
    client_port_base: int | None = option(
        "The clients that are made listen on this port + 1, + 2 and so on.",
        port,
        example="9080",
        shown="the port of the part that they are made from",
    )
    debug_client: str = option(
        "The client that gets no visitors and is not started with the rest.",
        part_name,
        example="instance",
        default="",
        shown="the part that the clients are made from, else none",
    )
    certificate: tuple[str, ...] = option(
        "The TLS certificate chain (PEM) of all sites that have none of their own. An"
        " RSA and an ECDSA one may stand there, with a comma between them.",
        file_paths,
        example="/etc/ssl/example.com/fullchain.pem",
        default=(),
        shown="none",
    )
    key: tuple[str, ...] = option(
        "The private key of `certificate` (PEM); of several each, in their order.",
        file_paths,
        example="/etc/ssl/example.com/privkey.pem",
        default=(),
        shown="none",
    )
    zeoserver: str = option(
        "The part that is the ZEO server, where there are several.",
        part_name,
        example="zeoserver",
        default="",
        shown="discovered",
    )
    backup: tuple[str, ...] = option(
        "The parts that make the backups: one for each storage.",
        part_names,
        example="backup",
        default=(),
        shown="every collective.recipe.backup part",
    )
    port_base: int = option(
        "The stack listens on this port and the nine that follow.",
        port_base,
        example="8100",
        default=8000,
    )
    bind: str = option(
        "The address of the listeners that visitors reach.",
        host_name,
        example="0.0.0.0",
        default="127.0.0.1",
    )
    http_address: Address | None = option(
        "Where nginx answers plain HTTP.",
        address,
        example="127.0.0.1:8000",
        shown="`bind`:`port-base`",
    )
    trusted_proxies: tuple[str, ...] = option(
        "Addresses and networks of what stands in front of nginx, another web server or"
        " a CDN: the visitor is who its `X-Forwarded-For` names. From anybody else that"
        " header counts for nothing.",
        proxies,
        example="127.0.0.1 10.0.0.0/8",
        default=(),
        shown="nobody",
    )
    proxy_protocol: str = option(
        "Whether what `trusted-proxies` names says by the PROXY protocol, and not by"
        " `X-Forwarded-For`, whose connection it hands on. Then every connection to"
        " nginx has to begin so.",
        choice("off", "on"),
        example="on",
        default="off",
    )
    https_address: Address | None = option(
        "Where nginx answers TLS.",
        address,
        example="127.0.0.1:8001",
        shown="`bind`:`port-base` + 1 when there is a certificate or `acme`",
    )
    cache_address: Address | None = option(
        "Where the cache answers visitors' requests over TCP; the web server itself"
        " reaches Varnish by a Unix socket.",
        address,
        example="127.0.0.1:8002",
        shown="127.0.0.1:`port-base` + 2",
    )
    purge_address: Address | None = option(
        "Where the cache answers PURGE and nothing else.",
        address,
        example="127.0.0.1:8003",
        shown="127.0.0.1:`port-base` + 3",
    )
    balancer_address: Address | None = option(
        "Where the load balancer listens, in front of the clients.",
        address,
        example="127.0.0.1:8004",
        shown="127.0.0.1:`port-base` + 4",
    )
    stats_address: Address | None = option(
        "Where HAProxy shows its statistics page and Prometheus metrics.",
        address,
        example="127.0.0.1:8005",
        shown="127.0.0.1:`port-base` + 5",
    )
    web_server: str = option(
        "The web server in front: `nginx`, or `apache`, which cannot do all that nginx"
        " can (see how-to/use-apache.md); `none` leaves it out.",
        choice("nginx", "apache", "none"),
        example="none",
        default="nginx",
    )
    proxy_cache: str = option(
        "The cache: `varnish`; or `nginx`, where that is the web server too, in the"
        " same processes, for a minute at most; `none` leaves it out (see"
        " explanation/which-tools.md).",
        choice("varnish", "nginx", "apache", "none"),
        example="nginx",
        default="varnish",
    )
    load_balancer: str = option(
        "The load balancer: `haproxy`; or `nginx`, where that is the web server too, in"
        " the same processes, without a queue; `none` leaves it out (see"
        " explanation/which-tools.md).",
        choice("haproxy", "nginx", "apache", "none"),
        example="nginx",
        default="haproxy",
    )
    services: tuple[str, ...] = option(
        "Which services' files to write; the topology stays the same.",
        service_names,
        example="nginx varnish haproxy",
        default=SERVICE_NAMES,
        shown="all",
    )
    templates: str = option(
        "A folder that is searched before the stock templates; a file there may"
        " extend `stock/…` and refill its blocks.",
        file_path,
        example="${buildout:directory}/templates",
        default="",
        shown="`${buildout:directory}/templates`",
    )
    maintenance_page: str = option(
        "A page of your own (one HTML file, nothing beside it) for visitors while"
        " `bin/stack maintenance` is on.",
        file_path,
        example="${buildout:directory}/maintenance.html",
        default="",
        shown="a plain one",
    )
    maintenance_allow: tuple[str, ...] = option(
        "Addresses and networks that get through to Plone during maintenance.",
        networks,
        example="127.0.0.1 10.20.0.0/16 2001:db8::/32",
        default=(),
        shown="none",
    )
    check: str = option(
        "Whether the daemons check the result: `auto` warns about a missing one,"
        " `on` makes that an error, `off` asks none.",
        choice("auto", "on", "off"),
        example="on",
        default="auto",
    )
