"""The options of who makes pages in Plone's place."""

from __future__ import annotations

from dataclasses import dataclass

from collective.recipe.productionstack.model.address import Address
from collective.recipe.productionstack.options.declare import option
from collective.recipe.productionstack.options.values.parse import address
from collective.recipe.productionstack.options.values.parse import file_path
from collective.recipe.productionstack.options.values.parse import number

CLASSIC, VOLTO = "classic", "volto"
MOST = 16
FRONTEND_OFFSET = 20
"""What is added to `port-base` for the first process of a frontend."""


@dataclass(frozen=True, slots=True)
class WantedFrontend:
    """What a line of ``sites`` says: ours, or the processes of somebody else."""

    addresses: tuple[Address, ...] = ()


def frontend(value: str) -> WantedFrontend | None:
    """Parse ``classic`` (which is nobody), ``volto``, or addresses with commas.

    Raises ValueError for anything else.
    """
    if value == CLASSIC:
        return None
    if value == VOLTO:
        return WantedFrontend()
    try:
        found = tuple(address(one).to_connect for one in value.split(","))
    except ValueError:
        known = f"neither {CLASSIC} nor {VOLTO}, nor an address such as 127.0.0.1:3000"
        raise ValueError(known) from None
    if len(set(found)) < len(found):
        raise ValueError("an address stands there twice")
    return WantedFrontend(found)


@dataclass(frozen=True, kw_only=True)
class FrontendOptions:
    """The frontend that this stack runs itself."""

    frontend_folder: str = option(
        "The folder of a built Volto, the one with `build/server.js`: its processes are"
        " run for every site that says `frontend=volto`, from `port-base` + 20 on.",
        file_path,
        example="/srv/frontend",
        default="",
        shown="none",
    )
    frontend_processes: int | None = option(
        "How many processes of it each of these sites gets. With one alone visitors"
        " notice its restart.",
        number(1, MOST),
        example="4",
        shown="2",
    )
