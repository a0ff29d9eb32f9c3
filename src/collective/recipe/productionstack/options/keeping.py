"""The options of backups: when, how old, where copies go, who is told."""

from __future__ import annotations

from dataclasses import dataclass

from collective.recipe.productionstack.model.storage import Keeping
from collective.recipe.productionstack.options.declare import fill
from collective.recipe.productionstack.options.declare import option
from collective.recipe.productionstack.options.parse import day_and_time
from collective.recipe.productionstack.options.parse import file_path
from collective.recipe.productionstack.options.parse import host_and_path
from collective.recipe.productionstack.options.parse import mail_addresses
from collective.recipe.productionstack.options.parse import number
from collective.recipe.productionstack.options.parse import time_of_day


@dataclass(frozen=True, kw_only=True)
class KeepingOptions:
    """When jobs run, and what becomes of backups."""

    backup_time: str = option(
        "When the database is backed up every day, and copied to `sync-target`;"
        " `off` leaves it to you.",
        time_of_day,
        example="04:30",
        default="",
        shown="between 04:00 and 05:59",
    )
    pack_time: str = option(
        "When the database is packed every week, and backed up afterwards.",
        day_and_time,
        example="Sun 06:30",
        default="",
        shown="Sunday, between 06:00 and 07:59",
    )
    verify_time: str = option(
        "When the newest backup is restored into a scratch folder and read every week.",
        day_and_time,
        example="Mon 06:30",
        default="",
        shown="Monday, between 06:00 and 07:59",
    )
    backup_age_limit: int = option(
        "Hours after which `status` calls the last good backup, or its copy, too old;"
        " a pack and a verification may be a week older.",
        number(1, 10000),
        example="48",
        default=36,
    )
    sync_target: str = option(
        "Where a copy of each backup goes: `user@host:/path` (ssh) or a path.",
        host_and_path,
        example="backup@far.example.com:/srv/plone-backups",
        default="",
        shown="nowhere",
    )
    sync_key: str = option(
        "The ssh key (a file) that opens `sync-target`.",
        file_path,
        example="/home/plone/.ssh/backup",
        default="",
        shown="as ssh itself finds it",
    )
    sync_keep: int = option(
        "So many copies are kept there.",
        number(1, 1000),
        example="30",
        default=14,
    )
    mailto: tuple[str, ...] = option(
        "Who gets cron's mail when a job of ours fails.",
        mail_addresses,
        example="admin@example.com",
        default=(),
        shown="the user of the crontab",
    )

    @property
    def keeping(self) -> Keeping:
        """What the model has of them."""
        return fill(
            Keeping,
            self,
            age_limit=self.backup_age_limit,
            mailto=",".join(self.mailto),
            times=(self.backup_time, self.pack_time, self.verify_time),
        )
