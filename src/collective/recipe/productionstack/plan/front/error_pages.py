"""Error pages of the user's own, checked before anything is written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from collective.recipe.productionstack.daemons import pages
from collective.recipe.productionstack.errors import Problem
from collective.recipe.productionstack.model.front import Front
from collective.recipe.productionstack.model.site import Site

REMEDY = "Mend it, or take it out of that folder; 503.html is a whole page in UTF-8."
NO_FOLDER = "Make that folder, or name another."


def problems(part: str, front: Front, sites: tuple[Site, ...]) -> Iterator[Problem]:
    """Yield what is wrong with the folders that the part and its sites name."""
    named = [("error-pages", front.error_pages, front.error_pages)]
    named += dict.fromkeys(  # the lines of a host share them
        ("sites", f"{site.host} error-pages={site.error_pages}", site.error_pages)
        for site in sites
    )
    for option, value, folder in named:
        if not folder:
            continue
        try:
            pages.read(folder)
        except ValueError as error:
            yield Problem(
                part=part,
                option=option,
                value=value,
                message=str(error),
                remedy=REMEDY if Path(folder).is_dir() else NO_FOLDER,
            )
