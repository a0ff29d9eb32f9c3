"""The generated files as one tree."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collective.recipe.productionstack.machine.files import write_atomically
from collective.recipe.productionstack.tree import diff
from collective.recipe.productionstack.tree.trees import File
from collective.recipe.productionstack.tree.trees import Tree
from collective.recipe.productionstack.tree.trees import Trees
from collective.recipe.productionstack.tree.trees import digest_of

ONE = Tree((File("a.conf", "one\n"), File("sub/b.conf", "b\n")))
TWO = Tree((File("a.conf", "two\n"), File("sub/b.conf", "b\n")))
THREE = Tree((File("a.conf", "three\n"),))


@pytest.fixture
def trees(tmp_path: Path) -> Trees:
    return Trees(tmp_path / "etc/stack", tmp_path / "var/stack/applied")


def names(trees: Trees) -> set[str]:
    return {path.name for path in trees.kept.iterdir() if not path.is_symlink()}


def test_digest_is_over_everything() -> None:
    """A path, a mode or a letter that differs makes another digest."""
    base = (File("a", "x"), File("b", "y"))
    others = [
        (File("a", "x"),),
        (File("a", "x"), File("c", "y")),
        (File("a", "x"), File("b", "z")),
        (File("a", "x"), File("b", "y", 0o600)),
        (File("a", "xb"), File("", "y")),
    ]
    assert len({Tree(files).digest for files in (base, *others)}) == len(others) + 1
    assert Tree(base).digest == Tree(base[::-1]).digest


@given(st.dictionaries(st.sampled_from("abc"), st.text(max_size=5), min_size=1))
def test_digest_of_what_is_written(
    tmp_path_factory: pytest.TempPathFactory, texts: dict[str, str]
) -> None:
    """What lies on disk has the digest of the tree that was written."""
    texts = {name: text.replace("\r", "") for name, text in texts.items()}
    made = Tree(tuple(File(f"{name}/file", text) for name, text in texts.items()))
    folder = tmp_path_factory.mktemp("tree")
    made.write(folder, durable=False)
    assert digest_of(folder) == made.digest


def test_install(trees: Trees) -> None:
    """A tree is live, the one before is the previous, others are gone."""
    for made in (ONE, TWO, THREE):
        trees.install(made)
        assert trees.holds(made)
    assert names(trees) == {TWO.digest, THREE.digest}
    assert trees.previous() == trees.kept / TWO.digest
    assert str(trees.live.readlink()) == f".stack/{THREE.digest}"


def test_applied_tree_is_kept(trees: Trees) -> None:
    """What programs run from stays however often the configuration changes."""
    trees.install(ONE)
    trees.apply()
    for made in (TWO, THREE):
        trees.install(made)
    assert trees.applied() == trees.kept / ONE.digest
    assert names(trees) == {ONE.digest, TWO.digest, THREE.digest}


def test_way_back(trees: Trees) -> None:
    """Going back to the previous tree makes the current one the previous."""
    trees.install(ONE)
    trees.install(TWO)
    previous = trees.previous()
    assert previous is not None
    trees.switch_to(previous)
    assert trees.holds(ONE)
    assert trees.previous() == trees.kept / TWO.digest


def test_edited_by_hand(trees: Trees) -> None:
    """An edited file is seen, replaced, and kept in the previous tree."""
    trees.install(ONE)
    (trees.live / "a.conf").write_text("mine\n")
    assert not trees.holds(ONE)
    trees.install(ONE)
    assert trees.holds(ONE)
    previous = trees.previous()
    assert previous is not None
    assert (previous / "a.conf").read_text() == "mine\n"
    trees.install(TWO)
    assert trees.holds(TWO)


def test_added_file_is_an_edit(trees: Trees) -> None:
    """A file that somebody put into the tree is no part of it."""
    trees.install(ONE)
    (trees.live / "extra.conf").touch()
    assert not trees.holds(ONE)


@pytest.mark.parametrize("call", ["fsync", "chmod", "replace", "symlink"])
def test_failure_changes_nothing(
    trees: Trees, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """When the disk is full at any step the live tree is the old one, whole."""
    trees.install(ONE)

    def full(*_arguments: object, **_named: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, call, full)
        if call != "fsync":
            patch.setattr(Path, {"symlink": "symlink_to"}.get(call, call), full)
        with pytest.raises(OSError, match="No space left"):
            trees.install(TWO)
    assert trees.holds(ONE)
    assert not list(trees.kept.glob(".new-*"))
    trees.install(TWO)
    assert trees.holds(TWO)


def test_leftovers_of_a_killed_run_go(trees: Trees) -> None:
    """A half-written tree is deleted by the next run."""
    trees.install(ONE)
    (trees.kept / ".new-abc").mkdir()
    trees.install(TWO)
    assert not list(trees.kept.glob(".new-*"))


def test_diff_masks_secrets(trees: Trees) -> None:
    """A password is never shown, though its line is."""
    trees.install(Tree((File("a.ini", "password = old\nport = 1\n"),)))
    old = trees.current()
    trees.install(Tree((File("a.ini", "password = new\nport = 2\nAPI_TOKEN: x\n"),)))
    shown = "\n".join(diff.differences(old, trees.current()))
    assert "+port = 2" in shown
    assert "API_TOKEN: …" in shown
    for secret in ("old", "new", "TOKEN: x"):
        assert f"= {secret}" not in shown
        assert f": {secret}" not in shown


def test_diff_names_a_changed_secret(trees: Trees) -> None:
    """That a secret differs is said; what it is, is not."""
    trees.install(Tree((File("a.ini", "password = old\n"),)))
    old = trees.current()
    trees.install(Tree((File("a.ini", "password = new\n"),)))
    assert list(diff.differences(old, trees.current())) == [
        "--- applied/a.ini",
        "+++ generated/a.ini",
        "@@ only a masked value differs @@",
    ]
    assert diff.changed(old, trees.current()) == {"a.ini"}


def test_diff_of_new_and_gone_files(trees: Trees) -> None:
    """A file that is new or gone is compared with nothing."""
    trees.install(ONE)
    old = trees.current()
    trees.install(THREE)
    shown = list(diff.differences(old, trees.current()))
    assert "--- applied/sub/b.conf" in shown
    assert "+++ /dev/null" in shown
    assert diff.changed(old, trees.current()) == {"a.conf", "sub/b.conf"}


def test_remove(trees: Trees) -> None:
    """Nothing of ours stays in etc."""
    trees.install(ONE)
    trees.remove()
    assert not trees.live.parent.exists()
    trees.remove()


def test_write_atomically(tmp_path: Path) -> None:
    """A text that is there already is not written again."""
    path = tmp_path / "new/file"
    assert write_atomically(path, "text")
    assert not write_atomically(path, "text")
    assert write_atomically(path, "text", 0o600)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["file"]
