"""The option ``programs``: what else is supervised."""

from __future__ import annotations

from dataclasses import dataclass

from collective.recipe.productionstack.options.declare import option
from collective.recipe.productionstack.options.values.parse import lines


@dataclass(frozen=True, kw_only=True)
class ProgramOptions:
    """Programs of the site beside the clients: Solr, Redis, workers of queues."""

    programs: tuple[str, ...] = option(
        "What else is supervised, one per line: `NAME KIND COMMAND [name=value …]`."
        " Kinds: `zope-worker`, a ZEO client that gets no visitors (without a command"
        " NAME is its `plone.recipe.zope2instance` part), and `command`, any other"
        " program that stays in the foreground. Further names: `health` (an address,"
        " with a path where it speaks HTTP), `stop-signal`, `stop-seconds`, `start`"
        " (`before` or `after` the clients), `log` (a file to rotate). A lone `--`"
        " before them ends a command whose last words look like these.",
        lines,
        example="solr command bin/solr-foreground health=127.0.0.1:8983/solr/",
        default=(),
        shown="none",
    )
