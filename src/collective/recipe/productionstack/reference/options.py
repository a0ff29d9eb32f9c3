"""The page about the options: by task, each with what it changes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from collective.recipe.productionstack.daemons import registry
from collective.recipe.productionstack.model.address import Address
from collective.recipe.productionstack.model.announced import Health
from collective.recipe.productionstack.model.announced import Program
from collective.recipe.productionstack.model.clients import Client
from collective.recipe.productionstack.model.stack import Stack
from collective.recipe.productionstack.model.storage import Backup
from collective.recipe.productionstack.model.storage import Storage
from collective.recipe.productionstack.options.load import FREE
from collective.recipe.productionstack.options.load import OPTIONS
from collective.recipe.productionstack.plan import rendering
from collective.recipe.productionstack.plan import stacks
from collective.recipe.productionstack.plan.facts import Facts
from collective.recipe.productionstack.plan.stacks import Part
from collective.recipe.productionstack.reference.words import codes

TASKS = {
    "Name the sites": (
        *("sites", "certificate", "key", "acme", "acme-email", "acme-directory"),
        "acme-ca-file",
    ),
    "Serve other applications beside them": ("application",),
    "Say who serves them": (
        *("clients", "client-port-base", "debug-client", "threads", "programs"),
        *("frontend-folder", "frontend-processes"),
    ),
    "Choose where it listens": (
        *("port-base", "bind", "http-address", "https-address", "cache-address"),
        *("purge-address", "balancer-address", "stats-address", "trusted-proxies"),
        "proxy-protocol",
    ),
    "Choose tiers and files": (
        *("web-server", "proxy-cache", "load-balancer", "services", "templates"),
        "check",
    ),
    "Spread requests": (
        *("balance", "sticky", "slow-start", "queue-timeout", "queue-length"),
        *("editors-clients", "path-clients"),
    ),
    "Cache": (
        *("cache-size", "cache-file-limit", "cache-rules", "grace", "session-cookies"),
        *("purge-by", "purge-allow", "micro-cache"),
    ),
    "Protect the front": (
        *("rate-limits", "rate-limits-exempt", "max-upload", "zmi-allow", "hsts"),
        "http3",
        *("csp", "log-format", "error-pages", "xsendfile"),
    ),
    "Work on a site": ("maintenance-page", "maintenance-allow"),
    "Back up and pack": (
        *("zeoserver", "backup", "backup-time", "pack-time", "verify-time"),
        *("backup-age-limit", "sync-target", "sync-key", "sync-keep"),
        *("sync-password-file", "mailto"),
    ),
    "Be told what is wrong": ("memory-limit", "alert-mail", "alert-webhook"),
}

SPECIAL = {
    "debug-client": "which client gets no visitors; as `clients`",
    "clients": "everything that names clients; `bin/stack up` starts new ones",
    "client-port-base": "the clients that are made; they have to be restarted",
    "threads": "the clients that have none of their own, and HAProxy's limits; then"
    " `bin/stack reload` and `bin/stack restart`",
    "templates": "the files whose templates lie there",
    "services": "which files there are",
    "certificate": "nginx, which listens for TLS too then; `bin/stack reload`",
    "key": "as `certificate`",
    "maintenance-page": "nginx, from `bin/stack reload` on",
    "error-pages": "`nginx/pages.conf` and the files of sites; `bin/stack reload`",
    "xsendfile": "nginx, Varnish, HAProxy and the clients; `bin/stack reload`, then"
    " `bin/stack restart`; to switch it off the other way round",
    "frontend-folder": "the processes of sites with `frontend=volto`; `bin/stack"
    " reload` and `bin/stack restart`",
    "frontend-processes": "as `frontend-folder`",
    "zeoserver": "which ZEO server is the one with the sites",
    "check": "nothing: only what buildout says and refuses",
    "backup": "which parts are run by `bin/stack backup`",
}
"""What an example cannot show: it needs files, or another buildout."""

OTHER = {
    "sites": "www.example.com /Plone\nother.example.com /Other",
    **{f"{one}-address": "127.0.0.1:9000" for one in ("http", "cache", "purge")},
    **{f"{one}-address": "127.0.0.1:9000" for one in ("https", "balancer", "stats")},
}
"""Where the example is the default."""


def page() -> Iterator[str]:
    """Yield the blocks of the page."""
    yield "# Options"
    yield (
        "Of a part with `recipe = collective.recipe.productionstack`, or with one of"
        f" its pieces ({', '.join(f'`:{s.NAME}`' for s in registry.SERVICES)})."
        " What an option changes takes effect after `bin/buildout` and what stands"
        " behind the semicolon."
    )
    yield "\n".join(
        f"- {task}: {' '.join(f'[`{name}`](#{name})' for name in names)}"
        for task, names in TASKS.items()
    )
    for task, names in TASKS.items():
        yield f"## {task}"
        for name in names:
            yield from _option(name)
    yield "## Other names"
    yield f"Not ours and always allowed: {codes(FREE)} and all that start with `x-`."
    yield "Any other name is an error."


def _option(name: str) -> Iterator[str]:
    about = OPTIONS[name].metadata
    default = about["shown"] or f"`{OPTIONS[name].default}`"
    yield f"### `{name}`"
    yield about["doc"]
    yield (f"- Type: {about['kind']}\n- Default: {default}\n- Changes: {effect(name)}")
    yield f"```text\n{name} = {about['example']}\n```"


def effect(name: str) -> str:
    """Say which files an option changes, and what makes that work."""
    if name in SPECIAL:
        return SPECIAL[name]
    value = OTHER.get(name, OPTIONS[name].metadata["example"])
    before, after = _stack({}), _stack({name: value})
    old, new = _files(before), _files(after)
    # Clients and sockets are named in all of them; these are for bin/stack itself.
    paths = {path for path in {*old, *new} if old.get(path) != new.get(path)}
    paths.discard("stack.json")
    if not paths:
        return "what `bin/stack` itself does; `bin/stack reload`"
    then = "`bin/stack reload`"
    if restarted := _redefined(before, after):
        then += f" and a restart of {codes(restarted)}"
    if _names(before) != _names(after):
        then += " and `bin/stack up`"
    if "crontab" in paths:
        then += " and `bin/stack cron install`"
    return f"{codes(sorted(paths))}; {then}"


def _names(stack: Stack) -> set[str]:
    return {one.name for one in stack.announced.programs}


def _redefined(before: Stack, after: Stack) -> list[str]:
    """Return the programs that only a restart gives another command."""
    known = {one.name: one for one in before.announced.programs}
    return [
        one.name
        for one in after.announced.programs
        if one.name in known and _definition(one) != _definition(known[one.name])
    ]


def _definition(program: Program) -> Program:
    nothing = Health(address=Address())
    return dataclasses.replace(program, health=nothing, files=(), listens=())


def _files(stack: Stack) -> dict[str, str]:
    return {one.path: one.text for one in rendering.tree_of(stack).files}


def _stack(more: dict[str, str]) -> Stack:
    section = {
        "sites": "www.example.com,example.com /Plone",
        "clients": "instance1 instance2 instance3 instance4",
        "debug-client": "instance",
        **more,
    }
    part = Part(name="stack", entry=registry.WHOLE, section=section)
    built, _ = stacks.stacks([part], _facts())
    return built["stack"][0]


def _facts() -> Facts:
    """Return a buildout with one of everything."""
    socket = Address(path="/srv/site/var/stack/zeoserver.sock")
    clients = [
        Client(
            name=f"instance{number or ''}",
            addresses=(Address("127.0.0.1", 8080 + number),),
            threads=3,
            script=f"/srv/site/bin/instance{number or ''}",
            zeo_addresses=(socket,),
            max_body=1073741824,
            fast_listen=False,
        )
        for number in range(5)
    ]
    storage = Storage(
        name="zeoserver",
        address=socket,
        command=("/srv/site/parts/zeoserver/bin/runzeo",),
        data_file="/srv/site/var/filestorage/Data.fs",
        blob_dir="/srv/site/var/blobstorage",
        quiet_log=True,
        pack_script="/srv/site/bin/zeopack",
    )
    backup = Backup(
        name="backup", script="/srv/site/bin/backup", location="/srv/site/var/backups"
    )
    return Facts(
        directory="/srv/site",
        bin="/srv/site/bin",
        clients={one.name: one for one in clients},
        storages={"zeoserver": storage},
        backups={"backup": backup},
    )
