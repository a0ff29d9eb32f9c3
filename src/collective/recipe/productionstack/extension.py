"""The extension: makes the clients and sets what production needs, before any part is made.

It changes raw sections only, and only where the user has set nothing. What it cannot
do becomes a problem that the recipe reports together with all others.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import zc.buildout
from zc.buildout.configparser import parse

from collective.recipe.productionstack import guard
from collective.recipe.productionstack import plan
from collective.recipe.productionstack import sections
from collective.recipe.productionstack.errors import Problem
from collective.recipe.productionstack.errors import StackError
from collective.recipe.productionstack.facts import places_of
from collective.recipe.productionstack.model import Address
from collective.recipe.productionstack.options import load as load_options
from collective.recipe.productionstack.plan import OFFSETS
from collective.recipe.productionstack.sources import listener
from collective.recipe.productionstack.sources import zeoserver

logger = logging.getLogger("productionstack")

WATCHED = "logging.handlers.WatchedFileHandler"

CLIENT_DEFAULTS = {
    # A port alone would mean every interface.
    "http-address": "127.0.0.1:8080",
    # Else the port opens long before Zope can answer, and health checks hang.
    "http-fast-listen": "off",
    # Reopens its file after a rotation; Zope knows no signal for that.
    "event-log-handler": WATCHED,
    "access-log-handler": WATCHED,
    # Two pages at a time (one Python runs one at a time anyway), one for the check.
    "threads": "3",
    # Believe nginx about who the visitor is.
    "zope-conf-additional": "trusted-proxy 127.0.0.1",
}

SERVER_DEFAULTS = {
    # The health check asks ZEO every other second; at info that is three lines each.
    "zeo-log-level": "WARN",
}

NAMED_FILES = ("event-log", "access-log", "z2-log")
NAMED_THINGS = ("control-script", "zeo-client-client", "client-home", "pid-file", "lock-file")


def load(buildout: Any) -> None:  # noqa: ANN401 (untyped upstream)
    """Prepare a buildout; called by zc.buildout, twice for editable installations."""
    if getattr(buildout, "_productionstack_loaded", False) or not _is_listed(buildout):
        return
    buildout._productionstack_loaded = True  # noqa: SLF001 (the only object of a run)
    try:
        guard.refuse_root(buildout)
        guard.hold_lock(buildout["buildout"]["directory"])
        for name in _dropped(buildout):
            guard.refuse_live(buildout["buildout"]["directory"], name)
    except StackError as error:
        raise zc.buildout.UserError(str(error)) from error
    _Preparation(buildout).run()


def _is_listed(buildout: Any) -> bool:  # noqa: ANN401
    """Whether the user asked for it; buildout loads every installed extension."""
    names = buildout["buildout"].get("extensions", "").split()
    return sections.OURS in {sections.distribution(name) for name in names}


def _dropped(buildout: Any) -> Iterator[str]:  # noqa: ANN401
    """Yield our parts that were installed and are no longer listed."""
    path = Path(buildout["buildout"]["directory"], buildout["buildout"]["installed"])
    if not path.is_file():
        return
    with path.open(encoding="utf-8") as stream:
        installed = parse(stream, str(path))
    for name, section in installed.items():
        ours = sections.distribution(section.get("recipe", "")) == sections.OURS
        if ours and name not in sections.listed(buildout):
            yield name


class _Preparation:
    """One run's changes to the raw sections, and what is said about them."""

    def __init__(self, buildout: Any) -> None:  # noqa: ANN401
        self.buildout = buildout
        self.parts = sections.listed(buildout)
        self.problems: list[Problem] = []
        self.said: dict[tuple[str, str], list[str]] = {}

    def run(self) -> None:
        ours = sections.listed_with(self.buildout, sections.OURS)
        if not ours:
            return
        for name in ours:
            self.make_clients(name)
        self.set_parts()
        self.set_defaults(ours[0])
        if any(sections.entry_of(self.buildout, name) in {"default", "cron"} for name in ours):
            self.add_backup(before=ours[0])
        self.set_parts()
        self.buildout._productionstack_problems = self.problems  # noqa: SLF001
        for (key, value), names in self.said.items():
            shown = value if "\n" not in value else value.split("\n")[0] + " …"
            logger.info("set in %s: %s = %s", " ".join(f"[{n}]" for n in names), key, shown)

    def view(self, name: str) -> Any:  # noqa: ANN401
        """Return a section with references resolved, not made a part."""
        raw = sections.flat(self.buildout, name)
        return self.buildout.Options(self.buildout, name, raw)

    def set_parts(self) -> None:
        value = "\n".join(self.parts)
        self.buildout["buildout"]["parts"] = value
        self.buildout._raw["buildout"]["parts"] = value  # noqa: SLF001

    def set_default(self, section: str, key: str, value: str) -> None:
        """Set an option that the user has not set anywhere, and remember to say so."""
        if key in sections.flat(self.buildout, section):
            return
        self.buildout._raw[section][key] = value  # noqa: SLF001
        self.said.setdefault((key, value), []).append(section)

    def problem(self, part: str, option: str, value: str, message: str, remedy: str) -> None:
        self.problems.append(
            Problem(part=part, option=option, value=value, message=message, remedy=remedy)
        )

    # The clients

    def make_clients(self, stack: str) -> None:
        """Make N clients where a stack's ``clients`` is a number."""
        options, _ = load_options(stack, self.view(stack))
        if not isinstance(options.clients, int):
            return
        number = options.clients
        template = self.template(stack, str(number))
        if template is None:
            return
        names = [f"{template}{count}" for count in range(1, number + 1)]
        base = self.port_base(stack, template, options.client_port_base, number)
        taken = [name for name in names if name in self.buildout._raw]  # noqa: SLF001
        if taken:
            self.problem(
                stack,
                "clients",
                str(number),
                f"[{taken[0]}] is there already, so it cannot be made from [{template}]",
                "Rename it, or name the parts: clients = " + " ".join(taken),
            )
        if taken or base is None:
            return
        for count, name in enumerate(names, 1):
            self.clone(template, name, Address("127.0.0.1", base + count))
        where = self.parts.index(template) + 1
        self.parts[where:where] = names
        raw = self.buildout._raw[stack]  # noqa: SLF001
        raw["clients"] = " ".join(names)
        if not options.debug_client:
            raw["debug-client"] = template
        logger.info("made %s from [%s], which stays as the debug client", " ".join(f"[{n}]" for n in names), template)

    def template(self, stack: str, number: str) -> str | None:
        """Return the one part that the clients are made from."""
        found = sections.listed_with(self.buildout, sections.ZOPE)
        if len(found) == 1:
            return found[0]
        if found:
            message = f"a number needs one plone.recipe.zope2instance part, there are several: {', '.join(found)}"
            remedy = "Name the clients: clients = " + " ".join(found)
        else:
            message = "no part of plone.recipe.zope2instance is listed in parts"
            remedy = "Add one and list it in [buildout] parts."
        self.problem(stack, "clients", number, message, remedy)
        return None

    def port_base(self, stack: str, template: str, chosen: int | None, number: int) -> int | None:
        """Return the port that the clients' ports are counted from, if all are free."""
        value = self.view(template).get("http-address", CLIENT_DEFAULTS["http-address"])
        try:
            base = chosen or listener(value.split()[0], "127.0.0.1").port
        except (ValueError, IndexError):
            return None  # the recipe names the faulty address
        used = dict(self.used_ports())
        wanted = range(base + 1, base + number + 1)
        met = [port for port in wanted if port in used]
        if not met and wanted[-1] <= 65535:
            return base
        free = next(
            start
            for start in (*range(9080, 65000 - number, 100), *range(10000, 65000))
            if not any(port in used for port in range(start, start + number + 1))
        )
        why = f"port {met[0]} belongs to {used[met[0]]}" if met else "65535 is the last port"
        self.problem(
            stack,
            "client-port-base" if chosen else "clients",
            str(chosen or number),
            f"the clients would listen on {wanted[0]} to {wanted[-1]}, but {why}",
            f"A free range begins with: client-port-base = {free}",
        )
        return None

    def used_ports(self) -> Iterator[tuple[int, str]]:
        """Yield every port that a listed part wants, and who wants it."""
        for recipe, option in ((sections.ZOPE, "http-address"), (sections.ZEO, "zeo-address")):
            for name in sections.listed_with(self.buildout, recipe):
                for value in self.view(name).get(option, "").split():
                    yield from self.port_of(value, f"[{name}] {option}")
        for name in sections.listed_with(self.buildout, sections.OURS):
            options, _ = load_options(name, self.view(name))
            for field, offset in OFFSETS.items():
                address = getattr(options, field)
                port = address.port if address else options.port_base + offset
                yield port, f"[{name}] {field.replace('_', '-')}"

    def port_of(self, value: str, owner: str) -> Iterator[tuple[int, str]]:
        try:
            address = listener(value, "127.0.0.1")
        except ValueError:
            return
        if address.port:
            yield address.port, owner

    def clone(self, template: str, name: str, address: Address) -> None:
        """Make a client that differs from its template only in what must be its own."""
        flat = sections.flat(self.buildout, template)
        raw = {"<": template, "http-address": str(address)}
        for key in NAMED_THINGS + NAMED_FILES:
            value = flat.get(key, "")
            if not value or "_buildout_section_name_" in value or value == "disable":
                continue
            raw[key] = own_name(value, template, name, is_file=key in NAMED_FILES)
            logger.info("set in [%s]: %s = %s, to keep it apart from [%s]", name, key, raw[key], template)
        self.buildout._raw[name] = raw  # noqa: SLF001

    # The defaults

    def set_defaults(self, stack: str) -> None:
        """Set what production needs on the ZEO server and on every ZEO client."""
        servers = sections.listed_with(self.buildout, sections.ZEO)
        clients = [
            name
            for name in sections.listed_with(self.buildout, sections.ZOPE)
            if sections.is_on(self.view(name).get("zeo-client", ""))
        ]
        if len(servers) == 1:
            self.set_meeting_place(stack, servers[0], clients)
        for server in servers:
            for key, value in SERVER_DEFAULTS.items():
                if "zeo-conf" not in sections.flat(self.buildout, server):
                    self.set_default(server, key, value)
        for client in clients:
            for key, value in CLIENT_DEFAULTS.items():
                self.set_client_default(client, key, value)

    def set_client_default(self, client: str, key: str, value: str) -> None:
        stem = key.removesuffix("-handler")
        given = sections.flat(self.buildout, client)
        if key.endswith("-handler") and (f"{stem}-args" in given or f"{stem}-kwargs" in given):
            return  # made for another handler
        self.set_default(client, key, value)

    def set_meeting_place(self, stack: str, server: str, clients: list[str]) -> None:
        """Let server and clients meet on a socket in a private folder, and share blobs."""
        typed = [name for name in clients if "zeo-address" in sections.flat(self.buildout, name)]
        if not typed:
            folders = plan.folders(*self.folder_words(), stack)
            self.set_default(server, "zeo-address", f"{folders.sockets}/{server}.sock")
        address = self.server_address(server)
        for client in clients:
            if address:
                self.set_default(client, "zeo-address", address)
            flat = sections.flat(self.buildout, client)
            blobs = "blob-storage" in flat or "var" in flat
            if not blobs and not self.moved_blobs(server):
                self.set_default(client, "shared-blob", "on")

    def folder_words(self) -> tuple[str, str]:
        options = self.buildout["buildout"]
        return options["directory"], options["bin-directory"]

    def server_address(self, server: str) -> str:
        try:
            storage = zeoserver.read(server, self.view(server), places_of(self.buildout))
        except ValueError:
            return ""  # the recipe names the faulty address
        return str(storage.address.to_connect)

    def moved_blobs(self, server: str) -> bool:
        flat = sections.flat(self.buildout, server)
        return any(key in flat for key in ("blob-storage", "var", "zeo-conf"))

    # The backup

    def add_backup(self, before: str) -> None:
        """See that a backup part is listed, making one where none is defined."""
        raw = self.buildout._raw  # noqa: SLF001
        defined = [name for name in raw if sections.recipe_of(self.buildout, name) == sections.BACKUP]
        if any(name in self.parts for name in defined):
            return
        servers = sections.listed_with(self.buildout, sections.ZEO)
        if not defined and "backup" in raw:
            self.problem(
                "backup",
                "recipe",
                sections.flat(self.buildout, "backup").get("recipe", ""),
                "the stack needs a backup part, and this name is taken",
                "Rename this part, or make a part with recipe = collective.recipe.backup.",
            )
            return
        if not defined and len(servers) != 1:
            return
        name = defined[0] if defined else "backup"
        if not defined:
            raw[name] = self.backup_section(servers[0])
        self.parts.insert(self.parts.index(before), name)
        logger.info("added [%s] (collective.recipe.backup) to the parts", name)

    def backup_section(self, server: str) -> dict[str, str]:
        """Name every place: that recipe's own search mixes parts."""
        section = {"recipe": "collective.recipe.backup"}
        try:
            storage = zeoserver.read(server, self.view(server), places_of(self.buildout))
        except ValueError:
            return section
        var = f"{places_of(self.buildout).directory}/var"
        section |= {"datafs": storage.data_file, "locationprefix": var}
        if storage.blob_dir:
            return section | {"blob_storage": storage.blob_dir}
        return section | {"backup_blobs": "false"}


def own_name(value: str, template: str, name: str, *, is_file: bool) -> str:
    """Return a value that belongs to the clone alone."""
    if template in value:
        head, _, tail = value.rpartition(template)
        return f"{head}{name}{tail}"
    if is_file:
        path = Path(value)
        return str(path.with_name(f"{path.stem}-{name}{path.suffix}"))
    return f"{value}-{name}"
