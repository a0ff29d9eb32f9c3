"""Small real stacks of every combination of tiers, made by the real code."""

from __future__ import annotations

import dataclasses
from typing import Any

from collective.recipe.productionstack.daemons import registry
from collective.recipe.productionstack.model.chain import ROLES
from collective.recipe.productionstack.model.stack import Host
from collective.recipe.productionstack.model.stack import Stack
from collective.recipe.productionstack.plan import announcing
from collective.recipe.productionstack.plan import rendering
from collective.recipe.productionstack.tree import check
from collective.recipe.productionstack.tree.trees import Tree
from tests.support import samples
from tests.support.bench import Bench


class CombinedBench(Bench):
    """A stack whose daemons are the real ones, with tiny servers as clients."""

    def __init__(self, **values: Any) -> None:
        super().__init__()
        # Loads come from one address.
        self.values = {"rate_limits": "off", **values}
        self.versions = tuple(sorted(check.versions(registry.versioned(), {}).items()))

    @property
    def stack(self) -> Stack:
        made = super().stack
        stack = samples.changed(made, host=Host(versions=self.versions), **self.values)
        filled = {stack.chain.filled_by(role) for role in ROLES}
        services = tuple(
            one.NAME for one in registry.SERVICES if not one.ROLES or one.NAME in filled
        )
        stack = announcing.complete(dataclasses.replace(stack, services=services))
        own = {one.name: one for one in made.announced.programs}
        programs = tuple(
            own.get(one.name) or own.get({"zeoserver": "zeo"}.get(one.name, ""), one)
            for one in stack.announced.programs
            if one.name != "watchdog"
        )
        announced = dataclasses.replace(stack.announced, programs=programs)
        return dataclasses.replace(stack, announced=announced)

    def tree(self) -> Tree:
        return rendering.tree_of(self.stack)
