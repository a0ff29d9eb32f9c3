"""The option ``application``: what else the web server serves."""

from __future__ import annotations

from dataclasses import dataclass

from collective.recipe.productionstack.options.declare import option
from collective.recipe.productionstack.options.values.parse import lines


@dataclass(frozen=True, kw_only=True)
class ApplicationOptions:
    """Other applications beside the sites."""

    application: tuple[str, ...] = option(
        "What else the web server serves, past Varnish and Plone, one per line:"
        " `HOST[/PATH] KIND TARGET [name=value …]`. Kinds: `http` (TARGET is"
        " `IP:PORT` or `unix:/PATH`, with a path behind it where that stands in place"
        " of PATH), `fastcgi` (the same for PHP-FPM; `root` is its folder), `static` (a"
        " folder), `redirect` (a URL or a path). A HOST without a site becomes a host"
        " of its own. Further names: `websocket`, `timeout`, `connections`; `root`,"
        " `front`, `scripts`; `status`, `rest`; for a host of its own `certificate`,"
        " `key`, `url`.",
        lines,
        example="www.example.com/shop http 127.0.0.1:3000",
        default=(),
        shown="none",
    )
