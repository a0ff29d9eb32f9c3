"""Load the states of objects without their classes, and note what they refer to."""

from __future__ import annotations

from io import BytesIO
from typing import Any


class Stub:
    """Stands in for every class and function that a pickle names."""

    __slots__ = ("state",)
    state: Any

    def __new__(cls, *_: Any, **__: Any) -> Any:
        """Take whatever the class took."""
        return object.__new__(cls)

    def __init__(self, *_: Any, **__: Any) -> None:
        """Take whatever the class took."""

    def __setstate__(self, state: Any) -> None:
        """Keep what the class would have got."""
        self.state = state

    def __call__(self, *_: Any, **__: Any) -> Stub:
        """Stand in for what is called."""
        return self

    def _ignore(self, *_: Any) -> None:
        """Stand in for what fills lists, dictionaries and sets."""

    append = extend = add = update = __setitem__ = _ignore


class Blob(Stub):
    """Stands in for ZODB.blob.Blob."""

    __slots__ = ()


class Ref:
    """A reference to another object."""

    __slots__ = ("oid",)

    def __init__(self, oid: bytes) -> None:
        self.oid = oid


class Reader:
    """Loads states and notes what they refer to."""

    def __init__(self) -> None:
        from ZODB._compat import PersistentUnpickler

        self.unpickler = PersistentUnpickler
        self.known: dict[tuple[str, str], type[Stub]] = {("ZODB.blob", "Blob"): Blob}
        self.refs: list[bytes] = []

    def find(self, module: str, name: str) -> type[Stub]:
        """Return one stand-in for each name."""
        key = (module, name)
        if key not in self.known:
            self.known[key] = type("Stub", (Stub,), {"__slots__": ()})
        return self.known[key]

    def refer(self, ref: Any) -> Ref:
        """Note a reference; a weak one, or one to another database, may dangle."""
        if isinstance(ref, tuple):
            ref = ref[0]
        if isinstance(ref, bytes):
            self.refs.append(ref)
            return Ref(ref)
        return Ref(b"")

    def load(self, data: bytes) -> tuple[bool, Any]:
        """Load a record: whether it is a blob, and its state."""
        self.refs = []
        one = self.unpickler(self.find, self.refer, BytesIO(data))
        kind = one.load()
        state = one.load()
        while isinstance(kind, tuple) and kind:
            kind = kind[0]
        return kind is Blob, state
