"""The pages of the web server itself: in which languages, and the user's own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from collective.recipe.productionstack.daemons.front import pages
from collective.recipe.productionstack.model.site import VirtualHost
from collective.recipe.productionstack.model.stack import Stack

LANGUAGES = ("de", "es", "fr", "it", "nl")
"""What our pages are written in, beside English."""

REFERENCE = "[request-id]"
"""What a page of the user's own shows the request's id in the place of."""

MOST = 2500
"""Bytes of a piece as written: nginx reads no longer word than 4096 (its source)."""

ALIKE = ("502", "504")
"""Shown as 503 where they have no page of their own."""


@dataclass(frozen=True, slots=True)
class OwnPage:
    """A page for a status at some sites; pieces end where the reference belongs."""

    status: str
    place: int
    language: str
    pieces: tuple[tuple[str, ...], ...]


def place(stack: Stack, site: VirtualHost) -> int:
    """Return the number of the folder that a site's pages come from, 0 for ours."""
    chosen = (site.error_pages, stack.front.error_pages)
    return _places(stack).index(chosen) if any(chosen) else 0


def default_place(stack: Stack) -> int:
    """Return the same for whoever asks for no site."""
    return 1 if stack.front.error_pages else 0


def own(stack: Stack) -> tuple[OwnPage, ...]:
    """Return every page of the user's own; a site's folder goes before the part's."""
    found = []
    for number, folders in enumerate(_places(stack)):
        merged: pages.Pages = {}
        for folder in filter(None, reversed(folders)):
            merged |= pages.read(folder)
        for status in ALIKE:
            if status not in merged and "503" in merged:
                merged[status] = merged["503"]
        found += [
            OwnPage(status, number, language, _pieces(text))
            for status, by_language in sorted(merged.items())
            for language, text in sorted(by_language.items(), reverse=True)
        ]
    return tuple(found)


def languages(own: tuple[OwnPage, ...]) -> tuple[str, ...]:
    """Return every language but English, the more special before the others."""
    named = {*LANGUAGES, *(one.language for one in own)} - {"", "en"}
    return tuple(sorted(named, key=lambda one: (-len(one), one)))


def _places(stack: Stack) -> tuple[tuple[str, str], ...]:
    """Return the folders by number: a site's and the part's."""
    part = stack.front.error_pages
    sites = {(site.error_pages, part) for site in stack.sites if site.error_pages}
    return (("", ""), ("", part), *sorted(sites))


def _pieces(text: str) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(_short(part)) for part in text.split(REFERENCE))


def _short(text: str) -> Iterator[str]:
    """Cut a text; what is quoted becomes at most nine bytes."""
    piece, size = "", 0
    for letter in text:
        more = 9 if letter in '$"\\' else len(letter.encode())
        if size + more > MOST:
            yield piece
            piece, size = "", 0
        piece, size = piece + letter, size + more
    if piece:
        yield piece
