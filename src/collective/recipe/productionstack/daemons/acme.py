"""The programs that get certificates (ACME, RFC 8555), each asked in its own words.

Both are given a request that we made and write a chain: the key stays ours, and
what they remember of their own is the account alone.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from collective.recipe.productionstack.machine import run
from collective.recipe.productionstack.machine.net import openssl
from collective.recipe.productionstack.model.front import Acme

ELSEWHERE = ("/usr/local/bin", "/snap/bin")
"""Where they are put by hand or by snap; the crontab's PATH does not know it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is asked for: a request's file, and where the chain is to be written.

    ``webroot`` is where challenges are laid down, ``home`` where an account is kept.
    """

    asked: Acme
    host: str
    request: Path
    chain: Path
    webroot: str
    home: str


def find(client: str) -> str | None:
    """Return the path of a program, None where it is not installed."""
    places = (client, *(f"{folder}/{client}" for folder in ELSEWHERE))
    return next((found for one in places if (found := run.find(one))), None)


def missing(client: str) -> list[str]:
    """Say what is not installed and how to install it."""
    said = [] if find(client) else [f"{client} is not installed; {_install(client)}"]
    return said if run.find(openssl.PROGRAM) else [*said, openssl.PACKAGE_HINT]


def _install(package: str) -> str:
    return f"on Debian: apt-get install {package}"


def command(order: Order) -> tuple[str, ...]:
    """Return the command that gets a certificate."""
    client = order.asked.acme
    return (find(client) or client, *WORDS[client](order))


def environment(order: Order) -> dict[str, str]:
    """Return its environment: ours, and whom it is to trust."""
    trusted = order.asked.acme_ca_file
    names = ("REQUESTS_CA_BUNDLE", "LEGO_CA_CERTIFICATES") if trusted else ()
    return {**os.environ, **dict.fromkeys(names, trusted)}


def written(order: Order) -> Path:
    """Return where the program leaves the chain."""
    if order.asked.acme == "lego":
        return Path(order.home, "certificates", f"{order.host}.crt")
    return order.chain


def _certbot(order: Order) -> tuple[str, ...]:
    """Return the words of certbot(1) for a request of one's own."""
    mail = order.asked.acme_email
    account = (
        ("--email", mail, "--no-eff-email")
        if mail
        else ("--register-unsafely-without-email",)
    )
    beside = order.chain.parent
    return (
        *("certonly", "--non-interactive", "--agree-tos", *account),
        *("--server", order.asked.acme_directory),
        *("--webroot", "--webroot-path", order.webroot),
        *("--config-dir", order.home, "--work-dir", order.home),
        *("--logs-dir", f"{order.home}/log", "--max-log-backups", "10"),
        *("--csr", str(order.request), "--fullchain-path", str(order.chain)),
        *("--cert-path", str(beside / "alone.pem")),
        *("--chain-path", str(beside / "above.pem")),
    )


def _lego(order: Order) -> tuple[str, ...]:
    """Return the words of lego(1) for a request of one's own."""
    return (
        *("--accept-tos", "--email", order.asked.acme_email, "--path", order.home),
        *("--server", order.asked.acme_directory),
        *("--http", "--http.webroot", order.webroot),
        *("--csr", str(order.request), "run"),
    )


WORDS: dict[str, Callable[[Order], tuple[str, ...]]] = {
    "certbot": _certbot,
    "lego": _lego,
}
