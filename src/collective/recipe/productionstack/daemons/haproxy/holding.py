"""Let visitors wait in the queue while no client serves, instead of telling them 503.

HAProxy answers 503 at once where no server is usable, and queues where one is usable
but full. So there is one more server, out of use as a rule, that takes a single
request: this end keeps it busy, and nobody reads what it is asked.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path

from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.machine import waiting
from collective.recipe.productionstack.model.address import Address

SERVER = "hold-visitors"
"""Its name in the backend of all clients."""

PATH = "/productionstack-hold"
"""What is asked to keep it busy; visitors' paths begin with /VirtualHostBase."""

UNKNOWN = (
    "HAProxy does not keep visitors waiting: run reload, which gives it the server for "
    "that, or restart with --force."
)

SECONDS = 5.0
QUEUE_SECONDS = 30.0


@contextlib.contextmanager
def holding(
    place: Address,
    balancer: Address,
    tell: Callable[[str], None],
    is_busy: Callable[[], bool],
    is_served: Callable[[], bool],
) -> Iterator[None]:
    """Keep the server at ``place`` usable and full; ``tell`` sets its state.

    Raises ControlError where HAProxy does not let it be so.
    """
    path = Path(place.path)
    path.unlink(missing_ok=True)
    with contextlib.ExitStack() as opened:
        opened.callback(path.unlink, missing_ok=True)
        listening = opened.enter_context(socket.socket(socket.AF_UNIX))
        listening.bind(str(path))
        # The kernel takes the connection, and nobody ever reads from it.
        listening.listen()
        # Out of use before the one request ends: nobody is to be sent there then.
        opened.enter_context(_asking(balancer, tell))
        opened.callback(tell, "maint")
        if not waiting.until(is_busy, SECONDS):
            raise ControlError(UNKNOWN)
        tell("ready")
        yield
        # A client that has just started may falter under all who have waited.
        waiting.until(is_served, QUEUE_SECONDS)


@contextlib.contextmanager
def _asking(balancer: Address, tell: Callable[[str], None]) -> Iterator[None]:
    """Send the request that nobody answers; drained, the server takes no other."""
    try:
        tell("drain")
    except ControlError as error:
        message = f"{error}\n{UNKNOWN}"
        raise ControlError(message) from error
    family = socket.AF_INET6 if ":" in balancer.host else socket.AF_INET
    with socket.socket(family) as asking:
        asking.settimeout(SECONDS)
        asking.connect((balancer.host, balancer.port))
        asking.sendall(f"GET {PATH} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        yield
