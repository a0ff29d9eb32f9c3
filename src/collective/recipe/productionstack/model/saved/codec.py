"""Turn JSON back into the frozen values that it was made from."""

from __future__ import annotations

import dataclasses
import types
import typing
from functools import cache
from typing import Any


@cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def revive(kind: Any, value: Any) -> Any:
    """Turn a JSON value back into the declared type."""
    if dataclasses.is_dataclass(kind):
        hints = _hints(kind)  # type: ignore[arg-type]
        return kind(**{name: revive(hints[name], item) for name, item in value.items()})  # type: ignore[operator]
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is types.UnionType:
        real = next(item for item in arguments if item is not type(None))
        return None if value is None else revive(real, value)
    if origin is tuple and isinstance(value, str):
        # An earlier version knew one of what there can be several of now.
        value = [value] if value else []
    if origin is tuple:
        inner = (
            arguments if arguments[-1] is not Ellipsis else arguments[:1] * len(value)
        )
        return tuple(revive(one, item) for one, item in zip(inner, value, strict=True))
    return value
