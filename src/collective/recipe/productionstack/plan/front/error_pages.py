"""Error pages of the user's own, checked before anything is written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from collective.recipe.productionstack.daemons.front import pages
from collective.recipe.productionstack.errors import Problem
from collective.recipe.productionstack.model.front import Front
from collective.recipe.productionstack.model.site import Site

REMEDY = "Mend it, or take it out of that folder; 503.html is a whole page in UTF-8."
ONE_FILE = "Write it, as one HTML file."
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


def while_down(part: str, page: str) -> Iterator[Problem]:
    """Yield what is wrong with the page that visitors see during maintenance."""
    message = ""
    if page and not Path(page).is_file():
        message = "no such file"
    elif page and b"\0" in Path(page).read_bytes():
        message = "it is no text, so visitors would see garbage"
    if message:
        yield Problem(
            part=part,
            option="maintenance-page",
            value=page,
            message=message,
            remedy=ONE_FILE,
        )
