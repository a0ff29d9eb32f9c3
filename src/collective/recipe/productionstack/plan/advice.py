"""What is not ready for production, each with the exact line to write."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator

from collective.recipe.productionstack.model.clients import Client
from collective.recipe.productionstack.model.stack import Stack
from collective.recipe.productionstack.model.storage import Storage


def warnings(stack: Stack, *, given: Callable[[str, str], bool]) -> Iterator[str]:
    """Yield what is not production-ready, with the exact line to write.

    ``given(part, option)`` tells whether the user wrote that option.
    """
    for client in stack.zope.all_clients:
        yield from _client_warnings(client)
    if stack.data.storage and stack.data.storage.address.is_public:
        yield _public_zeo(stack, stack.data.storage, given=given)
    yield from _zeo_warnings(stack)


def _public_zeo(
    stack: Stack, storage: Storage, *, given: Callable[[str, str], bool]
) -> str:
    where = f"ZEO listens on {storage.address} and asks for no password"
    if given(storage.name, "zeo-address"):
        remedy = (
            f"Write: zeo-address = 127.0.0.1:{storage.address.port},"
            " or remove it to get a Unix socket"
        )
    else:
        remedy = f"Write: zeo-address = {stack.socket(storage.name)}"
    return f"[{storage.name}] zeo-address: {where}. {remedy}"


def _client_warnings(client: Client) -> Iterator[str]:
    for address in client.addresses:
        if address.is_public:
            yield (
                f"[{client.name}] http-address: Zope listens on {address}, past the web"
                f" server. Write: http-address = 127.0.0.1:{address.port}"
            )
    if client.fast_listen:
        yield (
            f"[{client.name}] http-fast-listen is on: the port opens before Zope can"
            " answer. Write: http-fast-listen = off"
        )
    if any(log.how == "truncate" for log in client.logs):
        yield (
            f"[{client.name}] a log loses lines at rotation. Write: event-log-handler ="
            " logging.handlers.WatchedFileHandler, and the same for access-log-handler"
        )


def _zeo_warnings(stack: Stack) -> Iterator[str]:
    if stack.data.storage is None:
        return
    target = stack.data.storage.address.to_connect
    for client in stack.zope.all_clients:
        asked = {address.to_connect for address in client.zeo_addresses}
        if target not in asked:
            shown = " ".join(map(str, client.zeo_addresses))
            yield (
                f"[{client.name}] zeo-address = {shown}: the ZEO server"
                f" [{stack.data.storage.name}] listens on {stack.data.storage.address}."
                f" Write: zeo-address = {target}"
            )
