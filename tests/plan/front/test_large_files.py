"""Where the web server cannot send what Plone names, that is one line."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import pytest

from collective.recipe.productionstack.daemons import registry
from collective.recipe.productionstack.errors import Problem
from collective.recipe.productionstack.model.clients import Client
from collective.recipe.productionstack.model.stack import Stack
from collective.recipe.productionstack.model.storage import Storage
from collective.recipe.productionstack.model.storage import file_variables
from collective.recipe.productionstack.plan import stacks
from collective.recipe.productionstack.plan.facts import Facts
from collective.recipe.productionstack.plan.front import large_files
from collective.recipe.productionstack.plan.stacks import Part
from tests.support import samples

SHARED = dataclasses.replace(samples.client(1), blob_dir=samples.STORAGE.blob_dir)
LINES = file_variables(samples.STORAGE.blob_dir)


def planned(
    client: Client = SHARED,
    storage: Storage | None = samples.STORAGE,
    options: Mapping[str, str] = {},
) -> tuple[Stack, list[Problem]]:
    section = {"sites": "www.example.com /Plone", "xsendfile": "on", **options}
    entry = section.pop("entry", registry.WHOLE)
    facts = Facts(
        directory="/b",
        bin="/b/bin",
        clients={client.name: client},
        storages={storage.name: storage} if storage else {},
    )
    built, problems = stacks.stacks(
        [Part(name="stack", entry=entry, section=section)], facts
    )
    return built["stack"][0], problems


@pytest.mark.parametrize("cache", ["varnish", "none"])
def test_it_is_sent_with_a_cache_and_without(cache: str) -> None:
    stack, problems = planned(options={"proxy-cache": cache})
    assert problems == []
    assert stack.sends_files


@pytest.mark.parametrize(
    ("options", "storage", "said"),
    [
        ({"web-server": "none"}, samples.STORAGE, "no web server is there"),
        ({"load-balancer": "none"}, samples.STORAGE, "without the balancer"),
        (
            {"entry": "nginx"},
            samples.STORAGE,
            "haproxy and varnish would have to know",
        ),
        ({"services": "nginx varnish"}, samples.STORAGE, "haproxy would have to"),
        ({}, None, "the files are not on this machine"),
        (
            {},
            dataclasses.replace(samples.STORAGE, blob_dir=""),
            "the files are not on this machine",
        ),
        (
            {},
            dataclasses.replace(samples.STORAGE, blob_dir="/other"),
            "[instance1] has /b/var/blobstorage, and ZEO's files are in /other",
        ),
    ],
)
def test_where_it_cannot_work(
    options: dict[str, str], storage: Storage | None, said: str
) -> None:
    _, (problem,) = planned(storage=storage, options=options)
    assert (problem.option, problem.value) == ("xsendfile", "on")
    assert said in problem.message


def test_a_client_with_copies_of_its_own() -> None:
    _, (problem,) = planned(client=samples.client(1))
    assert "[instance1] has copies of the files it needs" in problem.message
    assert "shared-blob = on, blob-storage = /b/var/blobstorage" in problem.remedy


@pytest.mark.parametrize(
    ("has_egg", "lines", "options"),
    [
        (True, LINES, []),
        (False, LINES, ["eggs"]),
        (True, LINES[:-1], ["environment-vars"]),
        (True, file_variables("/other"), ["environment-vars"]),
        (False, (), ["eggs", "environment-vars"]),
    ],
)
def test_what_a_client_lacks(
    *, has_egg: bool, lines: tuple[str, ...], options: list[str]
) -> None:
    client = dataclasses.replace(SHARED, has_xsendfile=has_egg, file_variables=lines)
    stack, problems = planned(client)
    assert problems == []
    said = list(large_files.warnings(stack))
    assert [one.split()[1].rstrip(":") for one in said] == options
    off, _ = planned(client, options={"xsendfile": "off"})
    assert list(large_files.warnings(off)) == []
