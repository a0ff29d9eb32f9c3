"""Keep supervisord's list of programs in step with the applied tree."""

from __future__ import annotations

from collective.recipe.productionstack.ctl.rpc import Changes
from collective.recipe.productionstack.ctl.rpc import Supervisor


def adopt(supervisor: Supervisor) -> Changes:
    """Take into use what can be without stopping anything; return the differences.

    A running program keeps its old definition until it is started again by ``up``.
    """
    changes = supervisor.reread()
    infos = supervisor.infos()
    for name in changes.added:
        supervisor.add(name)
    for name in (*changes.changed, *changes.removed):
        if name in infos and not infos[name].is_up and infos[name].state != "STOPPING":
            supervisor.remove(name)
            if name in changes.changed:
                supervisor.add(name)
    return changes
