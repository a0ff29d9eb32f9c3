"""From the options of balancing to its values: pools, queue and algorithm."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence

from collective.recipe.productionstack.errors import Problem
from collective.recipe.productionstack.model.clients import Balancing
from collective.recipe.productionstack.model.clients import Client
from collective.recipe.productionstack.model.clients import Pool
from collective.recipe.productionstack.options.declare import fill
from collective.recipe.productionstack.options.load import StackOptions
from collective.recipe.productionstack.options.values.parse import url_path

EDITORS = "editors"


def balancing(
    part: str, options: StackOptions, clients: Sequence[Client]
) -> tuple[Balancing, list[Problem]]:
    """Return how requests are spread, and what is wrong with the options of it."""
    pools, problems = _pools(part, options)
    problems += _misfits(part, pools, clients)
    made = fill(
        Balancing,
        options,
        algorithm=options.balance,
        sticky=options.sticky == "on",
        pools=() if problems else tuple(pools),
    )
    return made, problems


def _pools(part: str, options: StackOptions) -> tuple[list[Pool], list[Problem]]:
    pools, problems = [], []
    if options.editors_clients:
        pools.append(Pool(name=EDITORS, clients=options.editors_clients))
    for number, line in enumerate(options.path_clients, 1):
        path, *names = line.split()
        try:
            path = url_path(path)
        except ValueError as error:
            problems.append(
                _problem(part, line, str(error), "Write: /import instance3")
            )
            continue
        if not names:
            problems.append(
                _problem(part, line, "names no client", f"Write: {path} instance3")
            )
        if any(path == one.path for one in pools):
            problems.append(
                _problem(
                    part, line, "is there twice", "Name all its clients in one line."
                )
            )
        pools.append(Pool(name=f"path-{number}", path=path, clients=tuple(names)))
    return pools, problems


def _misfits(
    part: str, pools: Sequence[Pool], clients: Sequence[Client]
) -> Iterator[Problem]:
    """Yield the problems of pools that ask for clients which are not to be had."""
    known = [client.name for client in clients]
    taken: dict[str, str] = {}
    for pool in pools:
        option = "path-clients" if pool.path else "editors-clients"
        for name in pool.clients:
            if name not in known:
                shown = ", ".join(known) or "none"
                yield _problem(
                    part, name, "is no balanced client", f"There are: {shown}.", option
                )
            elif name in taken:
                yield _problem(
                    part,
                    name,
                    f"is in {taken[name]} already",
                    "A client serves one pool only; make one more: clients = N.",
                    option,
                )
            taken[name] = option
    if known and pools and not set(known) - taken.keys():
        yield _problem(
            part,
            " ".join(sorted(taken)),
            "leaves no client for everybody else",
            f"Make one more: clients = {len(known) + 1}",
            "path-clients" if pools[0].path else "editors-clients",
        )


def _problem(
    part: str, value: str, message: str, remedy: str, option: str = "path-clients"
) -> Problem:
    return Problem(
        part=part, option=option, value=value, message=message, remedy=remedy
    )
