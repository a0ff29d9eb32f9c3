"""What to do about a backup that has rotted: begin anew, or copy afresh."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from collective.recipe.productionstack.ctl.backups.kept import ledger
from collective.recipe.productionstack.ctl.backups.kept import manifest
from collective.recipe.productionstack.ctl.backups.kept import repozo
from collective.recipe.productionstack.model.stack import Stack
from collective.recipe.productionstack.model.storage import Backup


def rotten(backup: Backup) -> list[str]:
    """Say what of the newest backup's files is not what was first written down."""
    copy, known = repozo.find(backup), manifest.newest(backup)
    if copy is None:
        return []
    files = known.files if known else {}
    listed = {one.path.name: one for one in copy.pieces}
    expected = {one for one in files if one >= copy.pieces[0].path.name}
    found = [f"{name} is no longer listed" for name in sorted(expected - set(listed))]
    found += repozo.misread(copy) + repozo.unlisted(backup) + copy.gaps
    found += manifest.relisted(copy, known) if known else []
    for name, piece in listed.items():
        known_as = files.get(name)
        found.append(
            manifest.trouble(piece.path, *known_as) if known_as else piece.trouble()
        )
    return [one for one in found if one]


def move_away(backup: Backup) -> Path:
    """Take a rotten chain out of the way: the script would count it as a good one."""
    # On the disk where they lie: a link often leads to another one.
    place, copy = Path(backup.location).resolve(), repozo.find(backup)
    first = copy.pieces[0].date if copy else ""
    aside = place.with_name(f"{place.name}-rotten") / first
    aside.mkdir(parents=True, exist_ok=True, mode=0o750)
    for one in sorted(place.iterdir()):
        ours = repozo.PIECE.fullmatch(one.name) or one.suffix == ".dat"
        if ours and one.name >= first:
            shutil.move(one, aside / one.name)  # copied, where a disk is mounted there
    return aside


def heal_blobs(stack: Stack, backup: Backup) -> None:
    """Copy afresh what a verification found rotten, where the live blob is good."""
    names = ledger.rotten(stack, backup)
    if not names:
        return
    known = manifest.newest(backup)
    left = []
    for name in names:
        live = Path(backup.blob_dir, name)
        if known is None or name not in known.blobs:
            continue
        if manifest.trouble(live, *known.blobs[name]):
            left.append(name)
        else:
            _replace_copies(backup, name, live)
    ledger.note_rotten(stack, backup, left)


def _replace_copies(backup: Backup, name: str, live: Path) -> None:
    """Put a fresh copy of a blob in the place of the rotten one, in every folder."""
    folder = Path(backup.blob_dir).name
    fresh: Path | None = None
    for one in sorted(Path(backup.blob_location).glob(f"*/{folder}/{name}")):
        beside = one.with_name(f".{one.name}.fresh")
        beside.unlink(missing_ok=True)
        if fresh is None:
            shutil.copy2(live, beside)
        else:
            os.link(fresh, beside)
        beside.replace(one)
        fresh = one
