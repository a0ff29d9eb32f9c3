"""Whatever one web server looks at, the other does too, or says that it cannot."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest

from collective.recipe.productionstack.daemons import cannot
from collective.recipe.productionstack.daemons import registry
from collective.recipe.productionstack.model.address import Address
from collective.recipe.productionstack.model.application import Application
from collective.recipe.productionstack.model.caching import Caching
from collective.recipe.productionstack.model.chain import Chain
from collective.recipe.productionstack.model.front import Front
from collective.recipe.productionstack.model.site import Site
from collective.recipe.productionstack.model.stack import Maintenance
from collective.recipe.productionstack.model.stack import Stack
from collective.recipe.productionstack.tree import render
from tests.support import samples

WATCHED = (Application, Caching, Chain, Front, Maintenance, Site)
OTHERS = {
    "Caching.session_cookies": "micro-cache",
    "Front.rate_limits_exempt": "rate-limits",
}
"""What is looked at for the sake of something else that Apache cannot do."""


def everything(pages: Path, web_server: str) -> Stack:
    """Return a stack with every option of the front."""
    secure: dict[str, Any] = {
        "certificate": "/c.pem",
        "key": "/c.key",
        "scheme": "https",
        "error_pages": str(pages),
    }
    site = dataclasses.replace(samples.SITE, frontend=samples.FRONTEND, **secure)
    hosts = tuple(
        dataclasses.replace(one, aliases=(f"x.{one.host}",), **secure)
        for one in samples.BESIDE.hosts
    )
    names = ("10.0.0.0/8",)
    return samples.changed(
        web_server=web_server,
        services=(web_server, "varnish", "haproxy"),
        sites=(site, dataclasses.replace(site, folder="/two", path="/Two")),
        neighbours=dataclasses.replace(samples.BESIDE, hosts=hosts),
        https=Address("127.0.0.1", 8001),
        trusted_proxies=names,
        versions=(("nginx", (1, 26, 3)),),
        hsts=(300, True),
        csp="frame",
        zmi_allow=names,
        rate_limits_exempt=names,
        max_upload=10,
        log_format="json",
        error_pages=str(pages),
        session_cookies=("mine",),
        page="/pages/down.html",
        allow=names,
        http3="on" if web_server == "nginx" else "off",
        micro_cache="on" if web_server == "nginx" else "off",
    )


def rendered(stack: Stack) -> dict[str, str]:
    """Return what the web server of a stack reads."""
    name = stack.chain.web_server
    service = next(one for one in registry.SERVICES if name == one.NAME)
    found = {
        path: render.render(template, {"stack": stack, **values})
        for path, template, values in service.files(stack)
    }
    for announced in (service.programs, service.logs, service.checks):
        announced(stack)
    return found


def looked_at(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Return what of the model a web server looks at."""
    seen: set[str] = set()
    fields = {cls: {one.name for one in dataclasses.fields(cls)} for cls in WATCHED}

    def look(self: Any, name: str) -> Any:
        if name in fields.get(type(self), ()):
            seen.add(f"{type(self).__name__}.{name}")
        return object.__getattribute__(self, name)

    with monkeypatch.context() as patch:
        for cls in WATCHED:
            patch.setattr(cls, "__getattribute__", look, raising=False)
        rendered(stack)
    return seen


def test_apache_looks_at_all_that_nginx_looks_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "503.html").write_text("<p>down")
    lacks = {f"Front.{one.field}" for one in cannot.lacks("apache")}
    of_nginx, of_apache = (
        looked_at(everything(tmp_path, name), monkeypatch)
        for name in ("nginx", "apache")
    )
    assert of_nginx - of_apache - lacks == set(OTHERS)


def test_each_option_names_its_lines_in_both(tmp_path: Path) -> None:
    (tmp_path / "503.html").write_text("<p>down")
    named = [
        set(re.findall(r"\[stack\] ([a-z0-9-]+)", text))
        for name in ("nginx", "apache")
        for text in ["\n".join(rendered(everything(tmp_path, name)).values())]
    ]
    lacks = {one.option for one in cannot.lacks("apache")}
    assert {"application", "error-pages", "hsts", "max-upload"} <= named[0]
    assert named[0] - named[1] - lacks == {"rate-limits-exempt"}
