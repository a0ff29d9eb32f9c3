"""What counts as a change of how a program is started."""

from __future__ import annotations

from pathlib import Path

import pytest

from collective.recipe.productionstack.ctl.lifecycle import start_record
from collective.recipe.productionstack.model.address import Address
from collective.recipe.productionstack.model.announced import Health
from collective.recipe.productionstack.model.announced import Program
from collective.recipe.productionstack.tree.render import supervisor_words
from tests.support import samples

NGINX = Program(
    name="nginx", kind="nginx", command=(), health=Health(address=Address())
)


def definition_in(folder: Path, *command: str) -> object:
    """Return what is written down for a program with that command."""
    path = folder / "supervisor/supervisord.conf"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"[program:nginx]\ncommand = {supervisor_words(command)}\n")
    return start_record.look(samples.STACK, NGINX, folder)["definition"]


@pytest.mark.parametrize("place", ["/srv/eggs", "/srv/with blank", "/srv/it's"])
def test_where_our_program_lies_does_not_matter(tmp_path: Path, place: str) -> None:
    before = definition_in(tmp_path, "/usr/bin/python3", "/old/subreaper.py", "nginx")
    now = (f"{place}/subreaper.py", "nginx")
    assert definition_in(tmp_path, "/usr/bin/python3", *now) == before
    assert definition_in(tmp_path, "/usr/bin/python3", *now, "-q") != before
    assert definition_in(tmp_path, "/opt/python3", *now) != before
