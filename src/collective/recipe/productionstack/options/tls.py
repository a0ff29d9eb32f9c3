"""The options of certificates that the stack gets by itself (ACME, RFC 8555)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from collective.recipe.productionstack.options.declare import option
from collective.recipe.productionstack.options.values.parse import choice
from collective.recipe.productionstack.options.values.parse import file_path

CLIENTS = ("certbot", "lego")
LETS_ENCRYPT = "https://acme-v02.api.letsencrypt.org/directory"
MAIL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._%+-]*@[A-Za-z0-9][A-Za-z0-9.-]*")
DIRECTORY = re.compile(r"https://[A-Za-z0-9.\[\]:-]+/[A-Za-z0-9./_~?=&:-]*")


def acme_client(value: str) -> str:
    """Parse the program that gets certificates, or ``off``.

    Raises ValueError for any other.
    """
    if value == "nginx":
        raise ValueError("nginx's own module is kept for a later release")
    return choice(*CLIENTS, "off")(value)


def file_paths(value: str) -> tuple[str, ...]:
    """Parse paths of files with commas between them.

    Raises ValueError for what no path can hold, or for none between two commas.
    """
    found = tuple(file_path(one.strip()) for one in value.split(","))
    if not all(found):
        raise ValueError("there is no path between two commas")
    return found


def mail_address(value: str) -> str:
    """Parse one mail address.

    Raises ValueError for what is none.
    """
    if not MAIL.fullmatch(value):
        raise ValueError("not a mail address")
    return value


def https_url(value: str) -> str:
    """Parse a URL with https: an account's key is proven to whoever answers there.

    Raises ValueError for any other.
    """
    if not DIRECTORY.fullmatch(value):
        raise ValueError("not a URL with https and a path")
    return value


@dataclass(frozen=True, kw_only=True)
class TlsOptions:
    """Who gets certificates for the sites that have none of their own."""

    acme: str = option(
        "The program that gets and renews a certificate for each site that has none of"
        " its own, by http: `certbot` or `lego`. Using it says that you agree to the"
        " terms of the CA. Until the first has come the site has a self-signed one.",
        acme_client,
        example="certbot",
        default="off",
    )
    acme_email: str = option(
        "The mail address of the account with the CA. `lego` has none without one.",
        mail_address,
        example="webmaster@example.com",
        default="",
        shown="none",
    )
    acme_directory: str = option(
        "The address of the CA's ACME directory, for another CA or one for trials.",
        https_url,
        example="https://acme-staging-v02.api.letsencrypt.org/directory",
        default=LETS_ENCRYPT,
        shown="Let's Encrypt's",
    )
    acme_ca_file: str = option(
        "The certificate (PEM) of the root that vouches for the address of a private"
        " CA, which this machine does not know.",
        file_path,
        example="/etc/ssl/our-root.pem",
        default="",
        shown="those that the machine knows",
    )
