"""The options of the watchdog and of who is told what it sees."""

from __future__ import annotations

from dataclasses import dataclass

from collective.recipe.productionstack.model.stack import Watching
from collective.recipe.productionstack.options.declare import option
from collective.recipe.productionstack.options.values.parse import in_bytes
from collective.recipe.productionstack.options.values.parse import mail_addresses
from collective.recipe.productionstack.options.values.parse import web_address

LEAST_MEMORY = 256 * 1024**2


def memory_size(value: str) -> int:
    """Parse an amount of memory such as ``1500M`` or ``2G`` (1024 each) to bytes.

    Raises ValueError for anything else, or for less than Plone needs.
    """
    found = in_bytes(value)
    if found < LEAST_MEMORY:
        raise ValueError("Plone alone needs more than that; at least 256M")
    return found


@dataclass(frozen=True, kw_only=True)
class WatchingOptions:
    """What is too much, and who is told."""

    memory_limit: int | None = option(
        "A client that uses more memory for half a minute is restarted as `restart`"
        " does it: drained first, never the last one that serves.",
        memory_size,
        example="1500M",
        shown="no limit",
    )
    alert_mail: tuple[str, ...] = option(
        "Who gets a mail when something is wrong, and when it is well again; sent with"
        " the system's `sendmail`.",
        mail_addresses,
        example="admin@example.com",
        default=(),
        shown="nobody",
    )
    alert_webhook: str = option(
        "An address that gets the same as a POST of JSON, whose `text` is for people"
        " (Slack, Mattermost and others show it).",
        web_address,
        example="https://chat.example.com/hooks/x",
        default="",
        shown="none",
        secret=True,
    )

    @property
    def watching(self) -> Watching:
        """All of them as the model has them."""
        return Watching(
            memory_limit=self.memory_limit or 0,
            mail=self.alert_mail,
            webhook=self.alert_webhook,
        )
