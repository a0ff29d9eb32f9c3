"""What a buildout run does to what is there: once, again, changed, cut short."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import stat
import time
from pathlib import Path

import pytest

from tests.support.buildouts import MINIMAL
from tests.support.buildouts import Buildouts
from tests.support.buildouts import Site
from tests.support.buildouts import Snapshot
from tests.support.buildouts import a_site


def ours(snapshot: Snapshot) -> Snapshot:
    """Return what of a snapshot is this package's."""
    return {
        path: entry
        for path, entry in snapshot.items()
        if path.startswith(("etc", "var/stack", "bin/stack"))
    }


def trees(site: Site) -> list[str]:
    """Return the names of the kept trees."""
    kept = site.folder / "etc/.stack"
    return sorted(path.name for path in kept.iterdir() if not path.is_symlink())


def test_second_run_touches_nothing(site: Site) -> None:
    """A run that changes nothing says so, writes nothing and asks no daemon."""
    asked = site.root / "asked"
    site.environment["DAEMON_LOG"] = str(asked)
    first = site.built(MINIMAL)
    assert "stack: wrote 21 files to " + str(site.etc) in first.ours
    assert "nginx -t" in asked.read_text()
    asked.unlink()
    before = ours(site.snapshot())
    second = site.built()
    assert second.ours[-1] == "stack: nothing has changed."
    assert ours(site.snapshot()) == before
    assert not asked.exists()


def test_upgraded_daemon_is_asked_again(site: Site) -> None:
    """What one version accepted another one must accept again."""
    asked = site.root / "asked"
    daemons = site.root / "daemons"
    shutil.copytree(site.environment["PATH"].split(":")[0], daemons)
    site.environment |= {"DAEMON_LOG": str(asked), "PATH": f"{daemons}:/usr/bin:/bin"}
    site.built(MINIMAL)
    asked.unlink()
    with (daemons / "haproxy").open("a") as script:
        script.write("# another build\n")
    site.built()
    assert "haproxy -c" in asked.read_text()


def test_changed_option_changes_its_files_only(site: Site) -> None:
    """Only files that follow from an option differ, and the tree before is kept."""
    site.built(MINIMAL)
    before = site.tree()
    first = site.etc.resolve()
    done = site.built(MINIMAL + "stats-address = 127.0.0.1:8055\n")
    after = site.tree()
    wrote = [line for line in done.ours if line.startswith("stack: wrote")]
    different = sorted(path for path in after if after[path] != before[path])
    assert different == ["haproxy/haproxy.cfg", "stack.json"]
    assert wrote == [f"stack: wrote {site.etc}/{path}" for path in different]
    assert (site.folder / "etc/.stack/previous").resolve() == first
    assert trees(site) == sorted([first.name, site.etc.resolve().name])


def test_old_trees_go(site: Site) -> None:
    """The current and the previous tree are kept, no other."""
    for port in (8051, 8052, 8053):
        site.built(f"{MINIMAL}stats-address = {port}\n")
    assert len(trees(site)) == 2


def test_applied_tree_stays(site: Site) -> None:
    """A tree that programs run from is never deleted."""
    site.built(MINIMAL)
    applied = site.etc.resolve()
    link = site.folder / "var/stack/applied"
    link.symlink_to(os.path.relpath(applied, link.parent))
    for port in (8051, 8052, 8053):
        said = site.built(f"{MINIMAL}stats-address = {port}\n").ours
    assert applied.is_dir()
    assert said[-1] == "stack: now see bin/stack diff, then run bin/stack reload"


def test_edit_by_hand_is_kept(site: Site) -> None:
    """A generated file that somebody edited comes back; the edit is in ``previous``."""
    site.built(MINIMAL)
    tree = site.tree()
    (site.etc / "haproxy/haproxy.cfg").write_text("# mine\n")
    done = site.built()
    assert f"stack: wrote {site.etc}/haproxy/haproxy.cfg" in done.ours
    assert site.tree() == tree
    previous = site.folder / "etc/.stack/previous"
    assert (previous / "haproxy/haproxy.cfg").read_text() == "# mine\n"
    assert site.built().ours[-1] == "stack: nothing has changed."


def test_way_back_writes_nothing(site: Site) -> None:
    """An option that is taken back brings the previous tree back as it was."""
    site.built(MINIMAL)
    first = site.etc.resolve()
    before = first.stat().st_mtime_ns
    site.built(MINIMAL + "stats-address = 8055\n")
    site.built(MINIMAL)
    assert site.etc.resolve() == first
    assert first.stat().st_mtime_ns == before


def test_order_of_parts_does_not_matter(site: Site) -> None:
    """The same parts in another order make the same bytes."""
    site.built(MINIMAL)
    tree = site.tree()
    sections = re.split(r"(?m)^(?=\[)", MINIMAL)
    turned = "".join([sections[1], *reversed(sections[2:])])
    turned = turned.replace("zeoserver instance stack", "stack instance zeoserver")
    done = site.built(turned)
    assert site.tree() == tree
    assert done.ours[-1] == "stack: nothing has changed."


def test_removed_part(site: Site) -> None:
    """A dropped part's files go, its state stays, and the fallback is named."""
    site.built(MINIMAL)
    (site.folder / "var/log/stack.log").touch()
    done = site.built(MINIMAL.replace("zeoserver instance stack", "zeoserver instance"))
    assert not (site.folder / "etc").exists()
    assert not (site.folder / "bin/stack").exists()
    assert (site.folder / "var/stack/checked.json").exists()
    assert (site.folder / "var/log/stack.log").exists()
    said = "\n".join(done.ours)
    assert f"{site.folder}/var/stack and the logs in {site.folder}/var/log stay" in said
    assert (
        "[zeoserver] zeo-address is not set: without the stack it is port 8100" in said
    )


def test_removed_part_keeps_other_folders_of_etc(site: Site) -> None:
    """Whatever else lies in etc belongs to the user."""
    site.built(MINIMAL)
    (site.folder / "etc/mine").mkdir()
    site.built(MINIMAL.replace("zeoserver instance stack", "zeoserver instance"))
    assert [path.name for path in (site.folder / "etc").iterdir()] == ["mine"]


@pytest.mark.parametrize(
    "extensions",
    [
        "collective.recipe.productionstack collective.recipe.productionstack",
        "collective.recipe.productionstack[ctl]",
        "Collective_recipe.productionstack",
    ],
)
def test_extension_at_work_once(site: Site, extensions: str) -> None:
    """However the extension is listed, and loaded twice, it works once."""
    line = "extensions = collective.recipe.productionstack\n"
    done = site.built(MINIMAL.replace(line, f"extensions = {extensions}\n"))
    assert sum(line.startswith("made ") for line in done.ours) == 1
    assert sum(line.startswith("added [backup]") for line in done.ours) == 1


def test_extension_not_listed_does_nothing(site: Site) -> None:
    """An installed extension that nobody listed leaves everything alone."""
    error = site.refused(
        MINIMAL.replace("extensions = collective.recipe.productionstack\n", "")
    )
    assert error.startswith("[stack] clients = 2: a number of clients is made by the")


def test_user_values_win(site: Site) -> None:
    """Nothing that the user wrote, directly or through a macro, is replaced."""
    done = site.built(
        MINIMAL.replace(
            "[instance]\n",
            "[mine]\nthreads = 5\nevent-log-args = (r'${buildout:directory}/e.log',)\n"
            "[instance]\n<= mine\nhttp-fast-listen = on\nshared-blob = off\n",
        ).replace("[zeoserver]\n", "[zeoserver]\nzeo-log-level = info\n")
    )
    said = "\n".join(done.ours)
    for option in ("threads", "http-fast-listen", "zeo-log-level", "shared-blob"):
        assert f"]: {option} =" not in said
    assert "]: event-log-handler =" not in said
    stack = json.loads((site.etc / "stack.json").read_text())
    assert {client["threads"] for client in stack["zope"]["clients"]} == {5}


def test_references_between_parts(site: Site) -> None:
    """Values that refer to other parts count, and make no part before its time."""
    text = MINIMAL.replace(
        "[instance]\n",
        "[ports]\nzope = 127.0.0.1:9080\n[instance]\n"
        "zeo-address = ${zeoserver:zeo-address}\nx-me = ${:_buildout_section_name_}\n",
    ).replace("http-address = 127.0.0.1:8080", "http-address = ${ports:zope}")
    text = text.replace("sites = www", "x-host = www").replace(" /Plone", "")
    text += "sites = ${:x-host} /Plone\n"
    text = text.replace("[zeoserver]\n", "[zeoserver]\nzeo-address = 127.0.0.1:9100\n")
    done = site.built(text)
    assert done.ours[0].startswith("made [instance1] [instance2]")
    stack = json.loads((site.etc / "stack.json").read_text())
    assert [c["addresses"][0]["port"] for c in stack["zope"]["clients"]] == [9081, 9082]
    assert stack["sites"][0]["host"] == "www.example.com"


def test_everything_is_private(built: Site) -> None:
    """Others can read no generated file, and state is the user's alone."""
    for path in built.etc.resolve().rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o007 == 0, path
    assert stat.S_IMODE((built.folder / "var/stack").stat().st_mode) == 0o700


def test_an_open_configuration_with_a_password_is_said(site: Site) -> None:
    """Only where everybody can reach it, and with the command that ends it."""
    site.root.chmod(0o711)
    site.folder.chmod(0o755)
    site.write(MINIMAL)
    (site.folder / "buildout.cfg").chmod(0o644)
    reachable = all(one.stat().st_mode & 0o001 for one in site.folder.parents)
    said = "every user of this machine can read buildout.cfg"
    assert (said in site.built().output) == reachable
    (site.folder / "buildout.cfg").chmod(0o640)
    assert said not in site.built().output


def test_a_maintenance_page_that_is_no_text_is_refused(site: Site) -> None:
    """An archive or a picture would be shown as garbage."""
    page = site.root / "page.html"
    page.write_bytes(b"PK\x03\x04\x00\x00")
    said = site.refused(f"{MINIMAL}maintenance-page = {page}\n")
    assert "[stack] maintenance-page" in said
    assert "it is no text" in said


# Sockets


def test_deep_folder_moves_sockets(buildouts: Buildouts) -> None:
    """Where socket paths would be too long they are in a private short folder.

    Not in the runtime folder of a login: that goes with it (nobody lingers here).
    """
    with a_site(buildouts, "very-deep-folder/" * 6 + "site") as site:
        site.environment["TMPDIR"] = str(site.root)
        site.environment["XDG_RUNTIME_DIR"] = str(site.root / "run")
        (site.root / "run").mkdir(0o700)
        site.built(MINIMAL)
        stack = json.loads((site.etc / "stack.json").read_text())
        sockets = Path(stack["folders"]["sockets"])
        assert re.fullmatch(rf"stack-{os.getuid()}-[0-9a-f]{{10}}", sockets.name)
        assert sockets.parent == site.root
        assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
        assert (
            f"{sockets}/zeoserver.sock"
            in (site.etc / "haproxy/haproxy.cfg").read_text()
        )
        assert len(f"{sockets}/supervisor.sock".encode()) <= 97


def test_a_squatted_socket_folder_is_one_clear_error(buildouts: Buildouts) -> None:
    """Somebody else's file or link there is named, with what to do, and not used."""
    with a_site(buildouts, "very-deep-folder/" * 6 + "site") as site:
        site.environment["TMPDIR"] = str(site.root)
        site.built(MINIMAL)
        stack = json.loads((site.etc / "stack.json").read_text())
        sockets = Path(stack["folders"]["sockets"])
        elsewhere = site.root / "elsewhere"
        elsewhere.mkdir()
        elsewhere.chmod(0o755)
        for is_link in (False, True):
            sockets.rmdir()
            sockets.symlink_to(elsewhere) if is_link else sockets.touch()
            done = site.run()
            assert done.status == 1
            assert f"{sockets} must be a folder of this user" in done.output
            assert "Errno" not in done.output
            assert "TMPDIR" in done.output
            sockets.unlink()
            sockets.mkdir()
        assert stat.S_IMODE(elsewhere.stat().st_mode) == 0o755


def test_a_killed_run_leaves_nothing_for_long(site: Site) -> None:
    """Its scratch folder goes with the next run; that of a live one never does."""
    site.environment["TMPDIR"] = str(site.root)
    fake(site, "nginx", '[ "$1" != -t ] || kill -9 $PPID; echo nginx/1.22.1 >&2')
    assert site.run(MINIMAL).status != 0
    left = list(site.root.glob("stack-check-*"))
    assert left
    live = site.root / "stack-check-of-another"
    live.mkdir()
    for one in (*left, live):
        os.utime(one, (1, 1))
    (site.root / "daemons-of-this-test/nginx").unlink()
    handle = os.open(live, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        site.built()
    finally:
        os.close(handle)
    assert list(site.root.glob("stack-check-*")) == [live]


# Daemons


def fake(site: Site, name: str, script: str) -> None:
    """Put a daemon of a test's own before the others."""
    folder = site.root / "daemons-of-this-test"
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)
    if not site.environment["PATH"].startswith(str(folder)):
        site.environment["PATH"] = f"{folder}:{site.environment['PATH']}"


def test_too_old_daemon(site: Site) -> None:
    """A daemon that is too old is an error, whatever check says."""
    fake(site, "nginx", "echo nginx version: nginx/1.14.2 >&2")
    error = site.refused(MINIMAL)
    assert error == (
        "[stack] check = auto: @ABOVE@/daemons-of-this-test/nginx is version"
        " 1.14.2, at least 1.18 is needed. Install a newer one."
    )


def test_daemon_refuses(site: Site) -> None:
    """The daemon's own words come through, with the option behind the line."""
    fake(
        site,
        "haproxy",
        '[ "$1" = -v ] && echo HAProxy version 2.6.12 && exit\n'
        'for file; do :; done; n=$(grep -n "stats-address" "$file" | cut -d: -f1)\n'
        'echo "[ALERT] config : parsing [$file:$n] : unknown keyword" >&2; exit 1',
    )
    error = site.refused(MINIMAL)
    first, second, third = error.splitlines()
    assert first == "[stack] check = auto: haproxy refuses the configuration:"
    assert re.fullmatch(
        r"\[ALERT\] .*\[haproxy/haproxy\.cfg:\d+\] : unknown keyword", second
    )
    assert third.startswith("That line comes from [stack] stats-address. Mend")


def test_no_check_asks_nobody(site: Site) -> None:
    """``check = off`` is off."""
    asked = site.root / "asked"
    fake(site, "nginx", f"echo nginx $* >>{asked}; echo nginx/1.22.1 >&2; exit 1")
    site.built(MINIMAL + "check = off\n")
    assert asked.read_text() == "nginx -v\n"


@pytest.mark.parametrize("mode", ["auto", "on"])
def test_missing_daemon(site: Site, mode: str) -> None:
    """A missing daemon is a warning under ``auto``, an error under ``on``."""
    folder = site.root / "few"
    shutil.copytree(site.environment["PATH"].split(":")[0], folder)
    (folder / "nginx").unlink()
    site.environment["PATH"] = f"{folder}:/usr/bin:/bin"
    text = f"{MINIMAL}check = {mode}\n"
    if mode == "auto":
        said = "\n".join(site.built(text).ours)
        assert "[stack] not checked: nginx is not installed; on Debian:" in said
    else:
        error = site.refused(text)
        assert error.startswith("[stack] check = on: nginx is not installed;")
        assert error.endswith("Install it, or write: check = auto")


# What stands in the way


def test_folder_of_the_user_in_our_place(site: Site) -> None:
    """A real folder where the link is to stand is never replaced."""
    (site.folder / "etc/stack").mkdir(parents=True)
    (site.folder / "etc/stack/mine.txt").write_text("mine")
    error = site.refused(MINIMAL)
    assert error == (
        "[stack] @DIR@/etc/stack is there already and not ours."
        " Move it away, or give the part another name."
    )


def test_file_where_a_folder_is_needed(site: Site) -> None:
    """A file in the way is named, without a traceback."""
    site.write("", "etc")
    done = site.run(MINIMAL)
    assert done.status == 1
    assert "Traceback" not in done.output
    assert "[stack] cannot be written:" in done.output


def test_other_part_fails(site: Site) -> None:
    """What is live stays live when another part of the run fails."""
    site.built(MINIMAL)
    before = ours(site.snapshot())
    text = MINIMAL.replace("instance stack\n", "instance broken stack\n")
    text += "port-base = 9000\n\n[broken]\nrecipe = zc.recipe.egg\neggs = no-such-egg\n"
    done = site.run(text)
    assert done.status == 1
    assert "no-such-egg" in done.output
    assert ours(site.snapshot()) == before
    site.built(MINIMAL)
    assert ours(site.snapshot()) == before


# Two at once, and cut short


def test_second_run_is_refused_at_once(site: Site) -> None:
    """While one run holds the folder another one ends with one clear line."""
    site.built(MINIMAL)
    fake(site, "nginx", "echo nginx/1.22.1; case $* in *-t*) sleep 3;; esac")
    first = site.start()
    time.sleep(1)
    begin = time.monotonic()
    second = site.start().wait()
    took = time.monotonic() - begin
    assert second.status == 1
    assert second.error.startswith(f"Another buildout runs in {site.folder} at this")
    assert took < 2
    assert first.wait().status == 0


def test_killed_at_any_moment(site: Site) -> None:
    """Whenever a run is killed, the live tree is whole, and the next run heals."""
    fake(site, "nginx", "echo nginx/1.22.1")
    good = {port: whole(site, port) for port in (8051, 8052)}
    begin = time.monotonic()
    site.built(config(8051))
    length = time.monotonic() - begin
    killed = 0
    for step in range(8):
        started = site.start("-c", str(site.write(config(8052), "other.cfg")))
        time.sleep(length * (step + 1) / 9)
        with_kill = Path(f"/proc/{started.pid}").exists()
        if with_kill:
            started.kill()
        killed += started.wait().status < 0
        assert site.tree() in good.values()
        kept = site.folder / "etc/.stack"
        assert site.etc.resolve().parent == kept.resolve()
        site.built(config(8051))
        assert site.tree() == good[8051]
        assert not list(kept.glob(".new-*"))
    assert killed >= 2


def config(port: int) -> str:
    return f"{MINIMAL}stats-address = {port}\n"


def whole(site: Site, port: int) -> dict[str, str]:
    """Return the tree that a run makes that nobody disturbs."""
    site.built(config(port))
    return site.tree()
