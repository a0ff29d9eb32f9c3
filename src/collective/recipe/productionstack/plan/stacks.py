"""From sections to stacks: every part of ours together, with all problems at once."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace
from pathlib import Path

from collective.recipe.productionstack.daemons import registry
from collective.recipe.productionstack.errors import Problem
from collective.recipe.productionstack.model.address import Address
from collective.recipe.productionstack.model.announced import Extras
from collective.recipe.productionstack.model.application import Neighbours
from collective.recipe.productionstack.model.chain import NOBODY
from collective.recipe.productionstack.model.chain import Chain
from collective.recipe.productionstack.model.clients import Zope
from collective.recipe.productionstack.model.folders import Folders
from collective.recipe.productionstack.model.front import Acme
from collective.recipe.productionstack.model.frontend import NodeServer
from collective.recipe.productionstack.model.site import Site
from collective.recipe.productionstack.model.stack import Host
from collective.recipe.productionstack.model.stack import Maintenance
from collective.recipe.productionstack.model.stack import Stack
from collective.recipe.productionstack.options.declare import fill
from collective.recipe.productionstack.options.load import PORT_OFFSETS
from collective.recipe.productionstack.options.load import StackOptions
from collective.recipe.productionstack.options.load import load
from collective.recipe.productionstack.plan import announcing
from collective.recipe.productionstack.plan import backups
from collective.recipe.productionstack.plan import caching
from collective.recipe.productionstack.plan import folders
from collective.recipe.productionstack.plan import listeners
from collective.recipe.productionstack.plan import pools
from collective.recipe.productionstack.plan import programs
from collective.recipe.productionstack.plan.clients import Chooser
from collective.recipe.productionstack.plan.facts import Facts
from collective.recipe.productionstack.plan.front import applications
from collective.recipe.productionstack.plan.front import certificates
from collective.recipe.productionstack.plan.front import exposure
from collective.recipe.productionstack.plan.front import frontends
from collective.recipe.productionstack.plan.front import neighbours
from collective.recipe.productionstack.plan.front import sites
from collective.recipe.productionstack.plan.front import virtual_hosts
from collective.recipe.productionstack.plan.front import visitors
from collective.recipe.productionstack.plan.front.hosts import Line


@dataclass(frozen=True, kw_only=True)
class Part:
    """One part of ours: its name, the piece it makes, its options."""

    name: str
    entry: str
    section: Mapping[str, str]

    @property
    def alone(self) -> bool:
        """Whether it makes a single piece, without the others."""
        return self.entry != registry.WHOLE

    def needs(self, what: str) -> bool:
        """Whether what it makes is nothing without ``sites`` or ``clients``."""
        return what in registry.needs(self.entry)

    def names(self, option: str) -> bool:
        """Whether the user wrote that option."""
        return bool(self.section.get(option, "").strip())


def stacks(
    parts: list[Part], facts: Facts
) -> tuple[dict[str, tuple[Stack, StackOptions]], list[Problem]]:
    """Build the stack of every part, and return every problem of all of them."""
    built: dict[str, tuple[Stack, StackOptions]] = {}
    whole = any(not part.alone for part in parts)
    problems: list[Problem] = list(folders.problems(facts.directory, with_zope=whole))
    wanted = list(listeners.of_parts(facts.clients.values(), facts.storages.values()))
    for part in parts:
        options, found = load(part.name, part.section)
        problems += found
        faulty = frozenset(problem.option for problem in found)
        builder = _Builder(part, options, _without_others(part, parts, facts), faulty)
        stack = builder.build()
        problems += builder.problems
        wanted += listeners.of_stack(stack, options, faulty)
        built[part.name] = (announcing.complete(stack), options)
    problems += listeners.clashes(wanted)
    for stack, _ in built.values():
        problems += exposure.problems(stack, wanted)
    return built, problems


def _without_others(part: Part, parts: list[Part], facts: Facts) -> Facts:
    """Leave out the ZEO servers that another whole stack names as its own."""
    theirs = {
        one.section.get("zeoserver", "").strip()
        for one in parts
        if one is not part and not one.alone
    }
    theirs.discard(part.section.get("zeoserver", "").strip())
    left = {name: one for name, one in facts.storages.items() if name not in theirs}
    return replace(facts, storages=left)


class _Builder:
    """Puts one stack together and notes what is wrong on the way."""

    def __init__(
        self, part: Part, options: StackOptions, facts: Facts, faulty: frozenset[str]
    ) -> None:
        self.part, self.options, self.facts = part, options, facts
        self.faulty = faulty
        if self.is_storage_alone:
            self.options = replace(
                options, web_server=NOBODY, proxy_cache=NOBODY, load_balancer=NOBODY
            )
        self.problems: list[Problem] = []

    @property
    def is_storage_alone(self) -> bool:
        """Whether this is a machine with the ZEO server, and clients are elsewhere."""
        zope = (*self.facts.clients, *self.facts.no_clients, *self.facts.unreadable)
        typed = self.part.names("sites") or self.part.names("clients")
        return bool(self.facts.storages) and not (self.part.alone or zope or typed)

    def build(self) -> Stack:
        part, options = self.part, self.options
        the_sites, beside, chain = self.fronts()
        zope = self.zope()
        zope, extras = self.extras(zope, frontends.run_here(the_sites))
        data, problems = backups.data(part.name, options, self.facts)
        self.problems += problems
        cached, problems = caching.caching(part.name, options, self.facts)
        self.problems += problems
        written = (part.entry,) if part.alone else self.services(chain)
        known = self.facts.versions
        around = visitors.Around(the_sites, chain, zope, data, written, known)
        front, problems = visitors.front(part.name, options, around, given=part.names)
        self.problems += problems
        places = self.folders()
        if self.caches_its_own_way(places, chain):
            front = replace(front, micro_cache="off")
        return Stack(
            name=part.name,
            folders=places,
            services=written,
            alone=part.alone,
            sites=the_sites,
            chain=chain,
            zope=zope,
            extras=extras,
            data=data,
            caching=cached,
            maintenance=Maintenance(
                page=options.maintenance_page, allow=options.maintenance_allow
            ),
            front=front,
            neighbours=beside,
            acme=fill(Acme, options),
            watching=options.watching,
            host=Host(
                workers=max(1, self.facts.cores // 2), versions=self.facts.versions
            ),
        )

    def services(self, chain: Chain) -> tuple[str, ...]:
        """Return whose files are written: nobody's who fills none of his roles."""
        idle = {
            one.NAME
            for one in registry.SERVICES
            if one.ROLES and all(chain.filled_by(r) != one.NAME for r in one.ROLES)
        }
        return tuple(one for one in self.options.services if one not in idle)

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

    def with_frontends(
        self, found: Sequence[Line], made: tuple[Site, ...], chain: Chain
    ) -> tuple[Site, ...]:
        """Return the sites with who makes their pages."""
        around = frontends.Lines(
            self.part.name, self.options, found, made, chain, self.facts.directory
        )
        if "frontend-folder" not in self.faulty:
            taken = {*registry.TAKEN, *self.facts.clients, *self.facts.no_clients}
            self.problems += frontends.problems(around, {*taken, *self.facts.storages})
        return frontends.given(around)

    def fronts(self) -> tuple[tuple[Site, ...], Neighbours, Chain]:
        """Return the sites, what lies beside them, and who stands before them."""
        name, options = self.part.name, self.options
        found, problems = sites.lines(name, options, self.facts.directory)
        apps, more = applications.lines(name, options)
        self.problems += [*problems, *more]
        lines = [*found, *(one.of_host for one in apps)]
        chain = self.chain(with_tls=sites.has_certificate(lines, options))
        places = folders.of(self.facts.directory, self.facts.bin, name)
        made, problems = sites.sites(name, found, options, chain, places)
        made = self.with_frontends(found, made, chain)
        self.problems += neighbours.problems(name, apps, made, chain)
        beside = neighbours.neighbours(apps, made, options, chain, places)
        own = neighbours.own_hosts(apps, made)
        problems += virtual_hosts.problems(name, own, options, beside.hosts)
        every = (*made, *beside.hosts)
        if not self.faulty & {"certificate", "key"}:
            strangers = virtual_hosts.strangers(name, every)
            self.problems += dict.fromkeys((*problems, *strangers))
            self.problems += certificates.problems(self.part, options, every, places)
        needed = self.part.needs("sites") and not self.is_storage_alone
        if needed and not self.part.names("sites"):
            self.add("sites", "", "no site is named", sites.EXAMPLE)
        return made, beside, chain

    def chain(self, *, with_tls: bool) -> Chain:
        options = self.options
        with_tls = with_tls or options.https_address is not None
        return fill(
            Chain,
            options,
            http=self.address("http_address"),
            https=self.address("https_address") if with_tls else None,
            cache=self.address("cache_address"),
            purge=self.address("purge_address"),
            balancer=self.address("balancer_address"),
            stats=self.address("stats_address"),
            proxy_protocol=options.proxy_protocol == "on",
        )

    def address(self, name: str) -> Address:
        chosen: Address | None = getattr(self.options, name)
        public = name in {"http_address", "https_address"}
        host = self.options.bind if public else "127.0.0.1"
        return chosen or Address(
            host.strip("[]"), self.options.port_base + PORT_OFFSETS[name]
        )

    def zope(self) -> Zope:
        """Return the clients, and how requests are spread over them."""
        chooser = Chooser(self.part.name, self.options, self.facts)
        debug = chooser.debug_client()
        clients = chooser.balanced(debug)
        self.problems += chooser.problems
        quiet = self.problems or self.facts.unreadable or self.part.names("clients")
        quiet = quiet or self.is_storage_alone
        if not clients and self.part.needs("clients") and not quiet:
            chooser.need_one()
            self.problems += chooser.problems
        balancing, problems = pools.balancing(self.part.name, self.options, clients)
        self.problems += problems
        return Zope(clients=clients, debug_client=debug, balancing=balancing)

    def extras(self, zope: Zope, ours: Sequence[NodeServer]) -> tuple[Zope, Extras]:
        """Return the clients with the workers among them, and what else is run."""
        taken = {one.name for one in zope.all_clients} | {*self.facts.storages}
        taken |= {*registry.TAKEN, *(one.name for one in ours)}
        chosen = programs.choose(self.part.name, self.options, self.facts, taken)
        self.problems += chosen.problems
        return replace(zope, workers=chosen.workers), chosen.extras

    def folders(self) -> Folders:
        """Return the folders, with the user's templates where there are any."""
        places = folders.of(self.facts.directory, self.facts.bin, self.part.name)
        chosen = self.options.templates
        templates = chosen or f"{self.facts.directory}/templates"
        if Path(templates).is_dir():
            return replace(places, templates=templates)
        if chosen:
            self.add(
                "templates", chosen, "no such folder", "Make it, or remove the option."
            )
        return places

    def caches_its_own_way(self, places: Folders, chain: Chain) -> bool:
        """Whether templates of the user's own decide what the cache answers.

        The web server would answer before they are asked.
        """
        own = places.templates and Path(places.templates, chain.proxy_cache)
        return (
            bool(own)
            and any(Path(own).glob("*.j2"))
            and not self.part.names("micro-cache")
        )
