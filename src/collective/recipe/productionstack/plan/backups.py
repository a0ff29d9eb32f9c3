"""Which ZEO server and which backup parts belong to a stack."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
from pathlib import Path

from collective.recipe.productionstack.errors import SECRET
from collective.recipe.productionstack.errors import Problem
from collective.recipe.productionstack.machine.files import secret_trouble
from collective.recipe.productionstack.model.storage import RESTIC
from collective.recipe.productionstack.model.storage import Backup
from collective.recipe.productionstack.model.storage import Data
from collective.recipe.productionstack.model.storage import Keeping
from collective.recipe.productionstack.model.storage import Storage
from collective.recipe.productionstack.options.load import StackOptions
from collective.recipe.productionstack.plan.facts import Facts
from collective.recipe.productionstack.sources import backup


def data(part: str, options: StackOptions, facts: Facts) -> tuple[Data, list[Problem]]:
    """Return the storage with its backups, and what is wrong with their options."""
    problems = [
        _missing(part, "backup", name, facts.backups)
        for name in options.backup
        if name not in facts.backups and name not in facts.unreadable
    ]
    storage, more = _storage(part, options.zeoserver, facts)
    others = tuple(one for one in facts.storages.values() if storage and one != storage)
    names = [one for one in options.backup or facts.backups if one in facts.backups]
    named = [facts.backups[one] for one in names]
    backups = tuple(
        backup.beside(one, _of(one, storage, others), facts.directory) for one in named
    )
    made = Data(
        storage=storage, others=others, backups=backups, keeping=options.keeping
    )
    problems += [*more, *_shared(made), *_not_backed_up(part, made, facts)]
    return made, [*problems, *_repositories(part, options.keeping)]


def _shared(data: Data) -> Iterator[Problem]:
    """Yield what two ZEO servers cannot share: then one of them would not be packed."""
    seen: dict[str, str] = {}
    for one in data.storages:
        for option, value, own in (
            ("zeopack-script-name", one.pack_script, f"zeopack-{one.name}"),
            ("file-storage", one.data_file, f"filestorage/{one.name}.fs"),
            ("blob-storage", one.blob_dir, f"blobstorage-{one.name}"),
        ):
            if value and value in seen:
                yield Problem(
                    part=one.name,
                    option=option,
                    value=value,
                    message=f"is that of [{seen[value]}] too",
                    remedy=f"Write: {option} = {own}",
                )
            seen[value] = one.name


def _of(
    backup: Backup, storage: Storage | None, others: tuple[Storage, ...]
) -> Storage | None:
    """Return the ZEO server whose database a part names, by itself the main one."""
    named = (one for one in others if one.data_file == backup.data_file)
    return next(named, storage)


def _not_backed_up(part: str, data: Data, facts: Facts) -> Iterator[Problem]:
    """Yield those of several ZEO servers that no part backs up."""
    known = {one.data_file for one in data.backups}
    there = {one.data_file: name for name, one in facts.backups.items()}
    for one in data.storages if data.backups and data.others else ():
        if one.data_file in known:
            continue
        if name := there.get(one.data_file):
            typed = " ".join((*(two.name for two in data.backups), name))
            yield Problem(
                part=part,
                option="backup",
                value=" ".join(two.name for two in data.backups),
                message=f"leaves the database of [{one.name}] in no backup",
                remedy=f"Write: backup = {typed}",
            )
        else:
            blobs = f"blob_storage = {one.blob_dir}" if one.blob_dir else ""
            blobs = blobs or "backup_blobs = false"
            yield Problem(
                part=one.name,
                option="file-storage",
                value=one.data_file,
                message="is in no backup",
                remedy=(
                    f"Add [backup-{one.name}] to parts, with recipe = "
                    f"collective.recipe.backup, datafs = {one.data_file}, {blobs}."
                ),
            )


def _repositories(part: str, keeping: Keeping) -> Iterator[Problem]:
    """Yield what restic would need, or what nobody should read."""
    found = [one for one in keeping.sync_target if one.startswith(RESTIC)]
    for one in found:
        if SECRET.search(one):
            yield Problem(
                part=part,
                option="sync-target",
                value=one,
                message="a password in the address can be read in many places",
                remedy=(
                    "Remove user and password there, and write RESTIC_REST_USERNAME=…"
                    " and RESTIC_REST_PASSWORD=… into"
                    f" var/{part}/restic.env (mode 600)."
                ),
            )
    path = keeping.sync_password_file
    trouble = secret_trouble(Path(path)) if path else ""
    if found and (trouble or not path):
        what, _, remedy = trouble.partition(". ")
        yield Problem(
            part=part,
            option="sync-password-file",
            value=path or "",
            message=what.rstrip(".") or "is not set, and a restic repository needs it",
            remedy=remedy
            or "Write for example: sync-password-file = /home/plone/.restic-password",
        )


def _storage(
    part: str, name: str, facts: Facts
) -> tuple[Storage | None, list[Problem]]:
    """Return the ZEO server that is named, the only one, or the one that is asked."""
    found = facts.storages
    if name in facts.unreadable:
        return None, []
    if name and name not in found:
        return None, [_missing(part, "zeoserver", name, found)]
    asked = {
        address.to_connect
        for client in facts.clients.values()
        for address in client.zeo_addresses
    }
    main = [one for one in found.values() if one.address.to_connect in asked]
    if not name and len(found) > 1 and len(main) == 1:
        return main[0], []
    if not name and len(found) > 1:
        several = Problem(
            part=part,
            option="zeoserver",
            message=f"there are several: {', '.join(sorted(found))}",
            remedy=f"Choose one: zeoserver = {min(found)}",
        )
        return None, [several]
    return found[name] if name else next(iter(found.values()), None), []


def _missing(part: str, option: str, name: str, found: Mapping[str, object]) -> Problem:
    known = ", ".join(sorted(found)) or "none"
    return Problem(
        part=part,
        option=option,
        value=name,
        message="no such part is listed in parts",
        remedy=f"There are: {known}.",
    )
