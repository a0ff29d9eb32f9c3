"""Who makes the pages of a site in Plone's place."""

from __future__ import annotations

from dataclasses import dataclass

from collective.recipe.productionstack.model.address import Address

MARK = "/++frontend++"
"""Stands before the virtual-host address of what Node is asked for.

The web server writes it, behind which all that visitors write stands: none can forge
it.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeServer:
    """A process that makes pages: its name, and where it listens."""

    name: str
    address: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Frontend:
    """The processes that make a site's pages.

    ``folder`` holds what they run; it is empty where others run them.
    """

    servers: tuple[NodeServer, ...]
    folder: str = ""
