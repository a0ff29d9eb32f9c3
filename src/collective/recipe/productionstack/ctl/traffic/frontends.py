"""Restart the processes that make pages in Plone's place, one after the other."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import replace

from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.ctl.traffic.rolling import Roll
from collective.recipe.productionstack.ctl.traffic.rolling import RollSettings
from collective.recipe.productionstack.daemons import roles
from collective.recipe.productionstack.daemons.roles import Server
from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.model.announced import Program
from collective.recipe.productionstack.model.stack import Stack


def programs(stack: Stack, names: Sequence[str]) -> list[Program]:
    """Return the processes of those names, or all that this stack runs."""
    return [
        one
        for one in stack.announced.programs
        if one.is_frontend and (not names or one.name in names)
    ]


class FrontendRoll(Roll):
    """A rolling restart of such processes; of each site another one serves on."""

    what = "frontend process"
    many = "frontend processes"

    def __init__(self, control: Control, stack: Stack, settings: RollSettings) -> None:
        """Know the balancer; visitors of theirs are never held."""
        super().__init__(control, stack, replace(settings, hold=False))
        self.balancer = roles.frontends(stack)

    def _refuse_last(self, servers: Mapping[str, Server], names: set[str]) -> None:
        """See that each site has a process without these.

        Raises ControlError where one has none, unless forced.
        """
        serving = [one for one in servers.values() if one.is_up]
        taken = {one.pool for one in serving if one.name in names}
        left = {one.pool for one in serving if one.name not in names}
        if self.settings.force or taken <= left:
            return
        shown = ", ".join(sorted(names))
        message = (
            f"{shown} alone makes pages of a site. Without it visitors see pages that "
            'the cache still has, and "Back soon" (503) for everything else until it '
            "has started again. Write frontend-processes = 2, or do it all the same "
            "with --force."
        )
        raise ControlError(message)

    def _warm(self, programs: Sequence[Program]) -> None:
        """Ask for no page: it answers its health check as soon as it can make any."""
