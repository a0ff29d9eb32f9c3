"""Set what production needs, only where the user has set nothing."""

from __future__ import annotations

import logging
import re
from pathlib import Path

from collective.recipe.productionstack.buildout import sections
from collective.recipe.productionstack.buildout.edits import Preparation
from collective.recipe.productionstack.buildout.other_parts import places_of
from collective.recipe.productionstack.model.storage import XSENDFILE
from collective.recipe.productionstack.model.storage import file_variables
from collective.recipe.productionstack.options.load import load
from collective.recipe.productionstack.plan import folders
from collective.recipe.productionstack.sources import backup
from collective.recipe.productionstack.sources import reading
from collective.recipe.productionstack.sources import zeoserver
from collective.recipe.productionstack.sources import zope2instance

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
}

TRUSTED = ("zope-conf-additional", "trusted-proxy 127.0.0.1")
"""Believe nginx about who the visitor is."""

SERVER_DEFAULTS = {
    # The health check asks ZEO every other second; at info that is three lines each.
    "zeo-log-level": "WARN",
}


def says(conf: Path, directive: str) -> bool:
    """Whether a configuration that somebody keeps by hand has such a line."""
    try:
        text = conf.read_text("utf-8", "replace")
    except OSError:
        return False
    return re.search(rf"(?mi)^\s*{re.escape(directive)}\s", text) is not None


class Defaults:
    """Defaults for the ZEO server, its clients and the backup."""

    def __init__(self, work: Preparation) -> None:
        """Prepare; nothing is changed yet."""
        self.work, self.buildout = work, work.buildout
        self.main = ""

    def set_all(self, stack: str) -> None:
        """Set what production needs on the ZEO server and on every ZEO client."""
        servers = sections.listed_with(self.buildout, zeoserver.RECIPE)
        clients = [
            name
            for name in sections.listed_with(self.buildout, zope2instance.RECIPE)
            if reading.is_on(self.work.view(name).get("zeo-client", ""))
        ]
        options, _ = load(stack, self.work.view(stack))
        self.main = self.main_server(options.zeoserver, servers, clients)
        if self.main:
            self.set_meeting_place(stack, self.main, clients)
        for server in servers:
            for key, value in SERVER_DEFAULTS.items():
                if "zeo-conf" not in sections.flat(self.buildout, server):
                    self.work.set_default(server, key, value)
        for client in clients:
            for key, value in CLIENT_DEFAULTS.items():
                self.set_client_default(client, key, value)
            self.work.set_default(client, "threads", str(options.threads))
            self.name_files(client, options.xsendfile)
            self.trust(client)

    def trust(self, client: str) -> None:
        """Let Zope believe nginx about who the visitor is, or say that it does not."""
        option, line = TRUSTED
        if own := sections.flat(self.buildout, client).get("zope-conf", ""):
            # The recipe writes nothing else of ours into it.
            if not says(Path(self.folder_words()[0], own), line.partition(" ")[0]):
                self.warn_of_trust(client, "zope-conf", f"Add to that file: {line}")
        elif not self.work.add_line(client, option, line):
            self.warn_of_trust(client, option, f"Add the line: {line}")

    @staticmethod
    def warn_of_trust(client: str, option: str, remedy: str) -> None:
        """Say what is missing, and what to write."""
        text = "[%s] %s: Zope takes every visitor for nginx. %s"
        logger.warning(text, client, option, remedy)

    def name_files(self, client: str, wanted: str) -> None:
        """Tell Plone how to name the files that the web server sends, if it does."""
        if wanted == "off":
            return
        blob_dir = self.blob_dir()
        given = self.work.view(client).get("environment-vars", "")
        if not blob_dir or XSENDFILE in given:
            return
        lines = zope2instance.environment_lines(given)
        if lines and "\n" not in given:
            self.work.replace(client, "environment-vars", "\n".join(["", *lines]))
        for line in file_variables(blob_dir):
            self.work.add_line(client, "environment-vars", line)

    def blob_dir(self) -> str:
        """Return the folder of the main ZEO server's blobs, empty where none is."""
        if not self.main:
            return ""
        places = places_of(self.buildout)
        try:
            return zeoserver.read(self.main, self.work.view(self.main), places).blob_dir
        except ValueError:
            return ""  # the recipe names the faulty address

    def main_server(self, named: str, servers: list[str], clients: list[str]) -> str:
        """Return the ZEO server with the sites: named, the only one, or asked."""
        if len(servers) == 1 or named in servers:
            return named if named in servers else servers[0]
        typed = {self.work.view(name).get("zeo-address", "") for name in clients}
        asked = {target for one in typed for target in one.split()}
        found = [name for name in servers if self.server_address(name) in asked]
        if not asked:
            # Clients that say nothing mean the one that says nothing either.
            given = {name: sections.flat(self.buildout, name) for name in servers}
            found = [name for name in servers if "zeo-address" not in given[name]]
        return found[0] if len(found) == 1 else ""

    def set_client_default(self, client: str, key: str, value: str) -> None:
        """Set one default, unless a log was made for another handler."""
        stem = key.removesuffix("-handler")
        given = sections.flat(self.buildout, client)
        if key.endswith("-handler") and (
            f"{stem}-args" in given or f"{stem}-kwargs" in given
        ):
            return  # made for another handler
        self.work.set_default(client, key, value)

    def set_meeting_place(self, stack: str, server: str, clients: list[str]) -> None:
        """Let server and clients meet on a private socket, and share blobs."""
        typed = [name for name in clients if self.says_where_zeo_is(name)]
        if not typed:
            places = folders.of(*self.folder_words(), stack)
            self.work.set_default(
                server, "zeo-address", f"{places.sockets}/{server}.sock"
            )
        address = self.server_address(server)
        for client in clients:
            if address:
                self.work.set_default(client, "zeo-address", address)
            flat = sections.flat(self.buildout, client)
            blobs = "blob-storage" in flat or "var" in flat
            if not blobs and not self.moved_blobs(server):
                self.work.set_default(client, "shared-blob", "on")

    def says_where_zeo_is(self, client: str) -> bool:
        """Whether the user wrote where a client finds ZEO, also for what it mounts."""
        flat = sections.flat(self.buildout, client)
        mounts = "<zeoclient" in flat.get("zope-conf-additional", "")
        return mounts or "zeo-address" in flat

    def folder_words(self) -> tuple[str, str]:
        """Return the folders that a stack's places are counted from."""
        options = self.buildout["buildout"]
        return options["directory"], options["bin-directory"]

    def server_address(self, server: str) -> str:
        """Return where clients reach the ZEO server, or nothing."""
        try:
            storage = zeoserver.read(
                server, self.work.view(server), places_of(self.buildout)
            )
        except ValueError:
            return ""  # the recipe names the faulty address
        return str(storage.address.to_connect)

    def moved_blobs(self, server: str) -> bool:
        """Whether the server keeps its blobs elsewhere than clients expect."""
        flat = sections.flat(self.buildout, server)
        return any(key in flat for key in ("blob-storage", "var", "zeo-conf"))

    def add_backups(self, before: str) -> None:
        """See that every ZEO server is backed up, making the parts that are missing."""
        servers = sections.listed_with(self.buildout, zeoserver.RECIPE)
        if len(servers) < 2:  # noqa: PLR2004 (the usual one)
            self.add_backup(before)
            return
        for server in servers:
            self.add_backup_of(server, before)

    def add_backup_of(self, server: str, before: str) -> None:
        """See that one of several ZEO servers has a listed backup part of its own."""
        raw, made = self.buildout._raw, self.backup_section(server)  # noqa: SLF001
        name = "backup" if server == self.main else f"backup-{server}"
        ours = [one for one in raw if self.data_file(one) == made.get("datafs")]
        listed = [one for one in ours if one in self.work.parts]
        if not ours and name in raw:
            self.note_taken(name)
            return
        if not ours:
            raw[name] = made
        chosen = (listed or ours or [name])[0]
        self.name_sources(chosen, made)
        if not listed:
            self.work.parts.insert(self.work.parts.index(before), chosen)
            logger.info("added [%s] (collective.recipe.backup) to the parts", chosen)

    def note_taken(self, name: str) -> None:
        """Note that something else has the name of a backup part."""
        self.work.problem(
            name,
            "recipe",
            sections.flat(self.buildout, name).get("recipe", ""),
            "the stack needs a backup part, and this name is taken",
            "Rename this part, or add one with recipe = collective.recipe.backup.",
        )

    def name_sources(self, part: str, made: dict[str, str]) -> None:
        """Name database and blobs: that recipe would take those of the first server."""
        given = sections.flat(self.buildout, part)
        if "datafs" not in given and "datafs" in made:
            self.work.set_default(part, "datafs", made["datafs"])
        blobs = {"blob_storage", "blob-storage", "backup_blobs", "backup-blobs"}
        if blobs & {*given}:
            return
        for key in ("blob_storage", "backup_blobs"):
            if key in made:
                self.work.set_default(part, key, made[key])

    def data_file(self, name: str) -> str:
        """Return what a part backs up, nothing where it is for something else."""
        if sections.recipe_of(self.buildout, name) != backup.RECIPE:
            return ""
        places, view = places_of(self.buildout), self.work.view(name)
        # Without a name it is the usual place, as that recipe has it.
        usual = f"{places.directory}/var/filestorage/Data.fs"
        return backup.read(name, view, places).data_file or usual

    def add_backup(self, before: str) -> None:
        """See that a backup part is listed, making one where none is defined."""
        raw = self.buildout._raw  # noqa: SLF001
        defined = [
            name
            for name in raw
            if sections.recipe_of(self.buildout, name) == backup.RECIPE
        ]
        if any(name in self.work.parts for name in defined):
            return
        servers = sections.listed_with(self.buildout, zeoserver.RECIPE)
        if not defined and "backup" in raw:
            self.note_taken("backup")
            return
        if not defined and len(servers) != 1:
            return
        name = defined[0] if defined else "backup"
        if not defined:
            raw[name] = self.backup_section(servers[0])
        self.work.parts.insert(self.work.parts.index(before), name)
        logger.info("added [%s] (collective.recipe.backup) to the parts", name)

    def backup_section(self, server: str) -> dict[str, str]:
        """Name every place: that recipe's own search mixes parts."""
        section = {"recipe": "collective.recipe.backup"}
        try:
            storage = zeoserver.read(
                server, self.work.view(server), places_of(self.buildout)
            )
        except ValueError:
            return section
        var = f"{places_of(self.buildout).directory}/var"
        section |= {"datafs": storage.data_file, "locationprefix": var}
        if storage.blob_dir:
            return section | {"blob_storage": storage.blob_dir}
        return section | {"backup_blobs": "false"}
