"""Production buildouts that are there already, brought up with the real Plone.

``make test-styles`` runs this: a Plone for each is too much for every run of the tests.
What cannot run here has its ZEO server on another machine, or PostgreSQL.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.buildout.test_existing import CASES
from tests.buildout.test_existing import block
from tests.buildout.test_existing import with_lines
from tests.support import lean
from tests.support import plonesite
from tests.support import ports
from tests.support.plonesite import PloneSite

AWAY = "10.1.2.3"
RUNNABLE = [
    name for name, case in CASES.items() if case.visitors and AWAY not in str(case)
]


class Existing(PloneSite):
    """A buildout of somebody else's."""

    def environment(self) -> dict[str, str]:
        return {**super().environment(), "PYTHONPATH": str(self.folder / "others")}


@pytest.fixture
def site() -> Iterator[Existing]:
    taken = ports.take()
    one = Existing(plonesite.new_folder(), taken[0])
    try:
        one.bootstrap()
        (one.folder / "others").mkdir()
        lean.stand_ins(one.folder / "others")
        yield one
    finally:
        left = one.end()
        ports.give_back(taken)
    assert not left


def real(text: str, taken: dict[str, int]) -> str:
    """Let clients have a Plone, and ports that nobody has."""
    text = re.sub(r"(?m)^eggs =$", "eggs = Plone", text)
    return re.sub(r"\b9[0-9]{3}\b", lambda found: str(taken[found[0]]), text)


@pytest.mark.parametrize("name", RUNNABLE)
def test_a_style_serves_a_page_of_plone(site: Existing, name: str) -> None:
    case = CASES[name]
    text = case.text
    if name == "a-port-alone-behind-a-colon":
        text = text.replace("127.0.0.1:9080", ":9080")
    words = sorted(set(re.findall(r"\b9[0-9]{3}\b", f"{text}{case.then}")))
    with ExitStack() as opened:
        numbers = ports.take()
        opened.callback(ports.give_back, numbers)
        taken = dict(zip(words, numbers, strict=False))
        (site.folder / "existing.cfg").write_text(real(text, taken))
        index = f"index = {site.folder}/no-index"
        ours = block().replace(
            "[buildout]\n", f"[buildout]\nextends = existing.cfg\n{index}\n", 1
        )
        if "port-base" not in str(case.then):
            ours = ours.replace("[stack]\n", f"[stack]\nport-base = {site.base}\n")
        written = site.folder / "buildout.cfg"
        written.write_text(ours)
        first = site.buildout()
        if case.refused:
            assert first.status != 0
            lines = {part: real(line, taken) for part, line in case.then.items()}
            written.write_text(with_lines(ours, lines))
            first = site.buildout()
        first.good()
        site.stack("up").good()
        site.create().good()
        page = site.get("/", port=8100 if "8100" in str(case.then) else 0)
        assert page.status == 200
        assert "A site" in page.text
        assert site.status()["ok"]
