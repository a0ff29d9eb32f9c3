"""Tests that share something dear stay with one worker."""

from __future__ import annotations

import pytest


@pytest.mark.xdist_group("kept-together")
def test_groups_are_kept_together(request: pytest.FixtureRequest) -> None:
    """The scheduler reads the group from the name; a new pytest had lost it there."""
    if hasattr(request.config, "workerinput"):
        assert request.node.nodeid.endswith("@kept-together")
