"""What we have changed in a site's registry, so that it can be put back."""

from __future__ import annotations

import ast
import json
from typing import Any

ANNOTATION = "collective.recipe.productionstack.caching"
RECORDS = ("plone.caching.", "plone.cachepurging.", "plone.app.caching.")
PROXIES = "plone.cachepurging.interfaces.ICachePurgingSettings.cachingProxies"

REMOVED = ": removed"


class Note:
    """What we have set in a site, and what was there before; kept in the site."""

    def __init__(self, site: Any) -> None:
        """Read what earlier runs have left."""
        from zope.annotation.interfaces import IAnnotations

        self.annotations = IAnnotations(site)
        known = ast.literal_eval(self.annotations.get(ANNOTATION) or "{}")
        self.before: dict[str, Any] = known.get("before", {})
        self.set: dict[str, Any] = known.get("set", {})
        self.proxies: dict[str, tuple[str, ...]] = known.get("proxies", {})
        self.installed: bool = known.get("installed", False)

    def learn(self, before: dict[str, Any], after: dict[str, Any]) -> None:
        """Remember what changed; of the values before us the first counts."""
        for name, value in after.items():
            if name not in before or before[name] != value:
                if name not in self.set and name in before:
                    self.before[name] = before[name]
                self.set[name] = value

    def write(self) -> None:
        """Keep it; nothing is written where nothing is new."""
        values = {name: vars(self)[name] for name in sorted(vars(self))}
        del values["annotations"]
        # Plain text: readable when this package is long gone.
        text = repr(values) if self.set else ""
        if text != (self.annotations.get(ANNOTATION) or ""):
            self.annotations[ANNOTATION] = text


def put_back(
    registry: Any, note: Note, name: str, changes: list[str], kept: list[str]
) -> None:
    """Give one record its earlier value, unless somebody has changed it since."""
    now, ours, before = registry[name], note.set[name], note.before.get(name)
    if name == PROXIES:
        mine = {one for some in note.proxies.values() for one in some}
        ours, before = now, tuple(one for one in now or () if one not in mine)
    elif isinstance(ours, dict) and isinstance(now, dict) and name in note.before:
        # Rule by rule: others may have been mapped since.
        before, ours = _rules(now, ours, before or {}), now
    if now != ours:
        kept.append(f"{name} = {shown(now)}")
    elif name in note.before or before:
        if now != before:
            registry[name] = before
            changes.append(f"{name} = {shown(before)}")
    else:
        del registry.records[name]
        changes.append(f"{name}{REMOVED}")


def _rules(now: Any, ours: Any, before: Any) -> Any:
    new = dict(now)
    for rule, operation in ours.items():
        if now.get(rule) == operation and before.get(rule) != operation:
            new.pop(rule)
            new.update({rule: before[rule]} if rule in before else {})
    return new


def records(registry: Any) -> dict[str, Any]:
    """Return all records of caching and purging, as plain values."""
    return {
        name: _plain(registry.records[name].value)
        for name in registry.records
        if name.startswith(RECORDS)
    }


def lenders(registry: Any) -> set[str]:
    """Return the records of caching whose field other records borrow."""
    fields = (
        registry.records[name].field
        for name in registry.records
        if name.startswith(RECORDS)
    )
    return {field.recordName for field in fields if hasattr(field, "recordName")}


def _plain(value: Any) -> Any:
    return dict(value) if hasattr(value, "items") else value


def shown(value: Any) -> str:
    """Return a value as the user reads it."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
