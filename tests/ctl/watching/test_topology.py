"""Who talks to whom, as ``explain`` shows it."""

from __future__ import annotations

from collective.recipe.productionstack.ctl.watching.topology import topology
from tests.support import samples


def test_applications_stand_beside_the_sites() -> None:
    (_, below), *_ = topology(samples.changed(neighbours=samples.BESIDE))
    lines = [text for text, _ in below]
    assert lines[0] == "http://www.example.com:8000 -> /Plone"
    wanted = (
        "http://www.example.com:8000/a -> http 127.0.0.1:3000, not watched",
        "http://www.example.com:8000/h -> static /srv/h",
        "http://e.example.com -> redirect https://www.example.com",
    )
    assert set(wanted) <= set(lines)
    assert len(lines) == len(samples.PLACES) + 2
