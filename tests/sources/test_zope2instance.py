"""What we say of ``plone.recipe.zope2instance`` parts is what that recipe writes."""

from __future__ import annotations

import ast
import configparser
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from collective.recipe.productionstack.model.address import Address
from collective.recipe.productionstack.model.clients import Client
from collective.recipe.productionstack.sources import zope2instance
from collective.recipe.productionstack.sources.reading import Places
from collective.recipe.productionstack.sources.reading import UnreadableError
from collective.recipe.productionstack.sources.reading import listener
from tests.support.buildouts import Buildouts
from tests.support.buildouts import Site
from tests.support.buildouts import a_site

WATCHED = "logging.handlers.WatchedFileHandler"
CASES = {
    "defaults": {},
    "bare-port": {"http-address": "8081"},
    "loopback": {"http-address": "127.0.0.1:8082", "http-fast-listen": "off"},
    "fast-true": {"http-fast-listen": "true"},
    "fast-empty": {"http-fast-listen": ""},
    "host-name": {"http-address": "localhost:8083"},
    "ipv6": {"http-address": "[::1]:8084", "http-fast-listen": "off"},
    "several": {"http-address": "127.0.0.1:8085 8086"},
    "threads": {"threads": "7"},
    "zserver-threads": {"zserver-threads": "9"},
    "body": {"max-request-body-size": "52428800"},
    "var": {"var": "@DIR@/elsewhere"},
    "script": {"control-script": "zope-one"},
    "zeo-port": {"zeo-address": "8100"},
    "zeo-host": {"zeo-address": "127.0.0.1:8101"},
    "zeo-two": {"zeo-address": "127.0.0.1:8101 127.0.0.1:8102"},
    "zeo-socket": {"zeo-address": "@DIR@/var/zeo.sock"},
    "watched": {"event-log-handler": WATCHED, "access-log-handler": WATCHED},
    "log-names": {"event-log": "@DIR@/var/log/e.log", "access-log": "var/log/a.log"},
    "z2-log": {"z2-log": "@DIR@/var/log/z2.log"},
    "no-logs": {"event-log": "disable", "access-log": "disable"},
    "log-args": {"event-log-args": "(r'{0}.x', 'a')"},
    "log-other-file": {
        "access-log-handler": WATCHED,
        "access-log-args": "(r'@DIR@/var/log/mine.log',)",
    },
    "log-kwargs": {"event-log-handler": WATCHED, "event-log-kwargs": "{'delay': True}"},
    "rotating": {
        "event-log-handler": "logging.handlers.RotatingFileHandler",
        "event-log-args": "(r'{0}', 'a', 1000, 3)",
    },
    "stream": {"event-log-handler": "StreamHandler", "event-log-args": "(sys.stdout,)"},
}


@pytest.fixture(scope="module")
def site(buildouts: Buildouts) -> Iterator[Site]:
    """Build every case in one run."""
    with a_site(buildouts) as one:
        one.built(config(one))
        yield one


def config(site: Site) -> str:
    """Return a buildout with a part for every case."""
    lines = ["[buildout]", f"parts = {' '.join(CASES)}", "[base]"]
    lines += ["recipe = plone.recipe.zope2instance", "user = a:b", "eggs =", ""]
    for name, options in CASES.items():
        lines += [f"[{name}]", "<= base", "zeo-client = true"]
        lines += [f"{key} = {value}" for key, value in options.items()]
    return "\n".join(lines).replace("@DIR@", str(site.folder)) + "\n"


def read(site: Site, name: str) -> Client:
    """Return what we say of a case."""
    folder = str(site.folder)
    places = Places(directory=folder, bin=f"{folder}/bin", parts=f"{folder}/parts")
    options = {key: v.replace("@DIR@", folder) for key, v in CASES[name].items()}
    return zope2instance.read(name, options, places)


def wsgi(site: Site, name: str) -> configparser.RawConfigParser:
    """Return what the recipe wrote for a case."""
    parser = configparser.RawConfigParser()
    path = site.folder / "parts" / name / "etc/wsgi.ini"
    parser.read_string(path.read_text("utf-8"))
    return parser


@pytest.mark.parametrize("name", CASES)
def test_server(site: Site, name: str) -> None:
    """Addresses, threads, body size and the early opening of the port are right."""
    client, found = read(site, name), wsgi(site, name)["server:main"]
    written = found.get("listen", found.get("fast-listen", "")).split()
    assert client.addresses == tuple(listener(one, "-") for one in written)
    assert client.threads == int(found["threads"])
    assert client.max_body == int(found["max_request_body_size"])
    assert client.fast_listen == ("fast-listen" in found)


@pytest.mark.parametrize("name", CASES)
def test_zeo_addresses(site: Site, name: str) -> None:
    """The ZEO servers that a client asks are right."""
    conf = (site.folder / "parts" / name / "etc/zope.conf").read_text("utf-8")
    written = re.findall(r"(?m)^ +server (.+)$", conf)
    assert read(site, name).zeo_addresses == tuple(
        listener(one, "127.0.0.1") for one in written
    )


@pytest.mark.parametrize("name", CASES)
def test_files(site: Site, name: str) -> None:
    """The control script and every file that a restart picks up are there."""
    client = read(site, name)
    assert Path(client.script).is_file()
    for path in client.files:
        assert Path(path).is_file(), path


@pytest.mark.parametrize("name", CASES)
def test_logs(site: Site, name: str) -> None:
    """Every file that a handler writes is rotated as that handler can bear it."""
    found = wsgi(site, name)
    written = {}
    for handler in ("handler_eventlog", "handler_accesslog"):
        kind, arguments = found[handler]["class"], found[handler]["args"]
        if kind.endswith("FileHandler") and "Rotating" not in kind:
            path = Path(site.folder, ast.literal_eval(arguments)[0])
            written[str(path)] = "rename" if "Watched" in kind else "truncate"
    written.pop(f"{site.folder}/disable", None)
    assert {log.path: log.how for log in read(site, name).logs} == written


@pytest.mark.parametrize(
    ("options", "option", "message"),
    [
        ({"http-address": ""}, "http-address", "no address"),
        ({"http-address": "127.0.0.1:x"}, "http-address", "not an address with a port"),
        ({"http-address": "0"}, "http-address", "not an address with a port"),
        ({"http-address": "/run/zope.sock"}, "http-address", "cannot listen on a Unix"),
        ({"zeo-address": "localhost"}, "zeo-address", "not an address with a port"),
        ({"zeo-address": "/my site/zeo"}, "zeo-address", "white space separates"),
        ({"threads": "many"}, "threads", "not a whole number"),
        ({"max-request-body-size": "1GB"}, "max-request-body-size", "not a whole"),
    ],
)
def test_what_the_process_would_refuse(
    options: dict[str, str], option: str, message: str
) -> None:
    """A value that the recipe takes and Zope would not names its option."""
    places = Places(directory="/b", bin="/b/bin", parts="/b/parts")
    with pytest.raises(UnreadableError, match=message) as error:
        zope2instance.read("instance", options, places)
    assert error.value.option == option


def test_where_the_balancer_connects() -> None:
    """A client on every interface is reached over the loopback."""
    places = Places(directory="/b", bin="/b/bin", parts="/b/parts")
    client = zope2instance.read("instance", {}, places)
    assert client.address == Address("127.0.0.1", 8080)
    assert client.maxconn == 3
