"""A Plone site in the database, and its registry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class NotPossibleError(Exception):
    """A site cannot be set up; the text is a word that the control script knows."""


def at(
    root: Any,
    path: str,
    wanted: dict[str, Any],
    do: Callable[[Any, dict[str, Any]], dict[str, Any]],
) -> dict[str, Any]:
    """Do something in one site, as its site hooks expect it; return what that says."""
    from zope.component.hooks import setSite

    try:
        site = find(root, path)
        setSite(site)
        return do(site, wanted)
    except NotPossibleError as error:
        return {"trouble": str(error)}
    finally:
        setSite(None)


def find(root: Any, path: str) -> Any:
    """Return the Plone site at a path; what is only acquired is not there.

    Raises NotPossibleError where there is none.
    """
    from Acquisition import aq_base
    from Products.CMFPlone.interfaces import IPloneSiteRoot

    found = root
    for name in path.strip("/").split("/"):
        if not hasattr(aq_base(found), "_getOb"):
            raise NotPossibleError("missing")
        found = found._getOb(name, None)  # noqa: SLF001 (looks without acquiring)
        if found is None:
            raise NotPossibleError("missing")
    if not IPloneSiteRoot.providedBy(found):
        raise NotPossibleError("no site")
    return found


def registry() -> Any:
    """Return the registry of the site that is set."""
    from plone.registry.interfaces import IRegistry
    from zope.component import getUtility

    return getUtility(IRegistry)
