"""How an option is declared: everything that there is to say about it, once."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any
from typing import TypeVar

Group = TypeVar("Group")


def option(  # noqa: PLR0913 (a declaration says everything at once)
    doc: str,
    parse: Callable[[str], Any],
    *,
    example: str,
    default: Any = None,
    shown: str = "",
    secret: bool = False,
) -> Any:
    """Declare an option: a sentence, its parser, an example.

    The parser's name is also what the reference page says is to be written.
    ``shown`` words the default on the reference page where it is not a value;
    what is ``secret`` is repeated in no message.
    """
    metadata = {
        "doc": doc,
        "parse": parse,
        "kind": parse.__name__.replace("_", " "),
        "example": example,
        "shown": shown,
        "secret": secret,
    }
    return dataclasses.field(default=default, metadata=metadata)


def fill(kind: type[Group], options: object, **decided: Any) -> Group:
    """Make a group of the model: what is not decided are the options of those names.

    So a new option is handed on where its field of the model has its name.
    """
    fields: Any = kind
    names = {one.name for one in dataclasses.fields(fields)} - decided.keys()
    values = {name: getattr(options, name) for name in names if hasattr(options, name)}
    return kind(**values, **decided)
