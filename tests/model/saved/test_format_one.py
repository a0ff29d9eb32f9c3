"""A stack.json that the version before has written."""

from __future__ import annotations

import json
from typing import Any

import pytest

from collective.recipe.productionstack.model.stack import Stack
from tests.support import samples


def flat(stack: Stack) -> dict[str, Any]:
    """Return what format 1 held: the groups' values beside the others."""
    values: dict[str, Any] = json.loads(stack.to_json())
    newer = ("trusted_proxies", "proxy_protocol", "others", "workers")
    for group in ("chain", "zope", "data"):
        old = values.pop(group)
        values |= {name: old[name] for name in old if name not in newer}
    for group in ("host", "announced"):
        values |= values.pop(group)
    del values["extras"]
    values["purge_by"] = values.pop("caching")["purge_by"]
    shown = values.pop("maintenance")
    values["maintenance_page"] = shown["page"]
    values["maintenance_allow"] = shown["allow"]
    values["user_templates"] = values["folders"].pop("templates")
    return {**values, "format": 1}


def test_the_version_before_is_read() -> None:
    old = flat(samples.STACK)
    assert "chain" not in old
    assert "templates" not in old["folders"]
    assert Stack.from_json(json.dumps(old)) == samples.STACK


def test_one_that_lacks_something_is_damaged() -> None:
    old = flat(samples.STACK)
    del old["purge"]
    with pytest.raises(KeyError, match="purge"):
        Stack.from_json(json.dumps(old))


@pytest.mark.parametrize("number", [0, 3, None])
def test_any_other_version_is_refused(number: int | None) -> None:
    values = json.loads(samples.STACK.to_json())
    with pytest.raises(ValueError, match="not a stack"):
        Stack.from_json(json.dumps({**values, "format": number}))
