"""Lines of ``application``."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from collective.recipe.productionstack.daemons import registry
from collective.recipe.productionstack.model.address import Address
from collective.recipe.productionstack.model.application import Application
from collective.recipe.productionstack.model.stack import Stack
from collective.recipe.productionstack.options.load import StackOptions
from collective.recipe.productionstack.plan import stacks
from collective.recipe.productionstack.plan.facts import Facts
from collective.recipe.productionstack.plan.front import applications
from collective.recipe.productionstack.plan.stacks import Part
from tests.support import samples


def one(line: str) -> Application:
    """Return the application of a line."""
    found, problems = applications.lines("stack", StackOptions(application=(line,)))
    assert problems == []
    return found[0].application


def built(
    *lines: str, sites: str = "www.example.com,example.com /Plone", **options: str
) -> tuple[Stack, list[str]]:
    """Return the stack of some lines, and what is wrong with it."""
    section = {"sites": sites, "application": "\n".join(lines), **options}
    facts = Facts(
        directory="/b",
        bin="/b/bin",
        clients={one.name: one for one in map(samples.client, (1, 2))},
        storages={"zeoserver": samples.STORAGE},
        backups={"backup": samples.BACKUP},
    )
    part = Part(name="stack", entry=registry.WHOLE, section=section)
    made, problems = stacks.stacks([part], facts)
    return made["stack"][0], [str(problem) for problem in problems]


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("a.example http 127.0.0.1:3000", {"address": Address("127.0.0.1", 3000)}),
        ("a.example/ http 3000", {"address": Address("127.0.0.1", 3000)}),
        ("A.example/x/y/ http [::1]:3000", {"path": "/x/y"}),
        ("a.example/x http localhost:3000", {"address": Address("127.0.0.1", 3000)}),
        ("a.example/x http 127.0.0.1:3000/", {"below": "/"}),
        ("a.example/x http http://127.0.0.1:3000/app", {"below": "/app/"}),
        ("a.example/x http unix:/run/a.sock", {"address": Address(path="/run/a.sock")}),
        ("a.example/x http unix:/run/a.sock:/", {"below": "/"}),
        ("a.example http 3000 websocket=on timeout=90s", {"websocket": True}),
        ("a.example http 3000 timeout=90s connections=9", {"seconds": 90}),
        ('a.example static "/srv/two words/"', {"root": "/srv/two words"}),
        ("a.example fastcgi 9000 root=/srv/php", {"front": "index.php"}),
        (
            "a.example fastcgi unix:/p.sock root=/p scripts=/wp-admin/,/wp-login.php",
            {"scripts": ("/wp-admin/", "/wp-login.php")},
        ),
        ("a.example/x redirect /new", {"url": "/new", "status": 0, "rest": True}),
        ("a.example/x redirect https://b.example/?x=1", {"rest": False}),
        ("a.example/x redirect https://b.example/y status=302", {"status": 302}),
    ],
)
def test_lines(line: str, values: dict[str, Any]) -> None:
    made = dataclasses.asdict(one(line))
    wanted = {
        name: dataclasses.asdict(value) if isinstance(value, Address) else value
        for name, value in values.items()
    }
    assert made.items() >= wanted.items()


@pytest.mark.parametrize(
    "path",
    [
        *(
            "login",
            "@@search",
            "++api++",
            "portal_css",
            "favicon.ico",
            "sitemap.xml.gz",
        ),
        *("VirtualHostBase/x", "_vh_x", "manage_main", "acl_users", "Plone", "Plone/x"),
        *(".well-known/acme-challenge", "site-controlpanel", "search", "author", "RSS"),
        *("Control_Panel", "resourceregistries/x", "robots.txt", "@login", ""),
    ],
)
def test_nothing_of_a_site_is_hidden(path: str) -> None:
    _, problems = built(f"www.example.com/{path} http 127.0.0.1:3000")
    assert len(problems) == 1, problems
    assert f"[stack] application = www.example.com/{path} http" in problems[0]


@pytest.mark.parametrize(
    ("path", "good"),
    [
        ("", True),
        ("shop", True),
        ("login", True),
        ("a/shop", True),
        ("a/b/shop", True),
        ("abc", True),
        ("a", False),
        ("a/b", False),
        ("a/b/login", False),
        ("a/b/Plone", False),
    ],
)
def test_beside_a_site_in_a_folder(path: str, *, good: bool) -> None:
    line = f"www.example.com/{path} http 127.0.0.1:3000"
    _, problems = built(line, sites="www.example.com/a/b /Plone")
    assert (problems == []) is good, problems


def test_every_name_of_a_host_is_its_host() -> None:
    _, (problem,) = built("example.com/shop http 127.0.0.1:3000")
    assert "Write: www.example.com/shop" in problem


def test_a_host_of_its_own(tmp_path: Path) -> None:
    stack, problems = built(
        "shop.example.com http 127.0.0.1:3000 url=https://buy.example.com",
        "shop.example.com/old redirect /new",
        "www.example.com/shop redirect https://shop.example.com",
    )
    assert problems == []
    (host,) = stack.neighbours.hosts
    assert (host.host, host.origin) == ("shop.example.com", "https://buy.example.com")
    assert Stack.from_json(stack.to_json()) == stack
    assert {one.host for one in stack.virtual_hosts} == {"www.example.com", host.host}


def test_somebody_must_serve_it() -> None:
    line = "shop.example.com http 127.0.0.1:3000"
    _, (problem,) = built(line, **{"web-server": "none"})
    assert "no web server here" in problem


def test_a_host_of_its_own_gets_a_certificate() -> None:
    stack, problems = built("shop.example.com http 3000", acme="certbot")
    assert problems == []
    (host,) = stack.neighbours.hosts
    assert host.acme
    assert host.certificate.endswith("/shop.example.com/fullchain.pem")
    assert host.origin == "https://shop.example.com:8001"


def test_another_sites_star_would_answer() -> None:
    _, problems = built(
        "shop.example.com http 3000",
        sites="www.example.com,*.example.com /Plone certificate=/c.pem key=/c.key",
    )
    assert any("shop.example.com: it has no certificate" in one for one in problems)


@pytest.mark.parametrize(
    "target",
    [
        *("127.0.0.1:8000", "127.0.0.1:8002", "127.0.0.1:8003", "127.0.0.1:8004"),
        *("127.0.0.1:8005", "127.0.0.1:8081", "localhost:8082"),
        *("unix:/b/var/stack/supervisor.sock", "unix:/s/zeoserver.sock"),
    ],
)
def test_no_way_around_the_front(target: str) -> None:
    _, (problem,) = built(f"shop.example.com http {target}")
    assert problem.startswith("[stack] application = shop.example.com http ")


@pytest.mark.parametrize(
    ("chosen", "length", "good"),
    [
        ("apache", 95, True),
        ("apache", 96, False),
        ("nginx", 107, True),
        ("nginx", 108, False),
    ],
)
def test_a_socket_that_nobody_could_connect_to(
    chosen: str, length: int, *, good: bool
) -> None:
    target = f"unix:/{'x' * (length - 1)}"
    _, problems = built(f"a.example/x http {target}", **{"web-server": chosen})
    assert [one for one in problems if "path of its socket" in one] == problems
    assert (not problems) is good


def test_a_program_of_the_stack_is_no_way_around() -> None:
    _, problems = built(
        "shop.example.com http 127.0.0.1:3000",
        programs="shop command /bin/true health=127.0.0.1:3000",
    )
    assert problems == []


@pytest.mark.parametrize(
    ("folder", "good"),
    [
        ("/files", True),
        ("/site/htdocs", True),
        ("/missing", False),
        ("/site", False),
        ("/site/var", False),
        ("/site/var/blobstorage", False),
        ("/site/etc/stack", False),
        ("/link", False),
        ("/closed", False),
        ("", False),
    ],
)
def test_no_folder_of_the_stack(tmp_path: Path, folder: str, *, good: bool) -> None:
    for name in ("files", "site/htdocs", "site/var/blobstorage", "site/etc/stack"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "link").symlink_to("site/var")
    (tmp_path / "closed").mkdir(mode=0)
    section = {
        "sites": "www.example.com /Plone",
        "application": f"www.example.com/files static {tmp_path}{folder}",
    }
    facts = Facts(
        directory=f"{tmp_path}/site",
        bin=f"{tmp_path}/site/bin",
        clients={"instance1": samples.client(1)},
    )
    part = Part(name="stack", entry=registry.WHOLE, section=section)
    _, problems = stacks.stacks([part], facts)
    (tmp_path / "closed").chmod(0o700)
    assert ([str(one) for one in problems] == []) is good
