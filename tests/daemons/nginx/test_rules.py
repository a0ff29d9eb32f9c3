"""Constructs that this year's faults of nginx are made of stand in no rendered file.

CVE-2026-42533 and 93479 (maps and captures in one string), 42945 and 9256 (rewrite with
arguments, overlapping captures), 60005 (captures without a name), 15176 and 125283
(alias with rewrite, try_files in alias).
"""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import crossplane
import pytest

from collective.recipe.productionstack.model.address import Address
from collective.recipe.productionstack.model.clients import Balancing
from collective.recipe.productionstack.model.front import Front
from collective.recipe.productionstack.model.stack import Maintenance
from collective.recipe.productionstack.model.stack import Stack
from collective.recipe.productionstack.model.storage import NAMED_FILES
from collective.recipe.productionstack.plan import announcing
from collective.recipe.productionstack.plan import rendering
from tests.support import samples

UNNAMED = re.compile(r"(?<!\\)\((?![?*])")
IN_CLASS = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]")
NUMBERED = re.compile(r"\$[1-9]")
NAMED = re.compile(r"\(\?<([a-z_]+)>")
REFUSED = {"slice", "proxy_cache_background_update", "perl"}
BESIDE_ALIAS = {"try_files", "rewrite", "proxy_pass", "fastcgi_pass", "alias", "root"}
"""What may not stand in a location with an alias, nor inside it."""
FULL = Front(
    hsts=(1, True),
    csp="report",
    zmi_allow=("10.0.0.0/8",),
    rate_limits="log",
    rate_limits_exempt=("10.0.0.0/8",),
    max_upload=1,
    log_format="json",
)


def stacks() -> Iterator[Stack]:
    """Yield stacks with and without what makes other lines."""
    secure = dataclasses.replace(samples.SITE, certificate="/c.pem", key="/c.key")
    for site, front, page in itertools.product(
        (samples.SITE, secure), (Front(), FULL, Front(csp="frame")), ("", "/m.html")
    ):
        https = Address("127.0.0.1", 8443) if site.certificate else None
        yield samples.changed(
            sites=(site,),
            https=https,
            front=front,
            maintenance=Maintenance(page=page, allow=("10.0.0.0/8",)),
            trusted_proxies=("10.0.0.0/8",),
        )
    folders = [
        dataclasses.replace(
            secure, folder=folder, aliases=("*.example.com",), redirect=redirect
        )
        for folder in ("/a", "/b/c")
        for redirect in (True, False)
    ]
    yield samples.changed(sites=tuple(folders[::2]), https=https)
    yield samples.changed(sites=(secure, *folders[1::2]), https=https)
    yield samples.changed(neighbours=samples.BESIDE)
    yield samples.changed(sites=(secure,), https=https, neighbours=samples.BESIDE)
    shown = dataclasses.replace(secure, frontend=samples.FRONTEND)
    yield samples.changed(sites=(shown, *folders[1::2]), https=https)
    sent = Front(xsendfile="on", micro_cache="off")
    yield samples.changed(sites=(shown, *folders[1::2]), https=https, front=sent)
    for cache, sticky in (("nginx", True), ("none", False)):
        balancing = Balancing(sticky=sticky)
        yield samples.changed(
            proxy_cache=cache, load_balancer="nginx", balancing=balancing
        )


STACKS = list(stacks())


def directives(folder: Path, stack: Stack) -> list[tuple[str, list[str], str]]:
    """Return every directive with its arguments and what it stands in."""
    rendering.tree_of(announcing.complete(stack)).write(folder, durable=False)
    parsed = crossplane.parse(
        str(folder / "nginx/nginx.conf"), combine=True, strict=False
    )
    assert parsed["status"] == "ok", parsed["errors"]
    found: list[tuple[str, list[str], str]] = []

    def walk(block: list[dict[str, Any]], inside: str) -> None:
        for one in block:
            name = one["directive"]
            found.append((name, one["args"], inside))
            walk(one.get("block", []), f"{name} {' '.join(one['args'])}")

    walk(parsed["config"][0]["parsed"], "")
    return found


def patterns(name: str, args: list[str], inside: str) -> list[str]:
    """Return the regular expressions of a directive."""
    if inside.startswith("map ") and name.startswith("~"):
        return [name]
    if name == "rewrite":
        return args[:1]
    if name in {"if", "location"}:
        signs = {"~", "~*", "!~", "!~*"}
        at = [place for place, one in enumerate(args) if one.lstrip("(") in signs]
        return [args[place + 1] for place in at]
    return [one for one in args if name == "server_name" and one.startswith("~")]


@pytest.mark.parametrize("stack", STACKS, ids=range(len(STACKS)))
def test_no_construct_of_a_known_fault(stack: Stack, tmp_path: Path) -> None:
    seen = 0
    for name, args, inside in directives(tmp_path, stack):
        line = f"{name} {' '.join(args)} (in {inside})"
        assert name not in REFUSED, line
        assert "volatile" not in (name, *args), line
        for one in patterns(name, args, inside):
            seen += 1
            assert not UNNAMED.search(IN_CLASS.sub("", one)), line
        assert not any(NUMBERED.search(one) for one in (name, *args)), line
        if name == "rewrite":
            assert "?" not in args[1], line
    assert seen > 10


@pytest.mark.parametrize("stack", STACKS, ids=range(len(STACKS)))
def test_an_alias_is_the_plainest(stack: Stack, tmp_path: Path) -> None:
    """Nothing of CVE-2026-15176 and 125283, and no way out of the folder."""
    every = directives(tmp_path, stack)
    found = [(args[0], inside) for name, args, inside in every if name == "alias"]
    assert bool(found) is bool(stack.neighbours.applications or stack.sends_files)
    for folder, inside in found:
        _, sign, place = inside.split()
        assert (sign, place[-1], folder[-1]) == ("^~", "/", "/"), inside
        # Those inside are regular expressions that answer by themselves.
        beside = [name for name, _, where in every if where == inside]
        assert beside.count("alias") == 1
        assert not (set(beside) - {"alias"}) & BESIDE_ALIAS
        own = f"^~ {NAMED_FILES}" == f"{sign} {place}"
        assert beside.count("location") == (0 if own else 1)
        # No slash too few or too many lets anybody in, and nobody comes by an address.
        assert ("internal" in beside) is own


@pytest.mark.parametrize("stack", STACKS, ids=range(len(STACKS)))
def test_no_capture_stands_beside_another_variable(
    stack: Stack, tmp_path: Path
) -> None:
    every = directives(tmp_path, stack)
    names = {
        one
        for name, _, inside in every
        if inside.startswith("map ")
        for one in NAMED.findall(name)
    }
    assert names
    for name, args, inside in every:
        for one in args:
            used = [other for other in names if f"${other}" in one]
            assert not used or one == f"${used[0]}", f"{name} {one} (in {inside})"
