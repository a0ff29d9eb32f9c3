"""Set caching and purging in the registries of Plone sites.

Runs inside Zope, as ``bin/instance run caching.py``, and imports nothing of this
package. What is wanted comes as JSON on the standard input, since that command
hands its arguments to a shell; what was done leaves as JSON on one marked line.
"""

from __future__ import annotations

import json
import signal
import sys
from importlib.util import find_spec
from typing import Any

RESULT = "PRODUCTIONSTACK "
"""Begins the line of the result; add-ons may print too."""

PROFILE = "plone.app.caching:default"
PROXY_PROFILE = "plone.app.caching:with-caching-proxy"

CACHE = "plone.caching.interfaces.ICacheSettings"
PURGE = "plone.cachepurging.interfaces.ICachePurgingSettings"
PLONE = "plone.app.caching.interfaces.IPloneCacheSettings"
OPERATIONS = f"{CACHE}.operationMapping"

WEAK = "plone.app.caching.weakCaching"
MODERATE = "plone.app.caching.moderateCaching"
PAGES = ("plone.content.itemView", "plone.content.folderView")
FILES = "plone.content.file"
KEPT_OPTIONS = ("etags", "ramCache")
"""What the profile says of pages and is right for them in a shared cache too."""

PURGED_TYPES = (
    "Collection",
    "Document",
    "Event",
    "File",
    "Folder",
    "Image",
    "LRF",
    "Link",
    "News Item",
    "Plone Site",
)


class NotPossibleError(Exception):
    """A site cannot be set up; the text is a word that the control script knows."""


class Settings:
    """The registry of one site, and what was changed in it."""

    def __init__(self, registry: Any) -> None:
        """Begin with nothing changed."""
        self.registry = registry
        self.changes: list[str] = []

    def set(self, name: str, value: Any) -> None:
        """Give a record a value that it has not."""
        if self.registry[name] != value:
            self.registry[name] = value
            self.changes.append(f"{name} = {_shown(value)}")

    def set_option(self, rule: str, option: str, value: Any) -> None:
        """Set an option of moderate caching for one rule; a value set before stays."""
        from plone.registry import FieldRef
        from plone.registry import Record

        name = f"{MODERATE}.{rule}.{option}"
        if self.registry.get(name) in {None, ()}:
            base = self.registry.records[f"{MODERATE}.{option}"]
            field = FieldRef(base.__name__, base.field)
            self.registry.records[name] = Record(field, value)
            self.changes.append(f"{name} = {_shown(value)}")


def apply(root: Any, wanted: dict[str, Any]) -> dict[str, Any]:
    """Set up all sites in one transaction; return what was done to each."""
    if find_spec("plone.app.caching") is None:
        return {"trouble": "no package"}
    import transaction

    def work() -> dict[str, Any]:
        return {path: _set_up(root, path, wanted) for path in wanted["paths"]}

    # Tried again when somebody else changes the same records at the same time.
    done: dict[str, Any] = transaction.manager.run(work, tries=3)
    return {"sites": done}


def _set_up(root: Any, path: str, wanted: dict[str, Any]) -> dict[str, Any]:
    from zope.component.hooks import setSite

    try:
        site = _find(root, path)
        setSite(site)
        return {"changes": _change(site, wanted)}
    except NotPossibleError as error:
        return {"trouble": str(error)}
    finally:
        setSite(None)


def _find(root: Any, path: str) -> Any:
    """Return the Plone site at a path; what is only acquired is not there."""
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


def _change(site: Any, wanted: dict[str, Any]) -> list[str]:
    from plone.registry.interfaces import IRegistry
    from zope.component import getUtility

    setup = site.portal_setup
    if not setup.profileExists(PROFILE):
        raise NotPossibleError("no profile")
    installed = _install(setup, PROFILE, missing=not _is_installed(setup))
    settings = Settings(getUtility(IRegistry))
    files = (settings.registry[OPERATIONS] or {}).get(FILES, WEAK)
    # Without a proxy in mind files are left to browsers alone, like pages.
    installed += _install(setup, PROXY_PROFILE, missing=files == WEAK)
    _map_pages(settings, wanted["seconds"])
    settings.set(f"{CACHE}.enabled", value=True)
    settings.set(f"{PURGE}.enabled", value=True)
    settings.set(f"{PURGE}.cachingProxies", tuple(wanted["proxies"]))
    settings.set(f"{PURGE}.virtualHosting", value=True)
    # Empty: Plone purges the address that the editor used, and our VCL makes all
    # addresses of a site equal.
    settings.set(f"{PURGE}.domains", ())
    types = tuple(settings.registry[f"{PLONE}.purgedContentTypes"] or ())
    more = tuple(name for name in PURGED_TYPES if name not in types)
    settings.set(f"{PLONE}.purgedContentTypes", types + more)
    return installed + settings.changes


def _is_installed(setup: Any) -> bool:
    return bool(setup.getLastVersionForProfile(PROFILE) != "unknown")


def _install(setup: Any, profile: str, *, missing: bool) -> list[str]:
    if not missing:
        return []
    setup.runAllImportStepsFromProfile(f"profile-{profile}")
    return [f"profile {profile}"]


def _map_pages(settings: Settings, seconds: int) -> None:
    """Let a shared cache keep pages; whoever chose something else keeps that."""
    operations = dict(settings.registry[OPERATIONS])
    for rule in PAGES:
        if operations.get(rule, WEAK) == WEAK:
            operations[rule] = MODERATE
            settings.changes.append(f"{OPERATIONS}: {rule} = {MODERATE}")
        if operations[rule] == MODERATE:
            for option in KEPT_OPTIONS:
                value = settings.registry.get(f"{WEAK}.{rule}.{option}")
                if value is not None:
                    settings.set_option(rule, option, value)
            settings.set_option(rule, "smaxage", seconds)
    if operations != settings.registry[OPERATIONS]:
        settings.registry[OPERATIONS] = operations


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def main(root: Any) -> None:
    """Do what the standard input asks for."""
    wanted = json.load(sys.stdin)
    # Nobody may wait for us any longer than the control script does.
    signal.alarm(wanted["timeout"])
    result = apply(root, wanted)
    sys.stdout.write(f"\n{RESULT}{json.dumps(result)}\n")
    sys.stdout.flush()


if "app" in globals():
    main(globals()["app"])
