"""nginx's files: who is served, by whom, and what the check leaves alone."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import crossplane
import pytest

from collective.recipe.productionstack.daemons.nginx import config as nginx
from collective.recipe.productionstack.model.address import Address
from collective.recipe.productionstack.model.front import Front
from collective.recipe.productionstack.model.stack import Stack
from collective.recipe.productionstack.plan import announcing
from collective.recipe.productionstack.plan import rendering
from tests.support import samples

TLS = samples.changed(
    samples.STACK,
    https=Address("127.0.0.1", 8443),
    sites=(dataclasses.replace(samples.SITE, certificate="/c.pem", key="/c.key"),),
)


def directives(tmp_path: Path, stack: Stack, name: str) -> list[list[Any]]:
    """Return the arguments of every directive of that name."""
    tree = rendering.tree_of(announcing.complete(stack))
    tree.write(tmp_path, durable=False)
    parsed = crossplane.parse(
        str(tmp_path / "nginx/nginx.conf"), combine=True, strict=False
    )
    assert parsed["status"] == "ok", parsed["errors"]
    found: list[list[Any]] = []

    def walk(block: list[dict[str, Any]]) -> None:
        for one in block:
            if one["directive"] == name:
                found.append(one["args"])
            walk(one.get("block", []))

    walk(parsed["config"][0]["parsed"])
    return found


def test_a_file_for_every_site() -> None:
    """Each site has a file named like its canonical host."""
    paths = [path for path, _, _ in nginx.files(samples.STACK)]
    assert paths[-1] == "nginx/sites/www.example.com.conf"
    odd = dataclasses.replace(samples.SITE, host="[::1]")
    paths = [
        path
        for path, _, _ in nginx.files(dataclasses.replace(samples.STACK, sites=(odd,)))
    ]
    assert paths[-1] == "nginx/sites/__1.conf"


def test_where_requests_go(tmp_path: Path) -> None:
    """Every request goes to Varnish's socket, below the site's own address."""
    servers = directives(tmp_path, samples.STACK, "server")
    assert ["unix:/s/varnish.sock"] in [args[:1] for args in servers]


def test_listens(tmp_path: Path) -> None:
    """nginx listens where the options say, and with TLS where a site has any."""
    listens = {args[0] for args in directives(tmp_path, TLS, "listen")}
    assert {"127.0.0.1:8000", "127.0.0.1:8443"} <= listens


def test_unknown_hosts_get_nothing(tmp_path: Path) -> None:
    """A host that is no site's ends at 444."""
    assert ["444"] in directives(tmp_path, samples.STACK, "return")


@pytest.mark.parametrize("stack", [samples.STACK, TLS])
def test_check_binds_and_writes_nothing(stack: Stack) -> None:
    """In the copy that nginx is asked about no real address or folder is left."""
    (check,) = nginx.checks(stack)
    tree = rendering.tree_of(announcing.complete(stack))
    for file in tree.files:
        if not file.path.startswith("nginx/"):
            continue
        text = file.text
        for old, new in check.replace:
            text = text.replace(old, new)
        assert "listen 127.0.0.1" not in text
        assert '"/b/var/' not in text


def test_old_nginx_knows_no_early_error_log() -> None:
    """``-e`` came with 1.19.5."""
    old = samples.changed(samples.STACK, versions=(("nginx", (1, 18, 0)),))
    assert "-e" not in nginx.programs(old)[0].command
    assert "-e" in nginx.programs(samples.STACK)[0].command


def test_ids_of_all_sites() -> None:
    """Every id on the way to a site is known to every site's guard."""
    two = (samples.SITE, dataclasses.replace(samples.SITE, path="/shops/first"))
    values = nginx.files(dataclasses.replace(samples.STACK, sites=two))[0][2]
    assert values["ids"] == ("(?:Plone|first|shops)",)


def test_logs_are_reopened() -> None:
    """nginx reopens its logs at USR1."""
    logs = nginx.logs(samples.STACK)
    assert {log.signal for log in logs} == {"USR1"}
    assert {log.pid_file for log in logs} == {"/b/var/stack/nginx.pid"}


def test_without_the_micro_cache_nothing_of_it_is_left(tmp_path: Path) -> None:
    """It is there where nginx and Varnish of this stack meet, and only there."""

    def texts(stack: Stack) -> str:
        tree = rendering.tree_of(announcing.complete(stack))
        files = (one for one in tree.files if one.path.startswith(("nginx", "varnish")))
        return "\n".join(f"{one.path}\n{one.text}" for one in files)

    assert directives(tmp_path, samples.STACK, "proxy_cache") == [["$micro"]]
    for stack in (
        samples.changed(samples.STACK, front=Front(micro_cache="off")),
        samples.changed(samples.STACK, proxy_cache="none"),
        samples.changed(samples.STACK, web_server="none"),
        dataclasses.replace(samples.STACK, alone=True, services=("nginx",)),
    ):
        found = texts(stack)
        assert "micro" not in found
        assert "proxy_cache" not in found
        assert "resp.http.X-Accel" not in found
