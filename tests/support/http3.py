"""A visitor who comes by HTTP/3 (RFC 9114)."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable
from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import field
from typing import Any
from typing import TypeVar

from aioquic.asyncio.client import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.h3.connection import H3_ALPN
from aioquic.h3.connection import ErrorCode
from aioquic.h3.connection import H3Connection
from aioquic.h3.events import DataReceived
from aioquic.h3.events import H3Event
from aioquic.h3.events import HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ConnectionTerminated
from aioquic.quic.events import QuicEvent
from aioquic.quic.events import StreamReset

from collective.recipe.productionstack.model.address import Address

SECONDS = 15
T = TypeVar("T")


@dataclass
class Answer:
    """What came; ``status`` is 0 where the request or the connection was ended."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


class Visitor(QuicConnectionProtocol):
    """One connection."""

    def __init__(self, *words: Any, **named: Any) -> None:
        """Speak HTTP/3 on it."""
        super().__init__(*words, **named)
        self.http = H3Connection(self._quic)
        self.answers: dict[int, Answer] = {}
        self.ends: dict[int, asyncio.Future[None]] = {}

    def send(
        self,
        path: str,
        *more: tuple[str, str],
        host: str = "www.example.com",
        method: str = "GET",
        body: bytes = b"",
    ) -> int:
        """Begin a request; return its number."""
        number = self._quic.get_next_available_stream_id()
        first = {":method": method, ":scheme": "https", ":authority": host}
        named = [*first.items(), (":path", path), *more]
        self.answers[number] = Answer()
        self.ends[number] = self._loop.create_future()
        fields = [(name.encode(), value.encode()) for name, value in named]
        self.http.send_headers(number, fields, end_stream=not body)
        if body:
            self.http.send_data(number, body, end_stream=True)
        self.transmit()
        return number

    async def ask(self, path: str, *more: tuple[str, str], **named: Any) -> Answer:
        """Send a request and wait for its answer."""
        number = self.send(path, *more, **named)
        await asyncio.wait_for(self.ends[number], SECONDS)
        return self.answers[number]

    def give_up(self, number: int) -> None:
        """End a request at once, as a rapid reset does."""
        self._quic.reset_stream(number, ErrorCode.H3_REQUEST_CANCELLED)
        self.transmit()

    def quic_event_received(self, event: QuicEvent) -> None:
        """Note what belongs to a request."""
        if isinstance(event, StreamReset):
            self._end(event.stream_id)
        if isinstance(event, ConnectionTerminated):
            for number in self.ends:
                self._end(number)
        for one in self.http.handle_event(event):
            self._note(one)

    def _note(self, event: H3Event) -> None:
        if isinstance(event, HeadersReceived):
            found = {name.decode(): value.decode() for name, value in event.headers}
            answer = self.answers[event.stream_id]
            answer.status = int(found.pop(":status", answer.status))
            answer.headers |= found
        if isinstance(event, DataReceived):
            self.answers[event.stream_id].body += event.data
        if isinstance(event, HeadersReceived | DataReceived) and event.stream_ended:
            self._end(event.stream_id)

    def _end(self, number: int) -> None:
        if number in self.ends and not self.ends[number].done():
            self.ends[number].set_result(None)


def visit(
    address: Address,
    talk: Callable[[Visitor], Awaitable[T]],
    name: str = "www.example.com",
) -> T:
    """Connect under a server name and talk.

    Raises OSError where no connection comes about.
    """

    async def whole() -> T:
        settings = QuicConfiguration(
            alpn_protocols=H3_ALPN, server_name=name, verify_mode=ssl.CERT_NONE
        )
        async with connect(
            address.host,
            address.port,
            configuration=settings,
            create_protocol=Visitor,
        ) as one:
            assert isinstance(one, Visitor)
            return await talk(one)

    async def bounded() -> T:
        return await asyncio.wait_for(whole(), 4 * SECONDS)

    return asyncio.run(bounded())


def get(address: Address, path: str, *more: tuple[str, str], **named: Any) -> Answer:
    """Ask once over a connection of its own."""
    return visit(address, lambda one: one.ask(path, *more, **named))
