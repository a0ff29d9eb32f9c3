"""Make N clients from one ``plone.recipe.zope2instance`` part."""

from __future__ import annotations

import logging
from collections.abc import Collection
from collections.abc import Iterator
from pathlib import Path

from collective.recipe.productionstack.buildout import sections
from collective.recipe.productionstack.buildout.defaults import CLIENT_DEFAULTS
from collective.recipe.productionstack.buildout.edits import Preparation
from collective.recipe.productionstack.model.address import LAST_PORT
from collective.recipe.productionstack.model.address import Address
from collective.recipe.productionstack.options.load import PORT_OFFSETS
from collective.recipe.productionstack.options.load import load
from collective.recipe.productionstack.plan import programs
from collective.recipe.productionstack.plan.clients import SERVER
from collective.recipe.productionstack.plan.clients import set_aside
from collective.recipe.productionstack.sources import zeoserver
from collective.recipe.productionstack.sources import zope2instance
from collective.recipe.productionstack.sources.reading import is_on
from collective.recipe.productionstack.sources.reading import listener

logger = logging.getLogger("productionstack")

NAMED_FILES = ("event-log", "access-log", "z2-log")
NAMED_THINGS = (
    "control-script",
    "zeo-client-client",
    "client-home",
    "pid-file",
    "lock-file",
)


class Clones:
    """The clients of one stack part."""

    def __init__(self, work: Preparation, stack: str) -> None:
        """Prepare for one stack part; nothing is changed yet."""
        self.work, self.stack = work, stack
        self.buildout = work.buildout

    def make(self) -> None:
        """Make N clients where a stack's ``clients`` is a number."""
        options, _ = load(self.stack, self.work.view(self.stack))
        if not isinstance(options.clients, int):
            return
        number = options.clients
        workers = programs.worker_names(options)
        template = self.template(str(number), workers)
        if template is None or not self.shares(template, str(number)):
            return
        names = [f"{template}{count}" for count in range(1, number + 1)]
        at = self.address(template)
        base = self.port_base(at, options.client_port_base, number)
        taken = [name for name in names if name in self.buildout._raw]  # noqa: SLF001
        if taken:
            self.work.problem(
                self.stack,
                "clients",
                str(number),
                f"[{taken[0]}] is there already: it cannot be made from [{template}]",
                "Rename it, or name the parts: clients = " + " ".join(taken),
            )
        if taken or base is None:
            return
        for count, name in enumerate(names, 1):
            self.clone(template, name, Address(at.host, base + count))
        where = self.work.parts.index(template) + 1
        self.work.parts[where:where] = names
        raw = self.buildout._raw[self.stack]  # noqa: SLF001
        raw["clients"] = " ".join(names)
        if not options.debug_client:
            raw["debug-client"] = template
        logger.info(
            "made %s from [%s], which stays as the debug client",
            " ".join(f"[{n}]" for n in names),
            template,
        )

    def template(self, number: str, workers: Collection[str]) -> str | None:
        """Return the one part that the clients are made from; workers do not count."""
        listed = sections.listed_with(self.buildout, zope2instance.RECIPE)
        found = [name for name in listed if name not in workers]
        if len(found) == 1:
            return found[0]
        if found:
            message = (
                "a number needs one plone.recipe.zope2instance part, there are several:"
                f" {', '.join(found)}"
            )
            remedy = f"Write instead: clients = {' '.join(self.for_visitors(found))}"
        else:
            message = "no part of plone.recipe.zope2instance is listed in parts"
            remedy = "Add one and list it in [buildout] parts."
        self.work.problem(self.stack, "clients", number, message, remedy)
        return None

    def shares(self, template: str, number: str) -> bool:
        """Whether clients made from a part share the database; note it if not."""
        why = zope2instance.no_client(template, self.work.view(template))
        if why is None:
            return True
        servers = sections.listed_with(self.buildout, zeoserver.RECIPE)
        where = why.remedy.replace("Write:", f"Write in [{template}]:")
        self.work.problem(
            self.stack,
            "clients",
            number,
            f"[{template}] {why.option} = {why.value}: {why.message}",
            where if servers else f"{where}; {SERVER}",
        )
        return False

    def for_visitors(self, names: list[str]) -> list[str]:
        """Return those of several parts that share the database and look for it."""
        views = {name: self.work.view(name) for name in names}
        sharing = {
            name: is_on(view.get("debug-mode", ""))
            for name, view in views.items()
            if zope2instance.no_client(name, view) is None
        }
        aside = set_aside(sharing)
        return [name for name in sharing if name not in aside] or names

    def address(self, template: str) -> Address:
        """Return where the template listens; its clones stay on the loopback."""
        default = CLIENT_DEFAULTS["http-address"]
        value = self.work.view(template).get("http-address", default)
        try:
            found = listener(value.split()[0], "127.0.0.1")
        except (ValueError, IndexError):
            return Address("127.0.0.1", 0)  # the recipe names the faulty address
        return Address("127.0.0.1", found.port) if found.is_public else found

    def port_base(self, at: Address, chosen: int | None, number: int) -> int | None:
        """Return the port that the clients' ports are counted from, if all are free."""
        base = chosen or at.port
        if not base:
            return None
        used = dict(self.used_ports())
        wanted = range(base + 1, base + number + 1)
        met = [port for port in wanted if port in used]
        if not met and wanted[-1] <= LAST_PORT:
            return base
        free = next(
            start
            for start in (*range(9080, 65000 - number, 100), *range(10000, 65000))
            if not any(port in used for port in range(start, start + number + 1))
        )
        why = (
            f"port {met[0]} belongs to {used[met[0]]}"
            if met
            else "65535 is the last port"
        )
        self.work.problem(
            self.stack,
            "client-port-base" if chosen else "clients",
            str(chosen or number),
            f"the clients would listen on {wanted[0]} to {wanted[-1]}, but {why}",
            f"A free range begins with: client-port-base = {free}",
        )
        return None

    def used_ports(self) -> Iterator[tuple[int, str]]:
        """Yield every port that a listed part wants, and who wants it."""
        for recipe, option in (
            (zope2instance.RECIPE, "http-address"),
            (zeoserver.RECIPE, "zeo-address"),
        ):
            for name in sections.listed_with(self.buildout, recipe):
                for value in self.work.view(name).get(option, "").split():
                    yield from self.port_of(value, f"[{name}] {option}")
        for name in sections.listed_with(self.buildout, sections.OURS):
            options, _ = load(name, self.work.view(name))
            for field, offset in PORT_OFFSETS.items():
                address = getattr(options, field)
                port = address.port if address else options.port_base + offset
                yield port, f"[{name}] {field.replace('_', '-')}"

    def port_of(self, value: str, owner: str) -> Iterator[tuple[int, str]]:
        """Yield the port of an address that can be read, and its owner."""
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
            logger.info(
                "set in [%s]: %s = %s, to keep it apart from [%s]",
                name,
                key,
                raw[key],
                template,
            )
        self.buildout._raw[name] = raw  # noqa: SLF001


def own_name(value: str, template: str, name: str, *, is_file: bool) -> str:
    """Return a value that belongs to the clone alone."""
    if template in value:
        head, _, tail = value.rpartition(template)
        return f"{head}{name}{tail}"
    if is_file:
        path = Path(value)
        return str(path.with_name(f"{path.stem}-{name}{path.suffix}"))
    return f"{value}-{name}"
