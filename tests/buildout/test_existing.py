"""Production buildouts that are there already, and the README's block for them.

Each is a style of its own, made up for this test. It works at the first run, or ends
with words that say what to write, and works when that is written.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path

import pytest

from tests.support.buildouts import Buildouts
from tests.support.buildouts import Site
from tests.support.buildouts import a_site

README = Path(__file__).parents[2] / "README.md"
SERVER = "[zeoserver]\nrecipe = plone.recipe.zeoserver\n"
CLIENT = (
    "recipe = plone.recipe.zope2instance\nuser = admin:choose-one\neggs =\n"
    "zeo-client = on\n"
)


@dataclass(frozen=True)
class Case:
    """A buildout, and what is to come of it with the block."""

    text: str
    visitors: str = ""
    workers: str = ""
    debug: str = ""
    said: tuple[str, ...] = ()
    refused: str = ""
    then: dict[str, str] = field(default_factory=dict)
    programs: str = ""


def parts(names: str, more: str = "") -> str:
    return f"[buildout]\nparts = {names}\neggs =\n{more}\n"


def client(name: str, port: int, more: str = "") -> str:
    return f"[{name}]\n{CLIENT}http-address = 127.0.0.1:{port}\n{more}\n"


def macro(name: str, port: int, more: str = "") -> str:
    return f"[{name}]\n<= client\nhttp-address = 127.0.0.1:{port}\n{more}\n"


TWO = client("instance1", 9081) + client("instance2", 9082)
BOTH = "instance1 instance2"
MACRO = f"[client]\n{CLIENT}\n"

CASES = {
    "two-clients": Case(parts(f"zeoserver {BOTH}") + SERVER + TWO, BOTH),
    "one-client": Case(
        parts("zeoserver instance") + SERVER + client("instance", 9080), "instance"
    ),
    "a-macro-with-a-debug-client": Case(
        parts("zeoserver instance1 instance2 instance-debug")
        + SERVER
        + MACRO
        + macro("instance1", 9081)
        + macro("instance2", 9082)
        + macro("instance-debug", 9089, "debug-mode = on"),
        BOTH,
        debug="instance-debug",
        said=("no visitors for instance-debug (its debug-mode is on)",),
    ),
    "a-table-of-ports": Case(
        parts("zeo client1 client2")
        + "[ports]\nzeo = 9100\none = 9101\ntwo = 9102\n"
        + "[zeo]\nrecipe = plone.recipe.zeoserver\n"
        + "zeo-address = 127.0.0.1:${ports:zeo}\n"
        + MACRO
        + "zeo-address = ${zeo:zeo-address}\n"
        + "[client1]\n<= client\nhttp-address = 127.0.0.1:${ports:one}\n"
        + "[client2]\n<= client\nhttp-address = 127.0.0.1:${ports:two}\n",
        "client1 client2",
        said=("[zeo] zeo-address = 127.0.0.1:9100: every user",),
    ),
    "a-reserve": Case(
        parts("zeoserver instance1 instance2 reserve")
        + SERVER
        + TWO
        + client("reserve", 9083),
        BOTH,
        said=("no visitors for reserve", f"clients = {BOTH}"),
    ),
    "a-worker-for-a-queue": Case(
        parts("zeoserver instance1 instance2 async-worker")
        + SERVER
        + TWO
        + client("async-worker", 9083),
        BOTH,
        said=("no visitors for async-worker", "programs = async-worker zope-worker"),
    ),
    "an-ftp-client": Case(
        parts("zeoserver instance1 ftp") + SERVER + TWO + client("ftp", 9083),
        "instance1",
        said=("no visitors for ftp",),
    ),
    "a-client-for-cron": Case(
        parts("zeoserver instance1 instance2 cron-client")
        + SERVER
        + TWO
        + client("cron-client", 9083),
        BOTH,
        said=("no visitors for cron-client",),
    ),
    "all-look-like-workers": Case(
        parts("zeoserver worker1 worker2")
        + SERVER
        + client("worker1", 9081)
        + client("worker2", 9082),
        "worker1 worker2",
    ),
    "a-supervisor-of-its-own": Case(
        parts(f"zeoserver {BOTH} supervisor")
        + SERVER
        + TWO
        + "[supervisor]\nrecipe = collective.recipe.supervisor\nprograms =\n"
        + "    10 zeoserver ${buildout:directory}/bin/zeoserver [fg] true\n"
        + "    20 instance1 ${buildout:directory}/bin/instance1 [console] true\n",
        BOTH,
        said=("[supervisor] programs: instance1, zeoserver would run under two",),
    ),
    "cron-jobs-of-its-own": Case(
        parts(f"zeoserver {BOTH} backup-cron pack-cron")
        + SERVER
        + TWO
        + "[backup-cron]\nrecipe = z3c.recipe.usercrontab\ntimes = 0 3 * * *\n"
        + "command = ${buildout:directory}/bin/backup -q\n"
        + "[pack-cron]\nrecipe = z3c.recipe.usercrontab\ntimes = 0 1 * * 7\n"
        + "command = ${buildout:directory}/bin/zeopack\n",
        BOTH,
        said=("[backup-cron] command", "[pack-cron] command"),
    ),
    "a-varnish-of-its-own": Case(
        parts(f"zeoserver {BOTH} varnish")
        + SERVER
        + TWO
        + "[varnish]\nrecipe = plone.recipe.varnish\nbackends = 127.0.0.1:9081\n",
        BOTH,
        said=("[varnish]",),
    ),
    "zeo-on-another-machine": Case(
        parts(BOTH)
        + MACRO
        + "zeo-address = 10.1.2.3:9100\n"
        + macro("instance1", 9081)
        + macro("instance2", 9082),
        BOTH,
    ),
    "a-machine-for-zeo": Case(
        parts("zeoserver") + SERVER + "zeo-address = 10.1.2.3:9100\n",
        refused="on a machine for the ZEO server alone: remove sites",
        then={"stack": "sites ="},
        # Its clients could not reach it on a private address.
        said=("asks for no password. Let a firewall take connections there",),
        programs="zeoserver",
    ),
    "relstorage": Case(
        parts("instance")
        + client("instance", 9080, "rel-storage =\n    type postgresql\n"),
        refused="RelStorage clients cannot be part of a stack yet",
    ),
    "a-zope-that-holds-its-database": Case(
        parts("instance")
        + "[instance]\nrecipe = plone.recipe.zope2instance\nuser = admin:choose-one\n"
        + "eggs =\nhttp-address = 127.0.0.1:9080\n",
        "instance",
        refused="Write: zeo-client = true; and add [zeoserver] to parts",
        then={"instance": "zeo-client = true", "zeoserver": SERVER.partition("\n")[2]},
    ),
    "a-port-alone-behind-a-colon": Case(
        parts("zeoserver instance") + SERVER + client("instance", 9080),
        "instance",
        refused="Write for example: http-address = 127.0.0.1:8080",
        then={"instance": "http-address = 127.0.0.1:9080"},
    ),
    "the-environment-says-where-zeo-is": Case(
        parts(BOTH)
        + MACRO
        + "zeo-address = $(ZEO_HOST):9100\n"
        + macro("instance1", 9081)
        + macro("instance2", 9082),
        BOTH,
        refused="$(ZEO_HOST) is not set where buildout runs",
        then={"client": "zeo-address = 10.1.2.3:9100"},
    ),
    "parts-by-reference": Case(
        parts("control")
        + SERVER
        + "zeo-address = 127.0.0.1:9100\n"
        + client("instance", 9080, "zeo-address = ${zeoserver:zeo-address}")
        + "[control]\nrecipe = collective.recipe.cmd\n"
        + "cmds = echo ${instance:http-address}\n",
        "instance",
    ),
    "parts-that-another-depends-on": Case(
        parts("control")
        + SERVER
        + "zeo-address = 127.0.0.1:9100\n"
        + client("instance", 9080, "zeo-address = 127.0.0.1:9100")
        + "[control]\nrecipe = collective.recipe.cmd\n"
        + "<part-dependencies> = zeoserver instance\n",
        "instance",
    ),
    "recipes-by-reference": Case(
        parts(f"zeoserver {BOTH}", "zeo-recipe = plone.recipe.zeoserver")
        + "[zeoserver]\nrecipe = ${buildout:zeo-recipe}\n"
        + client("instance1", 9081)
        + "[instance2]\nrecipe = ${instance1:recipe}\nuser = ${instance1:user}\n"
        + "eggs = ${instance1:eggs}\nzeo-client = ${instance1:zeo-client}\n"
        + "http-address = 127.0.0.1:9082\n",
        BOTH,
        programs="zeoserver",
    ),
    "a-second-database-of-one-server": Case(
        parts("zeoserver instance")
        + SERVER
        + "zeo-conf-additional =\n    <filestorage catalog>\n"
        + "      path ${buildout:directory}/var/filestorage/catalog.fs\n"
        + "    </filestorage>\n"
        + client(
            "instance",
            9080,
            "zope-conf-additional =\n    <zodb_db catalog>\n"
            "      mount-point /catalog\n      <zeoclient>\n"
            "        server 127.0.0.1:8100\n        storage catalog\n"
            "      </zeoclient>\n    </zodb_db>\n",
        ),
        "instance",
        said=(
            "[zeoserver] zeo-conf-additional: the database catalog is in no backup",
            "var/filestorage/catalog.fs, zeopack-script-name = zeopack-catalog",
            # It stays where the mount looks for it.
            "ZEO listens on 0.0.0.0:8100",
        ),
    ),
    "a-debug-client-in-one-word": Case(
        parts(f"zeoserver {BOTH} debuginstance")
        + SERVER
        + TWO
        + client("debuginstance", 9083),
        BOTH,
        debug="debuginstance",
        said=('no visitors for debuginstance ("debug" in its name)',),
    ),
    "a-second-database": Case(
        parts("zeoserver catalog instance")
        + SERVER
        + "zeo-address = 127.0.0.1:9100\n"
        + "[catalog]\nrecipe = plone.recipe.zeoserver\n"
        + "zeo-address = 127.0.0.1:9200\n"
        + "file-storage = ${buildout:directory}/var/filestorage/catalog.fs\n"
        + "blob-storage = ${buildout:directory}/var/blobstorage-catalog\n"
        + "zeopack-script-name = zeopack-catalog\n"
        + client("instance", 9080, "zeo-address = ${zeoserver:zeo-address}"),
        "instance",
        programs="zeoserver catalog",
        said=("added [backup-catalog]",),
    ),
    "two-databases-with-one-packer": Case(
        parts("zeoserver catalog instance")
        + SERVER
        + "zeo-address = 127.0.0.1:9100\n"
        + "[catalog]\nrecipe = plone.recipe.zeoserver\n"
        + "zeo-address = 127.0.0.1:9200\n"
        + "file-storage = ${buildout:directory}/var/filestorage/catalog.fs\n"
        + "blob-storage = ${buildout:directory}/var/blobstorage-catalog\n"
        + client("instance", 9080, "zeo-address = ${zeoserver:zeo-address}"),
        "instance",
        refused="Write: zeopack-script-name = zeopack-catalog",
        then={"catalog": "zeopack-script-name = zeopack-catalog"},
    ),
    "parts-by-plus-and-minus": Case(
        parts(f"zeoserver {BOTH} docs").replace("[buildout]", "[buildout]")
        + "[docs]\nrecipe = collective.recipe.template\n"
        + SERVER
        + TWO,
        BOTH,
    ),
    "ports-for-the-whole-world": Case(
        parts("zeoserver instance1")
        + SERVER
        + "zeo-address = 9100\n"
        + f"[instance1]\n{CLIENT}http-address = 9081\nzeo-address = 127.0.0.1:9100\n",
        "instance1",
        said=("[instance1] http-address", "[zeoserver] zeo-address"),
    ),
    "zope-conf-of-its-own": Case(
        parts(f"zeoserver {BOTH}")
        + SERVER
        + client("instance1", 9081, "zope-conf-additional =")
        + client(
            "instance2",
            9082,
            "zope-conf-additional =\n    <product-config theirs>\n        colour red\n"
            "    </product-config>\n",
        ),
        BOTH,
        said=("zope-conf-additional += trusted-proxy 127.0.0.1",),
    ),
    "a-zope-conf-that-is-a-file": Case(
        parts("zeoserver instance1")
        + SERVER
        + client("instance1", 9081, "zope-conf = ${buildout:directory}/etc/my.conf"),
        "instance1",
        said=(
            "[instance1] zope-conf: Zope takes every visitor",
            "Add to that file: trusted-proxy 127.0.0.1",
        ),
    ),
    "data-elsewhere": Case(
        parts("zeoserver instance1")
        + SERVER
        + "file-storage = ${buildout:directory}/data/Data.fs\n"
        + "blob-storage = ${buildout:directory}/data/blobs\n"
        + client(
            "instance1",
            9081,
            "blob-storage = ${buildout:directory}/data/blobs\nshared-blob = on",
        ),
        "instance1",
    ),
    "a-backup-of-its-own": Case(
        parts("zeoserver instance1 save")
        + SERVER
        + client("instance1", 9081)
        + "[save]\nrecipe = collective.recipe.backup\n"
        + "location = ${buildout:directory}/saved\nkeep = 4\n",
        "instance1",
    ),
    "eight-clients": Case(
        parts("zeoserver " + " ".join(f"c{number}" for number in range(8)))
        + SERVER
        + MACRO
        + "".join(macro(f"c{number}", 9080 + number) for number in range(8)),
        " ".join(f"c{number}" for number in range(8)),
    ),
    "ports-in-the-way": Case(
        parts("zeoserver instance1 instance2")
        + SERVER
        + client("instance1", 8001)
        + client("instance2", 8002),
        BOTH,
        refused="Write another port-base, or an own cache-address.",
        then={"stack": "port-base = 8100"},
    ),
    "a-stack-section-of-its-own": Case(
        parts(f"zeoserver {BOTH}", "extensions =\nnewest = false")
        + "[versions]\nPlone = 6.2.2\n"
        + SERVER
        + TWO,
        BOTH,
    ),
}


def block() -> str:
    """Return the README's block for a site that is there already."""
    pattern = r"(?ms)^```ini\n(\[buildout\]\nextensions \+= .*?)^```$"
    found = re.search(pattern, README.read_text("utf-8"))
    assert found
    return found[1]


@pytest.fixture
def site(buildouts: Buildouts) -> Iterator[Site]:
    with a_site(buildouts) as one:
        yield one


def test_there_are_enough() -> None:
    assert len(CASES) >= 25


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] if number % 3 else [])
        for number, name in enumerate(CASES)
    ],
)
def test_an_existing_buildout(name: str, site: Site) -> None:
    case = CASES[name]
    text = case.text
    if name == "a-port-alone-behind-a-colon":
        text = text.replace("127.0.0.1:9080", ":9080")
    site.write(text, "existing.cfg")
    ours = block().replace("[buildout]\n", "[buildout]\nextends = existing.cfg\n", 1)
    site.write(ours)
    if case.refused:
        error = site.refused()
        assert case.refused in error
        assert "Traceback" not in error
        if not case.then:
            return
        site.write(with_lines(ours, case.then))
    done = site.built()
    for words in case.said:
        assert words in done.output
    check(case, json.loads((site.etc / "stack.json").read_text("utf-8")))
    assert "nothing has changed." in site.built().output


def test_what_the_environment_says_reaches_the_clients(site: Site) -> None:
    """supervisord keeps next to nothing of it, and ZConfig wants it at each start."""
    site.environment["ZEO_HOST"] = "10.1.2.3"
    site.write(CASES["the-environment-says-where-zeo-is"].text, "existing.cfg")
    site.write(
        block().replace("[buildout]\n", "[buildout]\nextends = existing.cfg\n", 1)
    )
    site.built()
    conf = (site.etc / "supervisor/supervisord.conf").read_text("utf-8")
    assert conf.count(',ZEO_HOST="10.1.2.3"') == 2


def with_lines(text: str, lines: dict[str, str]) -> str:
    """Write further lines into sections, as the error has said."""
    for section, line in lines.items():
        if line.startswith("sites"):
            text = re.sub(r"(?m)^sites = .*\n", "", text)
        if f"[{section}]\n" in text:
            text = text.replace(f"[{section}]\n", f"[{section}]\n{line}\n", 1)
        else:
            text += f"\n[{section}]\n{line}\n"
    new = " ".join(one for one in lines if one == "zeoserver")
    return text.replace("parts += stack", f"parts += {new} stack") if new else text


def check(case: Case, stack: dict[str, object]) -> None:
    zope, announced = stack["zope"], stack["announced"]
    assert isinstance(zope, dict)
    assert isinstance(announced, dict)
    assert [one["name"] for one in zope["clients"]] == case.visitors.split()
    debug = zope["debug_client"]
    assert (debug["name"] if debug else "") == case.debug
    names = [one["name"] for one in announced["programs"]]
    assert {*case.programs.split(), *case.visitors.split()} <= {*names}
