"""The sdist and the wheel hold every file of ours, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import distributions
from tests.support.distributions import Built
from tests.support.distributions import Entries

TEMPLATE = "collective/recipe/productionstack/templates/varnish/default.vcl.j2"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return distributions.build(tmp_path_factory.mktemp("built"))


def test_the_sdist_is_the_checkout(built: Built) -> None:
    found = distributions.read_sdist(built.sdist)
    assert distributions.sdist_faults(found, built.files) == []


def test_both_wheels_are_the_package(built: Built) -> None:
    for wheel in (built.wheel, built.wheel_of_sdist):
        found = distributions.read_wheel(wheel)
        assert distributions.wheel_faults(found, built.files) == []


def test_what_is_missing_or_too_much_is_named(built: Built) -> None:
    found: Entries = distributions.read_wheel(built.wheel)
    found["tests/odd.py"] = found.pop(TEMPLATE)
    assert distributions.wheel_faults(found, built.files) == [
        f"the wheel lacks {TEMPLATE}",
        "the wheel has tests/odd.py too",
    ]


def test_the_version_of_every_file_is_looked_at(built: Built, tmp_path: Path) -> None:
    found = distributions.read_wheel(built.wheel)
    found[TEMPLATE] = distributions.Entry(b"old")
    assert distributions.wheel_faults(found, built.files) == [
        f"the wheel has another {TEMPLATE}"
    ]
