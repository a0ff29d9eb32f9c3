"""dev/bootstrap: what it installed does not start by itself."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

UNITS = (
    *(
        f"{one}.service"
        for one in ("nginx", "varnish", "varnishncsa", "haproxy", "ssh")
    ),
    *("certbot.timer", "phpsessionclean.timer"),
)
ROOT = Path("/etc/collective.recipe.productionstack.root")
"""Only dev/test-on makes this one: everything there is dev/bootstrap's work."""


@pytest.mark.skipif(not ROOT.exists(), reason="not in a root of make test-on")
@pytest.mark.parametrize("unit", UNITS)
def test_what_it_installed_is_not_enabled_for_the_next_boot(unit: str) -> None:
    units = Path("/usr/lib/systemd/system"), Path("/lib/systemd/system")
    assert any((folder / unit).exists() for folder in units)
    command = ("systemctl", "is-enabled", unit)
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    assert said.stdout.strip() == "disabled", said.stderr
    assert list(Path("/etc").glob(f"rc[2345].d/S[0-9][0-9]{unit}")) == []
