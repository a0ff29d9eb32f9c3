"""Parts that do what the stack does: each is named once, with what to delete."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from zc.buildout.testing import Buildout

from collective.recipe.productionstack.buildout import rivals
from tests.support import samples

STACK = samples.STACK
CLIENT = STACK.zope.clients[0].name
FOLDER = STACK.folders.buildout
ZEO = STACK.data.storage.name if STACK.data.storage else ""


@pytest.fixture
def buildout(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    return Buildout()


def said(buildout: Any, **values: str) -> list[str]:
    buildout._raw["other"] = values
    buildout["buildout"]["parts"] = "other"
    return list(rivals.found(buildout, STACK))


def test_another_supervisor_of_the_same_programs(buildout: Any) -> None:
    programs = f"""
        10 {ZEO} ${{buildout:directory}}/bin/{ZEO} [fg] true plone
        20 {CLIENT} ${{buildout:directory}}/bin/{CLIENT} [console] true plone
        30 solr /opt/solr/bin/solr [start -f] true plone
        40 nginx /usr/sbin/nginx true
    """
    recipe = "collective.recipe.supervisor"
    (line,) = said(buildout, recipe=recipe, programs=programs)
    assert line.startswith(f"[other] programs: {CLIENT}, {ZEO} would run under two")
    # Its Solr would be gone with it; its nginx is what the stack has one of.
    where = f"write solr in [{STACK.name}] programs, drop [other] from [buildout] parts"
    assert where in line
    by_parts = f"""
        10 zeo ${{{ZEO}:location}}/bin/runzeo true plone
        20 one ${{buildout:directory}}/parts/{CLIENT}/bin/interpreter true plone
    """
    (line,) = said(buildout, recipe=recipe, programs=by_parts)
    assert line.startswith(f"[other] programs: {CLIENT}, {ZEO} would run under two")
    alone = "30 solr /opt/solr/bin/solr [start -f] true plone"
    assert said(buildout, recipe=recipe, programs=alone) == []


@pytest.mark.parametrize(
    ("command", "times", "text"),
    [
        ("${buildout:directory}/bin/backup -q", "0 3 * * *", "bin/backup runs past"),
        ("cd /srv && bin/zeopack", "0 1 * * 7", "bin/zeopack runs past"),
        ("/srv/bin/snapshotbackup", "0 4 * * 7", "bin/snapshotbackup runs past"),
        ("/srv/bin/supervisord", "@reboot", "supervisord would be started twice"),
        (f"/srv/bin/{CLIENT} start", "@reboot", f"{CLIENT} would be started twice"),
        ("/srv/bin/backup-the-mails", "0 3 * * *", ""),
        (f"/srv/bin/{CLIENT} run clean.py", "0 3 * * *", ""),
        (f"logrotate {FOLDER}/etc/rotate.conf", "0 4 * * *", "its logrotate and that"),
        ("/usr/sbin/logrotate /srv/other/rotate.conf", "0 4 * * *", ""),
    ],
)
def test_cron_jobs_of_the_same_work(
    buildout: Any, command: str, times: str, text: str
) -> None:
    lines = said(
        buildout, recipe="z3c.recipe.usercrontab", times=times, command=command
    )
    assert len(lines) == bool(text)
    assert all(line.startswith("[other] command: ") for line in lines)
    assert all(text in line for line in lines)


def test_another_daemon_in_the_same_role(buildout: Any) -> None:
    (line,) = said(buildout, recipe="plone.recipe.varnish:instance")
    assert "another Varnish" in line
    assert "proxy-cache = none" in line
    without = dataclasses.replace(
        STACK, chain=dataclasses.replace(STACK.chain, proxy_cache="none")
    )
    assert list(rivals.found(buildout, without)) == []
