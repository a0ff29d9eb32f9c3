"""Parsers: from the text of an option to its value, or a ValueError that says why."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable

from collective.recipe.productionstack.model.address import LAST_PORT
from collective.recipe.productionstack.model.address import Address
from collective.recipe.productionstack.model.address import unsafe_in
from collective.recipe.productionstack.options.values.names import host_name

MOST_CLIENTS = 64
LONGEST_NUMBER = 9
MEGABYTES = {"M": 1, "G": 1024}
DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")

SERVICE_NAMES = (
    *("nginx", "apache", "varnish", "haproxy"),
    *("supervisor", "logrotate", "cron"),
)

URL_SEGMENT = re.compile(r"[A-Za-z0-9@+_.~-]+")
MAIL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._%+-]*(@[A-Za-z0-9][A-Za-z0-9.-]*)?")
WEB = re.compile(r"https?://[A-Za-z0-9.\[\]:-]+(/[!-~]*)?")
SEGMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.~-]*")


def address(value: str) -> Address:
    """Parse ``host:port``, ``[v6]:port`` or a port alone (which means loopback).

    Raises ValueError that says what is wrong.
    """
    found = re.fullmatch(
        r"(?:\[([0-9A-Fa-f:.]+)\]|([^\s:\[\]]*)):(\d{1,9})|(\d{1,9})", value
    )
    if not found:
        raise ValueError("not an address")
    number = port(found[3] or found[4])
    host = found[1] or (found[2] if found[3] else "127.0.0.1")
    if host in {"", "*"}:
        host = "0.0.0.0"
    return Address(host if found[1] else host_name(host), number)


def port(value: str) -> int:
    """Parse a TCP port from 1 to 65535.

    Raises ValueError for any other.
    """
    if not value.isascii() or not value.isdigit():
        raise ValueError("not a port")
    if not 1 <= int(value) <= LAST_PORT:
        raise ValueError("not between 1 and 65535")
    return int(value)


def port_base(value: str) -> int:
    """Parse a port that leaves room for the nine that follow it.

    Raises ValueError for any other.
    """
    number = port(value)
    if number > LAST_PORT - 9:
        last = "too high: ten ports are counted from it, and 65535 is the last"
        raise ValueError(last)
    return number


def zodb_path(value: str) -> str:
    """Parse the path of a Plone site inside the database, such as ``/Plone``.

    Raises ValueError for the root, and for what a URL or a configuration cannot hold.
    """
    if not value.strip("/"):
        public = "the whole database must not be public: name the Plone site's path"
        raise ValueError(public)
    return _path(value, SEGMENT, "not a path of ids such as /Plone")


def url_path(value: str) -> str:
    """Parse a path below a site as visitors type it, such as ``/import``.

    Raises ValueError for the whole site, and for what a URL cannot hold.
    """
    return _path(value, URL_SEGMENT, "not a path such as /import or /@@my-view")


def _path(value: str, segment: re.Pattern[str], message: str) -> str:
    segments = value.removeprefix("/").removesuffix("/").split("/")
    if not value.startswith("/") or not all(map(segment.fullmatch, segments)):
        raise ValueError(message)
    return "/" + "/".join(segments)


def file_path(value: str) -> str:
    """Parse a file's path: no character that a configuration could misread.

    Raises ValueError for such a character, or a path that is not absolute.
    """
    if unsafe := unsafe_in(value):
        raise ValueError(f"{unsafe} cannot be used in a path")
    return value


def choice(*allowed: str) -> Callable[[str], str]:
    """Return a parser for one of the given words."""

    def parse(value: str) -> str:
        if value not in allowed:
            raise ValueError(f"not one of {', '.join(allowed)}")
        return value

    parse.__name__ = " or ".join((", ".join(allowed[:-1]), allowed[-1]))
    return parse


def number(least: int, most: int) -> Callable[[str], int]:
    """Return a parser for a whole number within limits."""

    def parse(value: str) -> int:
        if not value.isascii() or not value.isdigit() or len(value) > LONGEST_NUMBER:
            raise ValueError("not a whole number")
        if not least <= int(value) <= most:
            raise ValueError(f"not between {least} and {most}")
        return int(value)

    parse.__name__ = f"number from {least} to {most}"
    return parse


def seconds(least: int, most: int) -> Callable[[str], int]:
    """Return a parser for seconds, with or without an ``s`` behind."""
    whole = number(least, most)

    def parse(value: str) -> int:
        try:
            return whole(value.removesuffix("s").rstrip())
        except ValueError as error:
            text = str(error).replace("a whole number", "a whole number of seconds")
            raise ValueError(text) from None

    parse.__name__ = f"seconds from {least} to {most}"
    return parse


def in_bytes(value: str) -> int:
    """Parse ``1500M`` or ``2G``.

    Raises ValueError for anything else.
    """
    found = re.fullmatch(r"(\d{1,6})\s*([MG])i?B?", value, re.IGNORECASE | re.ASCII)
    if not found:
        raise ValueError("not a size in M or G")
    return int(found[1]) * MEGABYTES[found[2].upper()] * 1024**2


def time_of_day(value: str) -> str:
    """Parse ``04:30`` to ``30 4 * * *``; ``off`` stays.

    Raises ValueError for anything else.
    """
    found = re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)", value, re.ASCII)
    if value == "off":
        return value
    if not found:
        raise ValueError("not a time such as 04:30, nor off")
    return f"{int(found[2])} {int(found[1])} * * *"


def day_and_time(value: str) -> str:
    """Parse ``Sun 06:30`` to ``30 6 * * 0``; ``off`` stays.

    Raises ValueError for anything else.
    """
    day, _, time = value.partition(" ")
    if value == "off":
        return value
    if day[:3].lower() not in DAYS:
        raise ValueError("not a day and time such as Sun 06:30, nor off")
    return f"{time_of_day(time.strip())[:-1]}{DAYS.index(day[:3].lower())}"


def mail_addresses(value: str) -> tuple[str, ...]:
    """Parse mail addresses, or names of local users, separated by white space.

    Raises ValueError that names the one which is none.
    """
    for one in words(value):
        if not MAIL.fullmatch(one):
            raise ValueError(f"{one} is not a mail address")
    return words(value)


def web_address(value: str) -> str:
    """Parse a URL with http or https.

    Raises ValueError for anything else.
    """
    if not WEB.fullmatch(value):
        raise ValueError("not a URL such as https://chat.example.com/hooks/x")
    return value


def words(value: str) -> tuple[str, ...]:
    """Parse names separated by white space."""
    return tuple(value.split())


def part_name(value: str) -> str:
    """Take the name of a part."""
    return value


def part_names(value: str) -> tuple[str, ...]:
    """Parse names of parts separated by white space."""
    return words(value)


def lines(value: str) -> tuple[str, ...]:
    """Parse one entry per line; blank lines and comments do not count."""
    found = (line.strip() for line in value.splitlines())
    return tuple(line for line in found if line and not line.startswith("#"))


def networks(value: str) -> tuple[str, ...]:
    """Parse IP addresses and networks separated by white space.

    Raises ValueError that names the one which is none.
    """
    try:
        return tuple(str(ipaddress.ip_network(one)) for one in words(value))
    except ValueError as error:
        raise ValueError(f"{error}".replace("'", "")) from None


def proxies(value: str) -> tuple[str, ...]:
    """Parse the addresses and networks of proxies that are believed.

    Raises ValueError for one that is none, or that is everybody.
    """
    found = networks(value)
    for one in found:
        if ipaddress.ip_network(one).prefixlen == 0:
            raise ValueError(f"{one} is everybody, so visitors could claim any address")
    return found


def number_or_part_names(value: str) -> int | tuple[str, ...]:
    """Parse a number of clients to make, or names of parts.

    Raises ValueError for a number out of range.
    """
    names = words(value)
    if len(names) == 1 and names[0].lstrip("-").isdigit():
        if not 1 <= int(names[0]) <= MOST_CLIENTS:
            raise ValueError("not a number from 1 to 64")
        return int(names[0])
    return names


def service_names(value: str) -> tuple[str, ...]:
    """Parse names of services, in the order the stack knows.

    Raises ValueError that names the unknown one.
    """
    names = words(value)
    unknown = [name for name in names if name not in SERVICE_NAMES]
    if unknown:
        raise ValueError(f"{unknown[0]} is not one of {' '.join(SERVICE_NAMES)}")
    return tuple(name for name in SERVICE_NAMES if name in names)
