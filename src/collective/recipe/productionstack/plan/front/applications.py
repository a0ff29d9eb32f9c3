"""The ``application`` option: one line per application, taken apart."""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from collective.recipe.productionstack.errors import Problem
from collective.recipe.productionstack.errors import printable
from collective.recipe.productionstack.model.address import Address
from collective.recipe.productionstack.model.application import FASTCGI
from collective.recipe.productionstack.model.application import FRONT
from collective.recipe.productionstack.model.application import HTTP
from collective.recipe.productionstack.model.application import KINDS
from collective.recipe.productionstack.model.application import REDIRECT
from collective.recipe.productionstack.model.application import STATIC
from collective.recipe.productionstack.model.application import Application
from collective.recipe.productionstack.options.load import StackOptions
from collective.recipe.productionstack.options.tls import file_paths
from collective.recipe.productionstack.options.values import parse
from collective.recipe.productionstack.options.values.names import FOLDER
from collective.recipe.productionstack.options.values.names import host_name
from collective.recipe.productionstack.plan.front import virtual_hosts
from collective.recipe.productionstack.plan.front.hosts import Line
from collective.recipe.productionstack.plan.front.sites import switch

EXAMPLES = {
    HTTP: "www.example.com/shop http 127.0.0.1:3000",
    FASTCGI: "www.example.com/blog fastcgi unix:/run/php/php-fpm.sock root=/srv/blog",
    STATIC: "www.example.com/files static /srv/files",
    REDIRECT: "www.example.com/old redirect https://www.example.com/new",
}

UNIX = "unix:"
TARGET_PATH = re.compile(r"(?:/[A-Za-z0-9._~-]+)*/?")
SCRIPT = re.compile(r"(?:/[A-Za-z0-9_][A-Za-z0-9._-]*)*(?:/|\.php)")
FRONT_SCRIPT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*\.php")
WEB = re.compile(r"https?://[A-Za-z0-9.\[\]:-]+(?:/[A-Za-z0-9._~!*'(),;:@&=+?#/-]*)?")
HERE = re.compile(r"/(?!/)[A-Za-z0-9._~!*'(),;:@&=+?#/-]*")


@dataclass(frozen=True, slots=True)
class ApplicationLine:
    """A line taken apart: the application, and what it says of its host."""

    text: str
    application: Application
    names: dict[str, Any]

    @property
    def of_host(self) -> Line:
        """Its host as a line of ``sites`` would say it."""
        return Line((self.application.host,), "", self.names)


def lines(
    part: str, options: StackOptions
) -> tuple[list[ApplicationLine], list[Problem]]:
    """Take every line apart; a faulty one becomes a problem and is left out."""
    good: list[ApplicationLine] = []
    problems: list[Problem] = []
    seen: set[str] = set()
    for number, text in enumerate(options.application, 1):
        try:
            line = _line(number, text)
        except ValueError as error:
            problems.append(_problem(part, text, str(error)))
            continue
        if line.application.place in seen:
            message = "another line has that place already"
            problems.append(_problem(part, text, message))
            continue
        seen.add(line.application.place)
        good.append(line)
    return good, problems


def _problem(part: str, text: str, message: str) -> Problem:
    words = (one for one in text.split() if one in EXAMPLES)
    remedy = f"Write for example: {EXAMPLES[next(words, HTTP)]}"
    return Problem(
        part=part, option="application", value=text, message=message, remedy=remedy
    )


def _line(number: int, text: str) -> ApplicationLine:
    try:
        words = shlex.split(text)
    except ValueError:
        raise ValueError("a quotation mark is not closed") from None
    place, kind, target, *rest = [*words, "", "", ""] if not words[2:] else words
    host, path = _place(place)
    if kind not in KINDS:
        near = difflib.get_close_matches(kind, KINDS, n=1)
        shown = f"did you mean {near[0]}" if near else f"there are {', '.join(KINDS)}"
        raise ValueError(f"{printable(kind, 80)!r} is no kind ({shown})")
    if not target:
        raise ValueError("there is nowhere to go: host, kind and target are needed")
    given = _names(kind, [one for one in rest if one])
    if kind == FASTCGI and "root" not in given:
        raise ValueError("the folder with its files is missing: root=/srv/php")
    values = {**TARGETS[kind](target), **given}
    names = {
        name: values.pop(field)
        for name, (field, _) in FOR_HOSTS.items()
        if field in values
    }
    if "?" in values.get("url", "") or "#" in values.get("url", ""):
        values.setdefault("rest", False)
    application = Application(number=number, host=host, path=path, kind=kind, **values)
    return ApplicationLine(text, application, names)


def _place(word: str) -> tuple[str, str]:
    """Parse ``HOST`` or ``HOST/PATH``."""
    name, _, path = word.partition("/")
    try:
        host = host_name(name)
    except ValueError:
        raise ValueError(f"{printable(name, 80)!r} is no host name") from None
    segments = path.removesuffix("/").split("/") if path.strip("/") else []
    for one in segments:
        if not FOLDER.fullmatch(one):
            raise ValueError(
                f"{printable(one, 80)!r} cannot stand in its path: a letter or digit,"
                " then . _ ~ - too (addresses with @@, ++ or a dot before are Plone's"
                " and ours)"
            )
    return host, "".join(f"/{one}" for one in segments)


def _names(kind: str, words: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    known = {**NAMES[kind], **FOR_HOSTS}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = (
                f"did you mean {near[0]}=…" if near else f"there are {', '.join(known)}"
            )
            raise ValueError(f"{word!r} is not name=value of {kind} ({hint})")
        field, parser = known[name]
        if field in found:
            raise ValueError(f"{name} stands there twice")
        try:
            found[field] = parser(value)
        except ValueError as error:
            raise ValueError(f"{name}={value}: {error}") from None
    return found


def _http(target: str) -> dict[str, Any]:
    """Parse where it answers, and what stands there in place of its path."""
    if target.startswith("https:"):
        raise ValueError("is not asked over TLS; write IP:PORT alone")
    if target.startswith(UNIX):
        # A path behind it is parted by a colon, as in nginx's proxy_pass.
        path, colon, below = target.removeprefix(UNIX).partition(":")
        address = _socket(path)
    else:
        host, colon, below = target.removeprefix("http://").partition("/")
        address, below = _tcp(host), colon + below
    if not TARGET_PATH.fullmatch(below) or (colon and not below):
        raise ValueError(f"{below!r} is no path such as / or /app/")
    return {"address": address, "below": f"{below.rstrip('/')}/" if colon else ""}


def _fastcgi(target: str) -> dict[str, Any]:
    """Parse where it answers."""
    if target.startswith(UNIX):
        return {"address": _socket(target.removeprefix(UNIX))}
    return {"address": _tcp(target)}


def _socket(path: str) -> Address:
    if not path.startswith("/"):
        raise ValueError("the path of its socket is not absolute: unix:/run/app.sock")
    return Address(path=parse.file_path(path))


def _tcp(value: str) -> Address:
    """Parse an address that needs nobody to resolve it when the web server starts."""
    address = parse.address(value).to_connect
    try:
        ip_address(address.host)
    except ValueError:
        raise ValueError(
            f"nothing would start where {address.host} cannot be resolved: write its"
            " IP address"
        ) from None
    return address


def _folder(target: str) -> dict[str, Any]:
    return {"root": _root(target)}


def _root(value: str) -> str:
    if not value.startswith("/"):
        raise ValueError("the path of its folder is not absolute: /srv/files")
    return parse.file_path(value).rstrip("/") or "/"


def _front(value: str) -> str:
    if not FRONT_SCRIPT.fullmatch(value):
        raise ValueError(f"no name of a script in its root such as {FRONT}")
    return value


def _scripts(value: str) -> tuple[str, ...]:
    """Parse scripts and folders of scripts, parted by commas."""
    found = tuple(value.split(","))
    for one in found:
        if not SCRIPT.fullmatch(one):
            raise ValueError(f"{one!r} is no /script.php nor a /folder/")
    return found


def _redirect(target: str) -> dict[str, Any]:
    if not WEB.fullmatch(target) and not HERE.fullmatch(target):
        raise ValueError(
            "a redirect leads to a URL such as https://www.example.com/new, or to a"
            " path such as /new"
        )
    return {"url": target}


def _status(value: str) -> int:
    return int(parse.choice("301", "302", "307", "308")(value))


TARGETS: dict[str, Callable[[str], dict[str, Any]]] = {
    HTTP: _http,
    FASTCGI: _fastcgi,
    STATIC: _folder,
    REDIRECT: _redirect,
}
Names = dict[str, tuple[str, Callable[[str], Any]]]
ASKED: Names = {
    "timeout": ("seconds", parse.seconds(1, 3600)),
    "connections": ("connections", parse.number(1, 4096)),
}
NAMES: dict[str, Names] = {
    HTTP: {**ASKED, "websocket": ("websocket", switch)},
    FASTCGI: {
        **ASKED,
        "root": ("root", _root),
        "front": ("front", _front),
        "scripts": ("scripts", _scripts),
    },
    STATIC: {},
    REDIRECT: {"status": ("status", _status), "rest": ("rest", switch)},
}
FOR_HOSTS: Names = {
    "certificate": ("certificate", file_paths),
    "key": ("key", file_paths),
    "url": ("url_of_host", virtual_hosts.address),
}
