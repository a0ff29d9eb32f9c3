"""Names of options that are not ours, or not yet."""

from __future__ import annotations

FREE = ("recipe", "<", "eggs")
"""Options that are never ours; ``x-…`` is free for the user's own values too."""

RESERVED = frozenset(["cache-size"])
"""Names kept for later releases, so that a user's own use of them cannot collide."""
