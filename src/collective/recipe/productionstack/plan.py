"""From sections to stacks: every part of ours together, with all problems at once."""

from __future__ import annotations

import dataclasses
import os
import tempfile
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from hashlib import sha256
from pathlib import Path
from typing import Any

from collective.recipe.productionstack import services
from collective.recipe.productionstack import sites
from collective.recipe.productionstack.errors import Problem
from collective.recipe.productionstack.model import UNSAFE
from collective.recipe.productionstack.model import Address
from collective.recipe.productionstack.model import Backup
from collective.recipe.productionstack.model import Client
from collective.recipe.productionstack.model import Folders
from collective.recipe.productionstack.model import Stack
from collective.recipe.productionstack.model import Storage
from collective.recipe.productionstack.options import SERVICE_NAMES
from collective.recipe.productionstack.options import StackOptions
from collective.recipe.productionstack.options import load
from collective.recipe.productionstack.options import name_of

SOCKET_LIMIT = 97
"""Bytes of a socket's path that HAProxy accepts; the others take a few more."""

LONGEST_SOCKET = "/supervisor.sock"

OFFSETS = {
    "http_address": 0,
    "https_address": 1,
    "cache_address": 2,
    "purge_address": 3,
    "balancer_address": 4,
    "stats_address": 5,
}


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What the other recipes' parts say, by part name."""

    directory: str
    bin: str
    clients: Mapping[str, Client] = field(default_factory=dict)
    no_clients: Mapping[str, Problem] = field(default_factory=dict)
    storages: Mapping[str, Storage] = field(default_factory=dict)
    backups: Mapping[str, Backup] = field(default_factory=dict)
    versions: tuple[tuple[str, tuple[int, ...]], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Part:
    """One part of ours: its name, the piece it makes, its options."""

    name: str
    entry: str
    section: Mapping[str, str]

    @property
    def alone(self) -> bool:
        """Whether it makes a single piece, without the others."""
        return self.entry != "default"


@dataclass(frozen=True, kw_only=True)
class Listener:
    """Who wants an address, for which option."""

    part: str
    option: str
    address: Address


def stacks(
    parts: list[Part], facts: Facts
) -> tuple[dict[str, tuple[Stack, StackOptions]], list[Problem]]:
    """Build the stack of every part, and return every problem of all of them."""
    built: dict[str, tuple[Stack, StackOptions]] = {}
    problems: list[Problem] = list(_folder_problems(facts.directory))
    listeners = list(_part_listeners(facts))
    for part in parts:
        options, found = load(part.name, part.section)
        problems += found
        builder = _Builder(part, options, facts)
        stack = builder.build()
        problems += builder.problems
        listeners += _own_listeners(part, stack, options)
        built[part.name] = (services.complete(stack), options)
    problems += _clashes(listeners)
    return built, problems


class _Builder:
    """Puts one stack together and notes what is wrong on the way."""

    def __init__(self, part: Part, options: StackOptions, facts: Facts) -> None:
        self.part, self.options, self.facts = part, options, facts
        self.problems: list[Problem] = []

    def build(self) -> Stack:
        part, options = self.part, self.options
        found, problems = sites.lines(part.name, options)
        self.problems += problems
        with_tls = sites.has_certificate(found, options) or options.https_address is not None
        http = self.address("http_address")
        https = self.address("https_address") if with_tls else None
        front = sites.Front(http=http, https=https)
        the_sites, problems = sites.sites(part.name, found, options, front)
        self.problems += problems
        self.need_sites()
        debug = self.debug_client()
        return Stack(
            name=part.name,
            folders=folders(self.facts.directory, self.facts.bin, part.name),
            services=(part.entry,) if part.alone else options.services,
            alone=part.alone,
            sites=the_sites,
            web_server=options.web_server,
            proxy_cache=options.proxy_cache,
            load_balancer=options.load_balancer,
            http=http,
            https=https,
            cache=self.address("cache_address"),
            purge=self.address("purge_address"),
            balancer=self.address("balancer_address"),
            stats=self.address("stats_address"),
            clients=self.clients(debug),
            debug_client=debug,
            storage=self.one_of("zeoserver", self.facts.storages),
            backup=self.one_of("backup", self.facts.backups),
            user_templates=self.templates(),
            versions=self.facts.versions,
        )

    def add(self, option: str, value: str, message: str, remedy: str) -> None:
        """Note a problem of one option."""
        self.problems.append(
            Problem(
                part=self.part.name, option=option, value=value, message=message, remedy=remedy
            )
        )

    def address(self, name: str) -> Address:
        chosen: Address | None = getattr(self.options, name)
        public = name in {"http_address", "https_address"}
        host = self.options.bind if public else "127.0.0.1"
        return chosen or Address(host.strip("[]"), self.options.port_base + OFFSETS[name])

    def need_sites(self) -> None:
        wanted = self.part.entry in {"default", "nginx"}
        if wanted and not self.part.section.get("sites", "").strip():
            self.add("sites", "", "no site is named", sites.EXAMPLE)

    def templates(self) -> str:
        chosen = self.options.templates
        folder = chosen or f"{self.facts.directory}/templates"
        if Path(folder).is_dir():
            return folder
        if chosen:
            self.add("templates", chosen, "no such folder", "Make it, or remove the option.")
        return ""

    def debug_client(self) -> Client | None:
        name = self.options.debug_client
        if not name:
            return None
        if name in self.facts.clients:
            return self.facts.clients[name]
        self.problems.append(self.why_not("debug-client", name))
        return None

    def clients(self, debug: Client | None) -> tuple[Client, ...]:
        wanted = self.options.clients
        if isinstance(wanted, int):
            self.add(
                "clients",
                str(wanted),
                "a number of clients is made by the extension, which is not at work",
                "Write in [buildout]: extensions = collective.recipe.productionstack;"
                " or name the parts here.",
            )
            return ()
        if not wanted:
            found = self.facts.clients.values()
            chosen = tuple(client for client in found if client != debug)
        else:
            chosen = tuple(self.named(wanted, debug))
        self.judge(chosen)
        return chosen

    def named(self, wanted: tuple[str, ...], debug: Client | None) -> Iterator[Client]:
        for name in dict.fromkeys(wanted):
            if wanted.count(name) > 1:
                self.add("clients", name, "is named twice", "Name every client once.")
            if debug and name == debug.name:
                self.add(
                    "clients",
                    name,
                    "is the debug client, which gets no visitors",
                    "Name it in one of the two options only.",
                )
            elif name in self.facts.clients:
                yield self.facts.clients[name]
            else:
                self.problems.append(self.why_not("clients", name))

    def why_not(self, option: str, name: str) -> Problem:
        """Say why a named part is no client."""
        if name in self.facts.no_clients:
            return self.facts.no_clients[name]
        known = ", ".join(sorted(self.facts.clients)) or "none"
        return Problem(
            part=self.part.name,
            option=option,
            value=name,
            message="no part of plone.recipe.zope2instance with that name is listed in parts",
            remedy=f"ZEO clients here: {known}.",
        )

    def judge(self, chosen: tuple[Client, ...]) -> None:
        """See that there are clients, and that they ask the stack's own ZEO server."""
        entries = {"default", "haproxy", "supervisor"}
        quiet = self.problems or self.part.section.get("clients", "").strip()
        if not chosen and self.part.entry in entries and not quiet:
            self.problems += self.facts.no_clients.values()
            self.add(
                "clients",
                "",
                "no ZEO client is listed in parts",
                "Add a part with recipe = plone.recipe.zope2instance and zeo-client = true.",
            )

    def one_of(self, option: str, found: Mapping[str, Any]) -> Any:  # noqa: ANN401
        """Return the part that an option names, or the only one."""
        name = getattr(self.options, option)
        if name and name not in found:
            known = ", ".join(sorted(found)) or "none"
            self.add(option, name, "no such part is listed in parts", f"There are: {known}.")
            return None
        if not name and len(found) > 1:
            known = ", ".join(sorted(found))
            self.add(option, "", f"there are several: {known}", f"Choose one: {option} = {min(found)}")
            return None
        return found[name] if name else next(iter(found.values()), None)


def folders(directory: str, bin_folder: str, name: str) -> Folders:
    """Return where a stack keeps its things."""
    var = f"{directory}/var/{name}"
    return Folders(
        buildout=directory,
        bin=bin_folder,
        etc=f"{directory}/etc/{name}",
        var=var,
        log=f"{directory}/var/log",
        sockets=socket_folder(var, name),
    )


def socket_folder(var: str, name: str, longest: str = LONGEST_SOCKET) -> str:
    """Return the folder for sockets: ``var`` itself, unless their paths get too long."""
    if len(f"{var}{longest}".encode()) <= SOCKET_LIMIT:
        return var
    digest = sha256(var.encode()).hexdigest()[:10]
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if runtime and Path(runtime).is_dir() and Path(runtime).stat().st_uid == os.getuid():
        return f"{runtime}/{name}-{digest}"
    return f"{tempfile.gettempdir()}/{name}-{os.getuid()}-{digest}"


def _folder_problems(directory: str) -> Iterator[Problem]:
    found = UNSAFE.search(directory) or (" ;" in directory and "a semicolon after a space")
    if found:
        shown = found if isinstance(found, str) else f"the character {ascii(found[0])[1:-1]}"
        yield Problem(
            part="buildout",
            option="directory",
            value=directory,
            message=f"{shown} in the folder's path would be read as syntax by the daemons",
            remedy="Move the buildout to a folder without % $ \" \\ and line breaks.",
        )


def _part_listeners(facts: Facts) -> Iterator[Listener]:
    for name, client in facts.clients.items():
        for address in client.addresses:
            yield Listener(part=name, option="http-address", address=address)
    for name, storage in facts.storages.items():
        yield Listener(part=name, option="zeo-address", address=storage.address)


USED_BY = {
    "nginx": ("http_address", "https_address"),
    "varnish": ("cache_address", "purge_address"),
    "haproxy": ("balancer_address", "stats_address"),
}


def _own_listeners(part: Part, stack: Stack, options: StackOptions) -> Iterator[Listener]:
    tiers = {
        "nginx": stack.web_server,
        "varnish": stack.proxy_cache,
        "haproxy": stack.load_balancer,
    }
    for service, names in USED_BY.items():
        if tiers[service] == "none" or (part.alone and part.entry != service):
            continue
        for name in names:
            address = getattr(stack, name.removesuffix("_address"))
            if address is not None:
                yield Listener(part=part.name, option=_named(options, name), address=address)


def _named(options: StackOptions, name: str) -> str:
    """Return the option that decides an address: its own, else ``port-base``."""
    return name_of(name) if getattr(options, name) is not None else "port-base"


def _clashes(listeners: list[Listener]) -> Iterator[Problem]:
    by_port: dict[tuple[int, str], list[Listener]] = {}
    for listener in listeners:
        key = (listener.address.port, listener.address.path)
        for other in by_port.setdefault(key, []):
            if listener.address.clashes_with(other.address):
                yield Problem(
                    part=listener.part,
                    option=listener.option,
                    value=str(listener.address),
                    message=f"[{other.part}] {other.option} wants {other.address} too",
                    remedy="Give one of them another port.",
                )
        by_port[key].append(listener)


Say = Callable[[str], None]


def warnings(stack: Stack, *, given: Callable[[str, str], bool]) -> Iterator[str]:
    """Yield what is not production-ready, with the exact line to write.

    ``given(part, option)`` tells whether the user wrote that option.
    """
    for client in stack.all_clients:
        yield from _client_warnings(client)
    if stack.storage and stack.storage.address.is_public:
        yield (
            f"[{stack.storage.name}] zeo-address: ZEO listens on {stack.storage.address} and asks"
            " for no password. Write: zeo-address ="
            f" 127.0.0.1:{stack.storage.address.port}, or remove it to get a Unix socket"
            if given(stack.storage.name, "zeo-address")
            else f"[{stack.storage.name}] zeo-address is not set: ZEO listens on all interfaces"
            f" without a password. Write: zeo-address = {stack.socket(stack.storage.name)}"
        )
    yield from _zeo_warnings(stack)


def _client_warnings(client: Client) -> Iterator[str]:
    for address in client.addresses:
        if address.is_public:
            yield (
                f"[{client.name}] http-address: Zope listens on {address}, past the web server."
                f" Write: http-address = 127.0.0.1:{address.port}"
            )
    if client.fast_listen:
        yield (
            f"[{client.name}] http-fast-listen is on: the port opens before Zope can answer."
            " Write: http-fast-listen = off"
        )
    if any(log.how == "truncate" for log in client.logs):
        yield (
            f"[{client.name}] a log loses lines at rotation. Write: event-log-handler ="
            " logging.handlers.WatchedFileHandler, and the same for access-log-handler"
        )


def _zeo_warnings(stack: Stack) -> Iterator[str]:
    if stack.storage is None:
        return
    target = stack.storage.address.to_connect
    for client in stack.all_clients:
        asked = {address.to_connect for address in client.zeo_addresses}
        if target not in asked:
            shown = " ".join(map(str, client.zeo_addresses))
            yield (
                f"[{client.name}] zeo-address = {shown}: the ZEO server [{stack.storage.name}]"
                f" listens on {stack.storage.address}. Write: zeo-address = {target}"
            )


def with_versions(facts: Facts, versions: Mapping[str, tuple[int, ...]]) -> Facts:
    """Return the facts with the versions of the installed daemons."""
    return dataclasses.replace(facts, versions=tuple(sorted(versions.items())))
