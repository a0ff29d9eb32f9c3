"""Lines of ``sites``."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from collective.recipe.productionstack.model.address import Address
from collective.recipe.productionstack.model.site import Site
from collective.recipe.productionstack.options.load import StackOptions
from collective.recipe.productionstack.plan.front import hosts
from collective.recipe.productionstack.plan.front import sites
from tests.support import samples

CHAIN = dataclasses.replace(samples.CHAIN, https=Address("127.0.0.1", 8443))


def one(line: str, **options: Any) -> Site:
    """Return the site of a line."""
    chosen = StackOptions(sites=(line,), **options)
    found, problems = sites.lines("stack", chosen, "/b")
    assert problems == []
    built, problems = sites.sites("stack", found, chosen, CHAIN, samples.FOLDERS)
    assert problems == []
    return built[0]


def fault(line: str, **options: Any) -> str:
    """Return the one problem of a line."""
    chosen = StackOptions(sites=(line,), **options)
    found, problems = sites.lines("stack", chosen, "/b")
    problems += sites.sites("stack", found, chosen, CHAIN, samples.FOLDERS)[1]
    (problem,) = problems
    return str(problem)


@pytest.mark.parametrize(
    ("line", "url", "virtual_host"),
    [
        (
            "a.example /Plone",
            "http://a.example:8000",
            "/VirtualHostBase/http/a.example:8000/Plone/VirtualHostRoot",
        ),
        (
            "a.example /Plone url=https://b.example",
            "https://b.example",
            "/VirtualHostBase/https/b.example:443/Plone/VirtualHostRoot",
        ),
        (
            "a.example /one/two/ url=http://b.example:8080/",
            "http://b.example:8080",
            "/VirtualHostBase/http/b.example:8080/one/two/VirtualHostRoot",
        ),
        (
            "a.example/x/y /Plone url=https://b.example",
            "https://b.example/x/y",
            "/VirtualHostBase/https/b.example:443/Plone/VirtualHostRoot/_vh_x/_vh_y",
        ),
        (
            "a.example/ /Plone",
            "http://a.example:8000",
            "/VirtualHostBase/http/a.example:8000/Plone/VirtualHostRoot",
        ),
        (
            "a.example /Plone certificate=/c.pem key=/c.key",
            "https://a.example:8443",
            "/VirtualHostBase/https/a.example:8443/Plone/VirtualHostRoot",
        ),
    ],
)
def test_what_visitors_see(line: str, url: str, virtual_host: str) -> None:
    """Scheme, host and port are the front's unless ``url=`` says otherwise."""
    site = one(line)
    assert site.url == url
    assert site.virtual_host == virtual_host


def test_hosts() -> None:
    """The first host is canonical; the others are redirected, or served."""
    site = one("a.example,B.example /Plone")
    assert (site.hosts, site.served) == (("a.example", "b.example"), ("a.example",))
    site = one("a.example,b.example /Plone redirect=off")
    assert site.served == ("a.example", "b.example")


def test_shared_certificate() -> None:
    """A site without a certificate has the stack's, with its key."""
    site = one("a.example /Plone", certificate=("/all.pem",), key=("/all.key",))
    assert (site.certificate, site.key) == ("/all.pem", "/all.key")
    site = one(
        "a.example /Plone certificate=/a.pem key=/a.key",
        certificate=("/all.pem",),
        key=("/all.key",),
    )
    assert (site.certificate, site.key) == ("/a.pem", "/a.key")


def test_own_certificate_needs_own_key() -> None:
    """The shared key does not fit another certificate."""
    said = fault(
        "a.example /P certificate=/a.pem", certificate=("/x",), key=("/x.key",)
    )
    assert "a certificate and a key belong together" in said


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("a.example", "a site needs host names and the path of a Plone site"),
        ("a.example Plone", "not a path of ids such as /Plone"),
        ("a.example //", "the whole database must not be public"),
        ("a.example,a.example /P", "a host name stands there twice"),
        ("a.example, /P", "'' is no host name"),
        ("*.example /P", "write it first, as in www.example,*.example"),
        ("* /P", "'*' is no host name"),
        ("a.*.example /P", "'a.*.example' is no host name"),
        ("*.127.0.0.1,a.example /P", "is no host name"),
        ("a.example/manage /P", "'manage' cannot be a folder"),
        ("a.example/ACL_users/x /P", "'ACL_users' cannot be a folder"),
        ("a.example/x/../y /P", "'..' is no name of a folder"),
        ("a.example/@@x /P", "'@@x' is no name of a folder"),
        ("a.example/a%20b /P", "'a%20b' is no name of a folder"),
        ("a.example,b.example/x /P", "the folder stands with the first host"),
        ("a.example /P redirect=on redirect=off", "a name stands there twice"),
        ("a.example /P key", "is not name=value of a site"),
        ("a.example /P url=https://a.example/path", "only scheme, host and port"),
        ("a.example /P url=https://u:p@a.example", "only scheme, host and port"),
        ("a.example /P url=ftp://a.example", "not an address such as https://"),
        ("a.example /P url=https://a.example:0", "not between 1 and 65535"),
        ("a.example /P frontend=vue", "frontend=vue: neither classic nor volto"),
        ("a.example /P frontend=127.0.0.1:0", "neither classic nor volto"),
        ('a.example /P key=/a"b', 'the character " cannot be used in a path'),
    ],
)
def test_faults(line: str, said: str) -> None:
    """A faulty line is one problem that says what is wrong."""
    assert said in fault(line)


def test_ipv6_host() -> None:
    """A site may be an address of either kind."""
    assert one("[::1],127.0.0.1 /Plone").hosts == ("[::1]", "127.0.0.1")


def several(*lines: str) -> tuple[list[Site], list[str]]:
    """Return the sites of lines, and what is wrong with them together."""
    chosen = StackOptions(sites=lines)
    found, problems = sites.lines("stack", chosen, "/b")
    built, more = sites.sites("stack", found, chosen, CHAIN, samples.FOLDERS)
    return list(built), [str(one) for one in (*problems, *more)]


def test_one_line_speaks_for_its_host() -> None:
    """Aliases, certificate and the like hold for every folder, whichever names them."""
    lines = (
        "a.example/x /X",
        "a.example,b.example,*.c.example /A redirect=off certificate=/c key=/k",
        "a.example/y /Y",
    )
    found, problems = several(*lines)
    assert problems == []
    assert [one.name for one in found] == ["a.example/x", "a.example", "a.example/y"]
    for one in found:
        assert one.aliases == ("b.example", "*.c.example")
        assert (one.redirect, one.certificate, one.scheme) == (False, "/c", "https")


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (("a.example/x /A", "a.example/x /B"), "a.example/x already belongs to /A"),
        (("a.example/x /A", "a.example/x/y /B"), "lies in, or around, a.example/x"),
        (("a.example/x/y /A", "a.example/x /B"), "lies in, or around, a.example/x/y"),
        (
            ("a.example,c.example /A", "a.example/x,d.example /B"),
            "aliases and names of a.example stand with a.example already",
        ),
        (
            ("a.example,b.example /A", "b.example/x /B"),
            "the host b.example already belongs to /A",
        ),
        (
            ("a.example,*.b.example /A", "c.example,*.B.example /B"),
            "the host *.b.example already belongs to /A",
        ),
    ],
)
def test_what_two_lines_cannot_say(lines: tuple[str, ...], said: str) -> None:
    _, problems = several(*lines)
    (problem,) = problems
    assert said in problem


def test_folders_of_other_hosts_do_not_meet() -> None:
    _, problems = several("a.example/x /A", "b.example/x/y /B", "a.example/xy /C")
    assert problems == []


def test_many_names_with_an_address_of_their_own() -> None:
    """The canonical host is the one that links are made with."""
    found = one("*.example.com /Plone url=https://www.example.com")
    assert found.host == "www.example.com"
    assert found.aliases == ("*.example.com",)


def test_the_more_special_name_wins_and_that_is_said() -> None:
    found = hosts.covered(
        {
            "www.example.com": "www",
            "*.example.com": "www",
            "shop.example.com": "shop",
            "*.shop.example.com": "shop",
            "notexample.com": "other",
        }
    )
    assert list(found) == [
        ("*.example.com", "*.shop.example.com"),
        ("*.example.com", "shop.example.com"),
    ]


def test_no_star_answers_over_https_for_a_site_without_a_certificate() -> None:
    star = "www.example.com,*.example.com /Plone certificate=/c.pem key=/k.pem"
    plain = "shop.example.com /Shop"
    chosen = StackOptions(sites=(star, plain))
    found, problems = sites.lines("stack", chosen, "/b")
    assert problems == []
    (problem,) = sites.sites("stack", found, chosen, CHAIN, samples.FOLDERS)[1]
    assert "shop.example.com /Shop" in str(problem)
    assert "*.example.com of www.example.com has" in str(problem)
    chosen = StackOptions(sites=(star, f"{plain} certificate=/d.pem key=/k.pem"))
    found, _ = sites.lines("stack", chosen, "/b")
    assert sites.sites("stack", found, chosen, CHAIN, samples.FOLDERS)[1] == []
