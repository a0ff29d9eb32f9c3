"""The options of backups: when, how old, where copies go, who is told."""

from __future__ import annotations

from dataclasses import dataclass

from collective.recipe.productionstack.model.storage import Keeping
from collective.recipe.productionstack.options.declare import fill
from collective.recipe.productionstack.options.declare import option
from collective.recipe.productionstack.options.values.copies import copy_targets
from collective.recipe.productionstack.options.values.copies import kept_copies
from collective.recipe.productionstack.options.values.parse import day_and_time
from collective.recipe.productionstack.options.values.parse import file_path
from collective.recipe.productionstack.options.values.parse import mail_addresses
from collective.recipe.productionstack.options.values.parse import number
from collective.recipe.productionstack.options.values.parse import time_of_day


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
    sync_target: tuple[str, ...] = option(
        "Where copies of each backup go, one place a line: `user@host:/path` (ssh), a"
        " path, or `restic:REPOSITORY` as restic takes it.",
        copy_targets,
        example="backup@far.example.com:/srv/plone-backups",
        default=(),
        shown="nowhere",
    )
    sync_key: str = option(
        "The ssh key (a file) that opens each `sync-target` with a host.",
        file_path,
        example="/home/plone/.ssh/backup",
        default="",
        shown="as ssh itself finds it",
    )
    sync_keep: tuple[int, int, int, int] = option(
        "Which copies are kept at each place: a number of the newest, or the last of"
        " so many days, weeks and months that have one. The newest and pinned ones are"
        " always kept.",
        kept_copies,
        example="14d 8w 12m",
        default=(14, 0, 0, 0),
        shown="the 14 newest",
    )
    sync_password_file: str = option(
        "The file that holds the password of restic repositories; only its owner may"
        " read it.",
        file_path,
        example="/home/plone/.restic-password",
        default="",
        shown="none",
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
            sync_keep=self.sync_keep[0],
            sync_calendar=self.sync_keep[1:],
            mailto=",".join(self.mailto),
            times=(self.backup_time, self.pack_time, self.verify_time),
        )
