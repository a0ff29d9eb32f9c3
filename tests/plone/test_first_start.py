"""What a new user does: buildout, up, create the site, plone-caching."""

from __future__ import annotations

import json

import pytest

from collective.recipe.productionstack.ctl.plone import ask
from collective.recipe.productionstack.ctl.plone.inside import run
from tests.support.plonesite import HOST
from tests.support.plonesite import PASSWORD
from tests.support.plonesite import PloneSite
from tests.support.snapshot import changed
from tests.support.snapshot import snapshot

CACHING = "bin/stack plone-caching"


def test_up_on_an_empty_database_says_how_to_create_the_site(new: PloneSite) -> None:
    said = new.took["up"]
    assert f"{HOST}: there is no /Plone in the database yet" in said.errors
    assert "bin/stack create-site" in said.errors
    assert "up: 7 programs answer, 7 of them started now" in said.output


def test_sites_are_created_once(new: PloneSite) -> None:
    said = new.took["create"].output
    assert f"{HOST} (/Plone): created" in said
    assert "two.example.com (/Two): created" in said
    assert "next: bin/stack plone-caching" in said
    before = (new.folder / "var/filestorage/Data.fs").stat().st_size
    again = new.stack("create-site", "--title", "Another").good()
    assert f"{HOST} (/Plone): is there already" in again.output
    shown = json.loads(new.stack("create-site", "--json").good().output)
    assert shown == {"sites": {"/Plone": "there", "/Two": "there"}}
    assert (new.folder / "var/filestorage/Data.fs").stat().st_size == before


@pytest.mark.slow
def test_what_cannot_be_created_is_said_and_nothing_is(new: PloneSite) -> None:
    data = new.folder / "var/filestorage/Data.fs"
    new.configure(sites=f"{HOST} /Plone\n    new.example.com /New")
    new.buildout().good()
    before = data.stat().st_size
    for words, text in (
        (("--id", "/Elsewhere"), "Add HOST /Elsewhere to its sites"),
        (("--language", "xx"), "--language xx: Plone has no such language"),
        (("--distribution", "none"), "--distribution none: Plone has classic"),
    ):
        said = new.stack("create-site", *words)
        assert said.status == 1
        assert text in said.errors
        assert "Traceback" not in said.text
    new.configure(
        sites=f"{HOST} /Plone\n    a.example.com /acl_users\n    b.example.com /No/Site"
    )
    new.buildout().good()
    said = new.stack("create-site")
    assert said.status == 1
    assert "a.example.com (/acl_users): something is there" in said.errors
    assert "b.example.com (/No/Site): there is no folder /No" in said.errors
    assert data.stat().st_size == before
    new.settle()


def test_a_shell_completes_verbs_and_options(live: PloneSite) -> None:
    script = """
        source <(bin/stack completion bash)
        complete -p stack >/dev/null || exit 1
        ask() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
                _stack_completion bin/stack; echo "${COMPREPLY[*]}"; }
        ask bin/stack verify
        ask bin/stack status --js
    """
    said = live.run("bash", "-c", script).good()
    assert said.output.split() == ["verify-backup", "--json"]


def test_a_second_up_says_that_nothing_was_to_be_started(live: PloneSite) -> None:
    before = live.pids()
    said = live.stack("up").good()
    live.took["second up"] = said
    assert "nothing was to be started" in said.output
    assert not said.errors
    assert live.pids() == before


def test_without_caching_up_says_that_no_page_is_cached(new: PloneSite) -> None:
    assert CACHING in new.took["up without caching"].errors


def test_caching_needs_a_site(new: PloneSite) -> None:
    said = new.took["caching too early"]
    assert said.status == 1
    assert f"{HOST}: there is no /Plone in the database yet" in said.errors
    assert "Traceback" not in said.text


def test_caching_tells_what_it_sets(new: PloneSite) -> None:
    said = new.took["caching"].output
    assert f"{HOST} (/Plone): set" in said
    assert "profile plone.app.caching:with-caching-proxy" in said
    assert f'cachingProxies = ["http://127.0.0.1:{new.base + 3}"]' in said
    assert "virtualHosting = true" in said
    assert "moderateCaching.plone.content.itemView.smaxage" in said


@pytest.mark.slow
def test_caching_done_again_changes_nothing(live: PloneSite) -> None:
    data = live.folder / "var/filestorage/Data.fs"
    before = data.stat().st_size
    said = live.stack("plone-caching").good()
    live.took["second caching"] = said
    assert f"{HOST} (/Plone): nothing to change" in said.output
    assert data.stat().st_size == before


@pytest.mark.slow
def test_caching_keeps_what_was_tuned(live: PloneSite) -> None:
    name = "plone.app.caching.moderateCaching.plone.content.itemView.smaxage"
    try:
        assert live.api("PATCH", "/@registry", {name: 77}).status == 204
        said = live.stack("plone-caching").good()
        assert "nothing to change" in said.output
        assert live.api("GET", f"/@registry/{name}").text.strip() == "77"
    finally:
        live.api("PATCH", "/@registry", {name: 120})


def test_caching_is_for_plone_sites_alone(live: PloneSite) -> None:
    # What is only acquired is not there: /Plone/Plone would be the site once more.
    wanted = {
        "/acl_users": "no site",
        "/Plone/portal_catalog": "no site",
        "/Plone/Plone": "missing",
        "/nothing/there": "missing",
    }
    said = live.run(
        "bin/instance",
        "run",
        run.__file__,
        text=json.dumps(
            {
                "folder": str(ask.INSIDE),
                "module": "caching",
                "paths": list(wanted),
                "timeout": 60,
            }
        ),
    ).good()
    line = next(one for one in said.output.splitlines() if one.startswith(run.RESULT))
    done = json.loads(line.removeprefix(run.RESULT))["sites"]
    assert {path: one["trouble"] for path, one in done.items()} == wanted


def test_no_secret_is_printed(plone: PloneSite) -> None:
    assert all(PASSWORD not in said.text for said in plone.took.values())


def test_status(live: PloneSite) -> None:
    said = live.stack("status")
    live.took["status"] = said
    assert said.status == 0, said.text
    assert said.text.count("  running  ") == 7
    shown = live.status()
    assert shown["ok"]
    assert shown["configuration"]["applied"] == shown["configuration"]["current"]
    states = {one["name"]: one["state"] for one in shown["programs"]}
    assert states["instance"] == "STOPPED"


@pytest.mark.alone
def test_status_takes_less_than_a_second(live: PloneSite) -> None:
    fastest = min(live.stack("status", "--json").seconds for _ in range(3))
    assert fastest < 1


def test_another_buildout_run_changes_nothing(live: PloneSite) -> None:
    # Plone's first start compiles translations into the environment, for which
    # buildout makes all parts again: once.
    live.buildout().good()
    before = snapshot(live.folder)
    said = live.buildout().good()
    live.took["second buildout"] = said
    assert "stack: nothing has changed" in said.text
    assert changed(before, snapshot(live.folder)) <= {".installed.cfg"}
