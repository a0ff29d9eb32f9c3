"""Apache's files: who is served, by whom, what it is asked, and what it cannot do."""

from __future__ import annotations

import dataclasses
import itertools
import re
from pathlib import Path

import pytest

from collective.recipe.productionstack.daemons import cannot
from collective.recipe.productionstack.daemons.apache import config as apache
from collective.recipe.productionstack.daemons.apache import control
from collective.recipe.productionstack.daemons.apache import writer
from collective.recipe.productionstack.model.address import Address
from collective.recipe.productionstack.model.front import Front
from collective.recipe.productionstack.model.stack import Stack
from collective.recipe.productionstack.plan import advice
from collective.recipe.productionstack.plan import announcing
from collective.recipe.productionstack.plan import rendering
from tests.support import samples

CONSTANT = re.compile(
    r"(?:https?://(?:%{SERVER_NAME}|[^%$/:]+)(?::[0-9]+)?)?(?:/[^%$]*)?"
)
SERVICES = ("apache", "varnish", "haproxy", "supervisor", "logrotate", "cron")
STARS = dataclasses.replace(
    samples.SITE, aliases=("example.com", "*.example.com", "*.a.example.com")
)
STACK = samples.changed(web_server="apache", services=SERVICES, sites=(STARS,))
TLS = samples.changed(
    STACK,
    https=Address("127.0.0.1", 8443),
    sites=(dataclasses.replace(STARS, certificate="/c.pem", key="/c.key"),),
)
BESIDE = samples.changed(
    STACK,
    sites=(dataclasses.replace(STARS, redirect=False, frontend=samples.FRONTEND),),
    neighbours=samples.BESIDE,
)


def texts(stack: Stack) -> dict[str, str]:
    """Return Apache's files by their path."""
    tree = rendering.tree_of(announcing.complete(stack))
    ours = (one for one in tree.files if one.path.startswith("apache/"))
    return {one.path.removeprefix("apache/"): one.text for one in ours}


def test_names_with_a_star_come_last_and_the_longest_first() -> None:
    """The first server that has a name answers for it."""
    found = texts(STACK)
    stars = sorted(one for one in found if one.startswith("stars/"))
    assert stars == ["stars/96-any.a.example.com.conf", "stars/97-any.example.com.conf"]
    assert "*.example.com" not in found["sites/www.example.com.conf"]
    conf = found["httpd.conf"]
    assert conf.index("sites/*.conf") < conf.index("stars/*.conf")


@pytest.mark.parametrize("stack", [STACK, TLS, BESIDE])
def test_what_is_asked_is_never_part_of_a_file_name_or_address(stack: Stack) -> None:
    """No rule makes an address of what it has decoded: rules refuse or remember."""
    for path, text in texts(stack).items():
        lines = [line.strip() for line in text.splitlines()]
        for before, line in itertools.pairwise(lines):
            if not line.startswith("RewriteRule "):
                continue
            target = line.split()[2].strip('"')
            if found := re.fullmatch("(.*)%1/?", target):
                # As it was spelt: nothing of it was decoded.
                assert before.startswith("RewriteCond %{THE_REQUEST} "), path
                target = found[1]
            assert target == "-" or CONSTANT.fullmatch(target), (path, line)
        assert "nocanon" not in text
        assert "[P" not in text


def test_without_a_certificate_there_is_no_tls() -> None:
    """Apache does not start with TLS and no certificate; an address alone is given."""
    stack = samples.changed(STACK, https=Address("127.0.0.1", 8443))
    assert "tls.conf" not in texts(stack)
    assert "8443" not in "".join(texts(stack).values())
    assert "tls.conf" in texts(TLS)


def test_rules_for_zope_alone_are_left_out_for_an_application() -> None:
    """As many as there are up to what holds for all again."""
    found = texts(BESIDE)
    for name, last in (("guard.conf", "Where a site is shown"), ("ids.conf", "")):
        _, skip, rest = re.split(r"\[S=(\d+)\]", found[name])
        rules = rest.partition(last)[0] if last else rest
        assert rules.count("RewriteRule ") == int(skip) > 1


def test_old_logs_are_left_by_who_writes_them() -> None:
    """Telling Apache to open its logs anew would be a reload."""
    assert {one.signal for one in apache.logs(STACK)} == {""}
    assert {one.how for one in apache.logs(STACK)} == {"rename"}


def test_who_may_not_say_whose_a_connection_is() -> None:
    """All but the trusted proxies and this machine: it looks after itself so."""
    found = apache._everybody_but(("10.0.0.0/8",))
    assert "0.0.0.0/5" in found
    assert not {"10.0.0.0/8", "0.0.0.0/0", "::/0"} & set(found)


def test_hosts_in_maintenance_are_read_as_they_were_written() -> None:
    """Each line names one host, in whatever letters."""
    hosts = ["www.example.com", "*.example.com", "[::1]", "xn--bcher-kva.example"]
    one = control.Apache(STACK, 1)
    text = f"# hosts\n{one.maintenance_text(hosts)}"
    assert one.maintenance_hosts(text) == set(hosts)
    patterns = re.findall(r'Host "(\S+)"', text)
    for asked, wanted in (
        ("www.example.com:8000", 0),
        ("a.b.example.com.", 1),
        ("[::1]:80", 2),
        ("wwwxexample.com", None),
        ("example.com", None),
    ):
        found = [n for n, each in enumerate(patterns) if re.search(each, asked)]
        assert (wanted in found) == (wanted is not None), asked


@pytest.mark.parametrize("lack", cannot.lacks("apache"), ids=lambda one: one.option)
def test_what_it_cannot_do_is_said(lack: cannot.Lack) -> None:
    """Where the user asked for it, and nowhere else."""
    asked = {"rate_limits": "on"}
    instead = {one.field: one.instead for one in cannot.lacks("apache")}
    front = dataclasses.replace(Front(), **instead)  # type: ignore[arg-type]
    quiet = samples.changed(STACK, front=front)
    assert list(advice.warnings(quiet, given=lambda *_: False)) == []
    if not lack.refused:
        chosen = dataclasses.replace(front, **{lack.field: asked[lack.field]})  # type: ignore[arg-type]
        loud = samples.changed(quiet, front=chosen)
        (line,) = advice.warnings(loud, given=lambda *_: True)
        assert line == f"[stack] {lack.option}: {lack.what}. {lack.remedy}"


def test_a_log_goes_on_in_a_new_file_with_whole_lines(tmp_path: Path) -> None:
    """After it was renamed, or deleted."""
    path = tmp_path / "access.log"
    log = writer.Written(str(path))
    log.add(b"one\n")
    path.rename(tmp_path / "old")
    log.add(b"two\n")
    path.unlink()
    log.add(b"three\n")
    assert (tmp_path / "old").read_text() == "one\n"
    assert path.read_text() == "three\n"
