"""From sections to stacks: every part of ours together, with all problems at once."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from collective.recipe.productionstack.errors import Problem
from collective.recipe.productionstack.model.address import Address
from collective.recipe.productionstack.model.clients import Balancing
from collective.recipe.productionstack.model.clients import Client
from collective.recipe.productionstack.model.site import Site
from collective.recipe.productionstack.model.stack import Stack
from collective.recipe.productionstack.model.storage import Backup
from collective.recipe.productionstack.model.storage import Storage
from collective.recipe.productionstack.options.load import PORT_OFFSETS
from collective.recipe.productionstack.options.load import StackOptions
from collective.recipe.productionstack.options.load import load
from collective.recipe.productionstack.plan import announcing
from collective.recipe.productionstack.plan import folders
from collective.recipe.productionstack.plan import listeners
from collective.recipe.productionstack.plan import pools
from collective.recipe.productionstack.plan import sites
from collective.recipe.productionstack.plan.facts import Facts
from collective.recipe.productionstack.plan.sites import Front
from collective.recipe.productionstack.sources import backup


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


def stacks(
    parts: list[Part], facts: Facts
) -> tuple[dict[str, tuple[Stack, StackOptions]], list[Problem]]:
    """Build the stack of every part, and return every problem of all of them."""
    built: dict[str, tuple[Stack, StackOptions]] = {}
    problems: list[Problem] = list(folders.problems(facts.directory))
    wanted = list(listeners.of_parts(facts.clients.values(), facts.storages.values()))
    for part in parts:
        options, found = load(part.name, part.section)
        problems += found
        faulty = frozenset(problem.option for problem in found)
        builder = _Builder(part, options, facts, faulty)
        stack = builder.build()
        problems += builder.problems
        wanted += listeners.of_stack(stack, options, faulty)
        built[part.name] = (announcing.complete(stack), options)
    problems += listeners.clashes(wanted)
    return built, problems


class _Builder:
    """Puts one stack together and notes what is wrong on the way."""

    def __init__(
        self, part: Part, options: StackOptions, facts: Facts, faulty: frozenset[str]
    ) -> None:
        self.part, self.options, self.facts = part, options, facts
        self.faulty = faulty
        self.problems: list[Problem] = []

    def build(self) -> Stack:
        part, options = self.part, self.options
        the_sites, front = self.all_sites()
        debug = self.debug_client()
        clients = self.clients(debug)
        storage = self.one_of("zeoserver", self.facts.storages)
        return Stack(
            name=part.name,
            folders=folders.of(self.facts.directory, self.facts.bin, part.name),
            services=(part.entry,) if part.alone else options.services,
            alone=part.alone,
            sites=the_sites,
            web_server=options.web_server,
            proxy_cache=options.proxy_cache,
            load_balancer=options.load_balancer,
            http=front.http,
            https=front.https,
            cache=self.address("cache_address"),
            purge=self.address("purge_address"),
            balancer=self.address("balancer_address"),
            stats=self.address("stats_address"),
            clients=clients,
            balancing=self.balancing(clients),
            watching=options.watching,
            debug_client=debug,
            storage=storage,
            backups=self.backups(storage),
            keeping=options.keeping,
            purge_by=options.purge_by,
            maintenance_page=self.maintenance_page(),
            maintenance_allow=options.maintenance_allow,
            user_templates=self.templates(),
            workers=max(1, self.facts.cores // 2),
            versions=self.facts.versions,
        )

    def all_sites(self) -> tuple[tuple[Site, ...], Front]:
        """Return the sites, and where nginx listens for them."""
        name, options = self.part.name, self.options
        found, problems = sites.lines(name, options)
        self.problems += problems
        front = self.front(sites.has_certificate(found, options))
        made, problems = sites.sites(name, found, options, front)
        if not self.faulty & {"certificate", "key"}:
            self.problems += problems
        self.need_sites()
        return made, front

    def add(self, option: str, value: str, message: str, remedy: str) -> None:
        """Note a problem of one option."""
        self.problems.append(
            Problem(
                part=self.part.name,
                option=option,
                value=value,
                message=message,
                remedy=remedy,
            )
        )

    def address(self, name: str) -> Address:
        chosen: Address | None = getattr(self.options, name)
        public = name in {"http_address", "https_address"}
        host = self.options.bind if public else "127.0.0.1"
        return chosen or Address(
            host.strip("[]"), self.options.port_base + PORT_OFFSETS[name]
        )

    def front(self, with_certificate: bool) -> Front:  # noqa: FBT001
        with_tls = with_certificate or self.options.https_address is not None
        https = self.address("https_address") if with_tls else None
        return Front(http=self.address("http_address"), https=https)

    def balancing(self, clients: tuple[Client, ...]) -> Balancing:
        made, problems = pools.balancing(self.part.name, self.options, clients)
        self.problems += problems
        return made

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
            self.add(
                "templates", chosen, "no such folder", "Make it, or remove the option."
            )
        return ""

    def maintenance_page(self) -> str:
        path = self.options.maintenance_page
        if path and not Path(path).is_file():
            self.add(
                "maintenance-page", path, "no such file", "Write it, as one HTML file."
            )
        return path

    def debug_client(self) -> Client | None:
        name = self.options.debug_client
        if not name:
            return None
        if name in self.facts.clients:
            return self.facts.clients[name]
        self.problems += self.why_not("debug-client", name)
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
                self.problems += self.why_not("clients", name)

    def why_not(self, option: str, name: str) -> Iterator[Problem]:
        """Say why a named part is no client, unless its own problem says it."""
        if name in self.facts.unreadable:
            return
        if name in self.facts.no_clients:
            yield self.facts.no_clients[name]
            return
        known = ", ".join(sorted(self.facts.clients)) or "none"
        yield Problem(
            part=self.part.name,
            option=option,
            value=name,
            message="no plone.recipe.zope2instance part of that name is in parts",
            remedy=f"ZEO clients here: {known}.",
        )

    def judge(self, chosen: tuple[Client, ...]) -> None:
        """See that there are clients, and that they ask the stack's own ZEO server."""
        entries = {"default", "haproxy", "supervisor"}
        quiet = (
            self.problems
            or self.facts.unreadable
            or self.part.section.get("clients", "").strip()
        )
        if not chosen and self.part.entry in entries and not quiet:
            self.problems += self.facts.no_clients.values()
            self.add(
                "clients",
                "",
                "no ZEO client is listed in parts",
                "Add one with recipe = plone.recipe.zope2instance, zeo-client = true.",
            )

    def backups(self, storage: Storage | None) -> tuple[Backup, ...]:
        """Return the backup parts that are named, or all of them."""
        found = self.facts.backups
        for name in self.options.backup:
            if name not in found and name not in self.facts.unreadable:
                known = ", ".join(sorted(found)) or "none"
                message, remedy = (
                    "no such part is listed in parts",
                    f"There are: {known}.",
                )
                self.add("backup", name, message, remedy)
        wanted = self.options.backup or found
        return tuple(
            backup.beside(found[name], storage, self.facts.directory)
            for name in wanted
            if name in found
        )

    def one_of(self, option: str, found: Mapping[str, Any]) -> Any:
        """Return the part that an option names, or the only one."""
        name = getattr(self.options, option)
        if name in self.facts.unreadable:
            return None
        if name and name not in found:
            known = ", ".join(sorted(found)) or "none"
            self.add(
                option, name, "no such part is listed in parts", f"There are: {known}."
            )
            return None
        if not name and len(found) > 1:
            known = ", ".join(sorted(found))
            self.add(
                option,
                "",
                f"there are several: {known}",
                f"Choose one: {option} = {min(found)}",
            )
            return None
        return found[name] if name else next(iter(found.values()), None)
