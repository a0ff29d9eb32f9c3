"""``keep = 1``: the script deletes the backup before, whatever it has made."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.ctl.backups import kept as keeping
from tests.ctl.backups.kept import Kept
from tests.support.buildouts import MINIMAL
from tests.support.buildouts import Buildouts
from tests.support.buildouts import a_site

ONE = "[backup]\nrecipe = collective.recipe.backup\nkeep = 1\n"
KILLED = """\
#!/bin/sh
{script} "$@" || exit
rm -r {data}/$(ls {data} | grep fsz | head -1)
old=$(ls -d {blobs}/blobstorage.* | head -1)
find "$old" -name '*.blob' | head -1 | xargs rm
exit 1
"""
CUT = """\
#!/bin/sh
{script} "$@" || exit
for one in $(ls -t {data}/*fsz | head -1); do truncate -s -1 "$one"; done
"""


@pytest.fixture
def kept(buildouts: Buildouts) -> Iterator[Kept]:
    with a_site(buildouts) as site:
        site.built(f"{MINIMAL}{ONE}")
        found = keeping.of(site)
        keeping.begin(found)
        keeping.work(found, "first")
        yield found


def names(kept: Kept) -> set[str]:
    every = (*kept.data.rglob("*"), *kept.blobs.rglob("*"))
    return {str(one.relative_to(kept.var)) for one in every}


def test_the_one_before_is_there_while_the_newest_is_bad(kept: Kept) -> None:
    promised = keeping.back_up(kept)
    before, (date,) = names(kept), kept.dates
    script = kept.folder / "bin/backup"
    script.rename(kept.folder / "bin/real")
    script.write_text(CUT.format(script=kept.folder / "bin/real", data=kept.data))
    script.chmod(0o755)
    keeping.work(kept, "more")
    keeping.wait_for_a_second()
    said = kept.stack("backup", "--full")
    assert said.status == 1, said.text
    assert "the backup is not good" in said.text
    assert before <= names(kept)
    where = kept.folder / "restored"
    done = kept.stack("restore", "--to", str(where), "--yes", "--date", date)
    assert done.ok, done.text
    found = keeping.content(where / "filestorage/Data.fs", where / "blobstorage")
    assert found == promised

    (kept.folder / "bin/real").rename(script)
    keeping.back_up(kept, "--full")
    keeping.back_up(kept, "--full")
    assert date not in kept.dates


def test_it_is_whole_again_after_half_of_it_was_deleted(kept: Kept) -> None:
    promised = keeping.back_up(kept)
    before, (date,) = names(kept), kept.dates
    script = kept.folder / "bin/backup"
    script.rename(kept.folder / "bin/real")
    places = {"data": kept.data, "blobs": kept.blobs}
    modes = [one.stat().st_mode for one in places.values()]
    script.write_text(KILLED.format(script=kept.folder / "bin/real", **places))
    script.chmod(0o755)
    keeping.wait_for_a_second()
    assert kept.stack("backup").status == 1
    assert before <= names(kept)
    assert [one.stat().st_mode for one in places.values()] == modes
    where = kept.folder / "restored"
    done = kept.stack("restore", "--to", str(where), "--yes", "--date", date)
    assert done.ok, done.text
    found = keeping.content(where / "filestorage/Data.fs", where / "blobstorage")
    assert found == promised


def test_one_is_kept_while_all_is_well(kept: Kept) -> None:
    keeping.back_up(kept)
    before = names(kept)
    keeping.work(kept, "more")
    keeping.back_up(kept, "--full")
    assert len(kept.dates) == 1
    assert not {one for one in names(kept) & before if one.endswith("fsz")}
    assert not [one for one in names(kept) if ".last" in one]
