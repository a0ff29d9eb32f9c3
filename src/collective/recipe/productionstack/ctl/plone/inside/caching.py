"""Set caching and purging in the registries of Plone sites, or put it back."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from .site import NotPossibleError
from .site import at
from .site import registry as registry_of_site
from .undo import PROXIES
from .undo import REMOVED
from .undo import Note
from .undo import lenders
from .undo import put_back
from .undo import records
from .undo import shown

PROFILE = "plone.app.caching:default"
PROXY_PROFILE = "plone.app.caching:with-caching-proxy"

UNINSTALL_PROFILE = "plone.app.caching:uninstall"

TAGS = "collective.purgebyid"

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

TERSE = "plone.app.caching.terseCaching"
LANGUAGE = "X-PS-Language"
"""What our VCL makes of the language that a visitor asks for."""

SPOKEN = {
    **dict.fromkeys((*PAGES, "plone.content.feed"), (MODERATE, "")),
    "plone.content.dynamic": (TERSE, "Accept"),
}
"""Rules of answers in some language: how they are cached, by what they vary."""

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


class CachingSettings:
    """The registry of one site, and what was changed in it."""

    def __init__(self, registry: Any) -> None:
        """Begin with nothing changed."""
        self.registry = registry
        self.changes: list[str] = []

    def set(self, name: str, value: Any) -> None:
        """Give a record a value that it has not."""
        if self.registry[name] != value:
            self.registry[name] = value
            self.changes.append(f"{name} = {shown(value)}")

    def set_option(self, rule: str, option: str, value: Any) -> None:
        """Set an option of moderate caching for one rule; a value set before stays."""
        name = f"{MODERATE}.{rule}.{option}"
        if self.registry.get(name) in {None, ()}:
            self._borrow(name, f"{MODERATE}.{option}")
            self.registry[name] = value
            self.changes.append(f"{name} = {shown(value)}")

    def set_vary(self, rule: str, operation: str, usual: str, *, apart: bool) -> None:
        """Add the language to what a rule's answers vary by, or take it away."""
        name = f"{operation}.{rule}.vary"
        before = self.registry.get(name)
        words = [one.strip() for one in (before or usual).split(",") if one.strip()]
        kept = [one for one in words if one != LANGUAGE]
        wanted = ", ".join([*kept, LANGUAGE] if apart else kept)
        if wanted == (before or usual):
            return
        self._borrow(name, f"{operation}.vary")
        self.set(name, wanted)

    def _borrow(self, name: str, lender: str) -> None:
        """Make a record of a rule's own, if there is none."""
        from plone.registry import FieldRef
        from plone.registry import Record

        if name not in self.registry.records:
            base = self.registry.records[lender]
            field = FieldRef(base.__name__, base.field)
            self.registry.records[name] = Record(field, base.value)


def work(root: Any, wanted: dict[str, Any]) -> dict[str, Any]:
    """Do it for all sites in one transaction; return what was done to each."""
    if find_spec("plone.app.caching") is None:
        return {"trouble": "no package"}
    if wanted.get("tags") and (trouble := _no_tags()):
        return {"trouble": trouble}
    import transaction

    change = _undo if wanted.get("undo") else _change

    def every() -> dict[str, Any]:
        return {path: at(root, path, wanted, change) for path in wanted["paths"]}

    if wanted.get("dry_run"):
        try:
            return {"sites": every()}
        finally:
            transaction.abort()
    # Tried again when somebody else changes the same records at the same time.
    done: dict[str, Any] = transaction.manager.run(every, tries=3)
    return {"sites": done}


def _no_tags() -> str:
    """Return why Plone would not say the ids that purge-by = tag needs."""
    from zope.component import getGlobalSiteManager

    try:
        if find_spec(TAGS) is None:
            return "no tags"
    except ModuleNotFoundError:
        return "no tags"
    known = getGlobalSiteManager().registeredAdapters()
    return "" if any(one.name == f"{TAGS}.uuid" for one in known) else "tags not loaded"


def _change(site: Any, wanted: dict[str, Any]) -> dict[str, Any]:
    setup = site.portal_setup
    if not setup.profileExists(PROFILE):
        raise NotPossibleError("no profile")
    registry = registry_of_site()
    note, before = Note(site), records(registry)
    missing = not _is_installed(setup)
    note.installed = note.installed or missing
    installed = _install(setup, PROFILE, missing=missing)
    settings = CachingSettings(registry)
    files = (settings.registry[OPERATIONS] or {}).get(FILES, WEAK)
    # Without a proxy in mind files are left to browsers alone, like pages.
    installed += _install(setup, PROXY_PROFILE, missing=files == WEAK)
    _map_pages(settings, wanted["seconds"])
    notes = _tell_languages_apart(settings)
    settings.set(f"{CACHE}.enabled", value=True)
    settings.set(f"{PURGE}.enabled", value=True)
    settings.set(PROXIES, _proxies(registry, note, wanted))
    settings.set(f"{PURGE}.virtualHosting", value=True)
    # Empty: Plone purges the address that the editor used, and our VCL makes all
    # addresses of a site equal.
    settings.set(f"{PURGE}.domains", ())
    types = tuple(settings.registry[f"{PLONE}.purgedContentTypes"] or ())
    more = tuple(name for name in PURGED_TYPES if name not in types)
    settings.set(f"{PLONE}.purgedContentTypes", types + more)
    note.learn(before, records(registry))
    note.write()
    return {"changes": installed + settings.changes, "notes": notes}


def _tell_languages_apart(settings: CachingSettings) -> list[str]:
    """Keep languages apart where the site negotiates them; return what to know."""

    def says(name: str) -> bool:
        return bool(settings.registry.get(f"plone.{name}"))

    by_cookie = says("use_cookie_negotiation") and not says("authenticated_users_only")
    apart = says("use_request_negotiation") or by_cookie
    operations = settings.registry[OPERATIONS] or {}
    for rule, (operation, usual) in SPOKEN.items():
        if operations.get(rule) == operation:
            settings.set_vary(rule, operation, usual, apart=apart)
    notes = ["language"] if apart else []
    return notes + (["cookie always"] if says("set_cookie_always") else [])


def _proxies(registry: Any, note: Note, wanted: dict[str, Any]) -> tuple[str, ...]:
    """Return all caches to purge: those of others stay, our earlier ones go."""
    ours = note.proxies.get(wanted["owner"], ())
    others = tuple(one for one in registry[PROXIES] or () if one not in ours)
    new = tuple(one for one in wanted["proxies"] if one not in others)
    note.proxies[wanted["owner"]] = new
    return others + new


def _undo(site: Any, wanted: dict[str, Any]) -> dict[str, Any]:
    """Put back what was there before us; what somebody has tuned since stays."""
    del wanted
    registry, note = registry_of_site(), Note(site)
    changes: list[str] = []
    kept: list[str] = []
    # Records that borrow the field of another go before that one.
    for name in sorted(note.set, key=len, reverse=True):
        if name in registry.records and name not in lenders(registry):
            put_back(registry, note, name, changes, kept)
    if note.installed:
        gone = [change for change in changes if change.endswith(REMOVED)]
        changes = [change for change in changes if change not in gone]
        changes.append(f"{len(gone)} records that came with the profile{REMOVED}")
        changes += _uninstall(site.portal_setup, registry)
    note.set.clear()
    note.write()
    return {"changes": changes, "kept": kept}


def _is_installed(setup: Any) -> bool:
    return bool(setup.getLastVersionForProfile(PROFILE) != "unknown")


def _install(setup: Any, profile: str, *, missing: bool) -> list[str]:
    if not missing:
        return []
    setup.runAllImportStepsFromProfile(f"profile-{profile}")
    return [f"profile {profile}"]


def _uninstall(setup: Any, registry: Any) -> list[str]:
    """Take plone.app.caching off; records that are left by now are somebody's."""
    from plone.registry import Record

    # Copies: a record of the registry looks its field up there. Lenders come first.
    kept = {
        name: Record(registry.records[name].field, registry[name])
        for name in sorted(records(registry), key=len)
    }
    done = _install(setup, UNINSTALL_PROFILE, missing=True)
    setup.unsetLastVersionForProfile(PROFILE)
    for name, record in kept.items():
        if name not in registry.records:
            registry.records[name] = record
    return done


def _map_pages(settings: CachingSettings, seconds: int) -> None:
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
