"""What the other recipes' parts say, gathered by whoever can read them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field

from collective.recipe.productionstack.errors import Problem
from collective.recipe.productionstack.model.clients import Client
from collective.recipe.productionstack.model.storage import Backup
from collective.recipe.productionstack.model.storage import Storage


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What the other recipes' parts say, by part name; memory, disk in bytes.

    ``debugging`` are the clients whose debug mode is on.
    """

    directory: str
    bin: str
    clients: Mapping[str, Client] = field(default_factory=dict)
    no_clients: Mapping[str, Problem] = field(default_factory=dict)
    storages: Mapping[str, Storage] = field(default_factory=dict)
    backups: Mapping[str, Backup] = field(default_factory=dict)
    versions: tuple[tuple[str, tuple[int, ...]], ...] = ()
    cores: int = 1
    memory: int = 1 << 40
    disk: int = 1 << 40
    debugging: frozenset[str] = frozenset()
    unreadable: frozenset[str] = frozenset()
