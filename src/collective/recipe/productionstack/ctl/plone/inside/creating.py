"""Create Plone sites: what a person would do at the overview page of Zope."""

from __future__ import annotations

import logging
from typing import Any

THEME = "plonetheme.barceloneta:default"


def work(root: Any, wanted: dict[str, Any]) -> dict[str, Any]:
    """Create a site at each path where nothing is; all of them, or none.

    Says of each whether it was ``created``, is ``there``, or what stands in the way;
    ``free`` is one that waits for the others. A ``trouble`` is one of them all.
    """
    import transaction
    from Testing.makerequest import makerequest

    logging.disable(logging.WARNING)  # Plone's own set-up warns of what is harmless
    found = {path: _look(root, path) for path in wanted["paths"]}
    free = [path for path, text in found.items() if text == "free"]
    trouble = _cannot(wanted) if free else ""
    if free and not trouble and set(found.values()) <= {"free", "there"}:
        here = makerequest(root)
        # Whoever asks meanwhile sees all of it or nothing.
        with transaction.manager as manager:
            for path in free:
                _create(here, path, wanted)
                found[path] = "created"
            manager.note(f"created {' '.join(free)}")
    return {"sites": found, "trouble": trouble}


def _look(root: Any, path: str) -> str:
    """Say what is at a path; ``free`` where a site can be made."""
    from Acquisition import aq_base
    from Products.CMFPlone.interfaces import IPloneSiteRoot

    found, names = root, path.strip("/").split("/")
    for name in names[:-1]:
        if not hasattr(aq_base(found), "_getOb"):
            return "no folder"
        found = found._getOb(name, None)  # noqa: SLF001 (looks without acquiring)
        if found is None:
            return "no folder"
    one = found._getOb(names[-1], None)  # noqa: SLF001
    if one is None:
        return "free"
    return "there" if IPloneSiteRoot.providedBy(one) else "other"


def _cannot(wanted: dict[str, Any]) -> str:
    """Say what this Plone does not know; empty when it knows all of it."""
    from plone.i18n.locales.languages import _combinedlanguagelist
    from plone.i18n.locales.languages import _languagelist

    if wanted["language"] not in {**_languagelist, **_combinedlanguagelist}:
        return "language"
    known = _distributions() or ["classic"]
    return "" if wanted["distribution"] in known else f"distribution {' '.join(known)}"


def _distributions() -> list[str]:
    """Return the names of what sites are made from; none before Plone 6.1."""
    try:
        from plone.distribution.api import distribution
    except ImportError:
        return []
    return sorted(one.name for one in distribution.get_distributions())


def _create(root: Any, path: str, wanted: dict[str, Any]) -> None:
    from zope.component.hooks import setSite

    setSite(None)
    above, _, name = path.strip("/").rpartition("/")
    context = root.unrestrictedTraverse(above) if above else root
    answers = {
        "title": wanted["titles"][path],
        "default_language": wanted["language"],
        "setup_content": wanted["content"],
        "portal_timezone": "UTC",
    }
    if _distributions():
        from plone.distribution.api import site

        site._create_site(  # noqa: SLF001 (the public one commits each by itself)
            context, wanted["distribution"], {"site_id": name, **answers}
        )
        return
    from Products.CMFPlone.factory import addPloneSite

    addPloneSite(context, name, extension_ids=(THEME,), **answers)
