"""What the cache and the balancer have counted since they started."""

from __future__ import annotations

from collections.abc import Mapping

from collective.recipe.productionstack.daemons import roles
from collective.recipe.productionstack.model.stack import Stack

SECONDS = 0.5

FULL = "varnish full"
"""The trouble that answers were cut off."""


def take(stack: Stack) -> dict[str, dict[str, int]]:
    """Return what each tier that is there has counted."""
    found = {"balancer": roles.balancer(stack, SECONDS).counters()}
    if stack.chain.has_cache and not stack.alone:
        found["cache"] = roles.cache(stack).counters()
    return {tier: counted for tier, counted in sorted(found.items()) if counted}


def lines(counted: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Say it to people."""
    said = []
    if cache := counted.get("cache"):
        asked = cache["hits"] + cache["misses"]
        ratio = f"{100 * cache['hits'] // asked} % hits" if asked else "not asked yet"
        cut = f", {cache['cut_off']} CUT OFF" if cache.get("cut_off") else ""
        said.append(
            f"cache: {ratio}, {cache['evicted']} evicted, "
            f"{cache['failed_fetches']} fetches failed{cut}"
        )
    if balancer := counted.get("balancer"):
        said.append(
            f"queue: {balancer['waiting']} wait, {balancer['waited_at_most']} at most; "
            f"{balancer['errors']} answers were 5xx"
        )
    return said


class CutOff:
    """Sees whether answers were cut off since it looked last."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self.before: int | None = None

    def troubles(self, counted: Mapping[str, Mapping[str, int]]) -> dict[str, str]:
        """Return the trouble, if there is any."""
        now = counted.get("cache", {}).get("cut_off", 0)
        before, self.before = self.before, now
        if before is None or now <= before:
            return {}
        text = "answers to slow readers were cut off: Varnish's file for them is full"
        return {FULL: text}
