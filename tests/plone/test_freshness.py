"""An editor changes something; what do visitors see, whoever serves and keeps it?"""

from __future__ import annotations

import json
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import AbstractContextManager
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial

import pytest

from tests.support import exchanging
from tests.support.plonesite import HOST
from tests.support.plonesite import TWO
from tests.support.plonesite import Editor
from tests.support.plonesite import Page
from tests.support.plonesite import PloneSite
from tests.support.visiting import AT_ONCE
from tests.support.visiting import READ_JSON
from tests.support.visiting import View
from tests.support.visiting import all_hidden
from tests.support.visiting import all_show
from tests.support.visiting import change
from tests.support.visiting import in_folder
from tests.support.visiting import is_hidden
from tests.support.visiting import look
from tests.support.visiting import picture
from tests.support.visiting import shows
from tests.support.visiting import transition
from tests.support.visiting import views
from tests.support.visiting import warm


@dataclass(frozen=True)
class Chained:
    """The site behind one chain; ``name`` begins the names of what is made there."""

    site: PloneSite
    name: str

    @property
    def later(self) -> float:
        """Return the seconds after which what Plone does not name is fresh, too.

        Varnish finds it by what it shows; nginx keeps it for a minute.
        """
        return 62.0 if self.name == "one" else AT_ONCE

    def warm(self, wanted: list[View]) -> None:
        """See that all is kept which this chain keeps: nginx keeps no JSON."""
        pages = [one for one in wanted if not one[2] and "++api++" not in one[1]]
        warm(self.site, pages if self.name == "one" else wanted)


CHAINS: dict[str, Callable[[PloneSite], AbstractContextManager[object]]] = {
    "usual": nullcontext,
    "apache": exchanging.apache,
    "one": exchanging.nginx_alone,
}


@pytest.fixture(
    scope="module",
    params=[
        "usual",
        pytest.param("apache", marks=pytest.mark.slow),
        pytest.param("one", marks=pytest.mark.slow),
    ],
)
def chained(plone: PloneSite, request: pytest.FixtureRequest) -> Iterator[Chained]:
    """Give the site behind each chain, one after the other."""
    plone.settle()
    with CHAINS[request.param](plone):
        plone.stack("plone-caching").good()
        yield Chained(plone, request.param)


@pytest.fixture
def site(chained: Chained) -> PloneSite:
    return chained.site


@pytest.fixture
def writer(site: PloneSite, editor_account: tuple[str, str]) -> Editor:
    """Give an editor who has just logged in."""
    return Editor(site, *editor_account)


@pytest.fixture
def others(chained: Chained, site: PloneSite) -> Iterator[None]:
    """See that what nobody changed is still in the cache afterwards."""
    if site.api("GET", "/bystander").status != 200:
        site.make("Document", "bystander")
    kept: list[View] = [(TWO, "/", ()), (TWO, "/sitemap", ()), (HOST, "/bystander", ())]
    chained.warm(kept)
    yield
    if chained.later == AT_ONCE:  # nginx has kept nothing for longer than a minute
        every = {view: look(site, view).cache for view in kept}
        assert every == dict.fromkeys(kept, "HIT")


def test_an_edit(
    chained: Chained, site: PloneSite, writer: Editor, others: None
) -> None:
    folder = f"{chained.name}-editing"
    path = in_folder(site, folder, "Document", "paper")
    parent: View = (HOST, f"/{folder}", ())
    wanted = [*views(path), *views(f"/{folder}")]
    chained.warm(wanted)

    writer.edit(path, "Quite another title")

    all_show(site, views(path), "Quite another title")
    shown = partial(shows, site, parent, "Quite another title")
    site.wait(shown, chained.later, "the title in its folder")
    chained.warm(wanted)


def test_publish_retract_and_delete(
    chained: Chained, site: PloneSite, writer: Editor, others: None
) -> None:
    folder = f"{chained.name}-states"
    path = in_folder(site, folder, "Document", "page")
    listing: View = (HOST, f"/{folder}", ())
    chained.warm([*views(path), listing])
    assert shows(site, listing, "Title of page")

    transition(writer, path, "retract")
    all_hidden(site, views(path))
    site.wait(lambda: not shows(site, listing, "Title of page"), AT_ONCE, "listing")

    transition(writer, path, "publish")
    all_show(site, [*views(path), listing], "Title of page")
    chained.warm([*views(path), listing])

    change(writer, "DELETE", path, {})
    all_hidden(site, views(path))
    site.wait(lambda: not shows(site, listing, "Title of page"), AT_ONCE, "listing")


def unique(page: Page) -> str:
    """Return the scale with a name of its own that a page links to."""
    image = json.loads(page.text)["image"]
    address = str(image["scales"]["preview"]["download"])
    return "/" + address.split("/", 3)[3]


def test_a_new_image(
    chained: Chained, site: PloneSite, writer: Editor, others: None
) -> None:
    folder = f"{chained.name}-gallery"
    path = in_folder(site, folder, "Image", "pic", image=picture("red"))
    as_json: View = (HOST, path, tuple(READ_JSON.items()))
    # The other client learns of it from ZEO a moment later.
    site.wait(lambda: look(site, as_json).status == 200, AT_ONCE, "the image")
    first = unique(look(site, as_json))
    scales = [f"{path}/@@images/image/mini", f"{path}/@@images/image", path, first]
    wanted: list[View] = [(HOST, scale, ()) for scale in scales]
    chained.warm(wanted)
    before = {view: look(site, view).body for view in wanted}
    assert all(before.values())

    change(writer, "PATCH", path, {"image": picture("blue")})

    for view in wanted[:3]:
        done = partial(_differs, site, view, before[view])
        site.wait(done, AT_ONCE, f"the new image at {view}")
    # Each address has a PURGE of its own, one after the other.
    site.wait(lambda: unique(look(site, as_json)) != first, AT_ONCE, "a new name")
    second = unique(look(site, as_json))
    assert look(site, (HOST, second, ())).status == 200
    # nginx may show what it kept to the end of that second.
    old = wanted[3]
    site.wait(lambda: look(site, old).cache != "HIT", chained.later, "the old one go")

    wanted[3] = (HOST, second, ())
    chained.warm(wanted)
    change(writer, "DELETE", path, {})
    all_hidden(site, wanted[:3])
    site.wait(lambda: is_hidden(site, wanted[3]), chained.later, "the scale hidden")


def _differs(site: PloneSite, view: View, body: bytes) -> bool:
    page = look(site, view)
    return page.status == 200 and page.body != body


def test_a_rename(
    chained: Chained, site: PloneSite, writer: Editor, others: None
) -> None:
    folder = f"{chained.name}-moving"
    path = in_folder(site, folder, "Document", "old")
    listing: View = (HOST, f"/{folder}", ())
    chained.warm([*views(path), listing])

    change(writer, "PATCH", path, {"id": "new"})

    all_show(site, views(f"/{folder}/new"), "Title of old")
    site.wait(
        lambda: shows(site, listing, f"/{folder}/new"),
        AT_ONCE,
        "the listing",
    )
    # The old one is dropped by nobody, but not for longer than its time.
    old = site.get(f"{path}", port=site.base + 2, host=HOST)
    assert old.status in {200, 404}
    assert "s-maxage" not in old.headers.get("Cache-Control", "")
