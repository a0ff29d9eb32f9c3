"""``bin/stack purge`` on a real Varnish."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from collective.recipe.productionstack.ctl.main import main
from tests.daemons.stage import Stage
from tests.daemons.stage import ask

pytestmark = pytest.mark.usefixtures("daemons")

TWO = "/VirtualHostBase/http/two.example.com:80/Site2/VirtualHostRoot"
PATHS = (
    "/",
    "/news",
    "/news?b_start:int=20",
    "/++api++/news",
    "/news/a",
    "/newsletter",
)
SCALE = "/news/@@images/image-800-abc.jpeg"


@pytest.fixture(scope="module")
def running() -> Iterator[Stage]:
    with Stage(load_balancer="none", clients=1) as one:
        yield one.start("varnish")


@pytest.fixture
def cache(running: Stage) -> Stage:
    """Give a Varnish that has stored all paths of two sites."""
    running.plone.forget()
    for _ in range(2):
        found = stored(running)
    assert set(found.values()) == {"HIT"}
    return running


def stored(cache: Stage) -> dict[str, str | None]:
    """Ask for every path once; return what the cache did."""
    found = {path: cache.cache(path).result for path in (*PATHS, SCALE)}
    found["two"] = ask(cache.stack.chain.cache, "GET", f"{TWO}/news").result
    return found


def gone(cache: Stage) -> set[str]:
    """Return what is stored no more."""
    return {path for path, result in stored(cache).items() if result == "MISS"}


def purge(cache: Stage, *words: str) -> int:
    """Run the verb; return its exit status."""
    with pytest.raises(SystemExit) as left:
        main(str(cache.top), "stack", ["purge", *words])
    return int(left.value.code or 0)


NEWS = {"/news", "/news?b_start:int=20", "/++api++/news", SCALE}
ALL = {*PATHS, SCALE}


@pytest.mark.parametrize(
    ("words", "dropped"),
    [
        # what holds it goes too: it lists its title
        (["http://www.example.com/news"], {"/", *NEWS}),
        (["https://old.example.com:8443/news/?x=y#z"], {"/", *NEWS}),
        (["--site", "www.example.com", "//news"], {"/", *NEWS}),
        (["http://www.example.com/news/*"], {"/news/a"}),
        (["http://www.example.com/news*"], ALL - {"/"}),
        (["http://EXAMPLE.com/*/a"], {"/news/a"}),
        (["http://www.example.com/n.ws*"], set()),
        (["http://www.example.com/(news)*"], set()),
        (
            ["http://www.example.com/news*", "http://two.example.com/*"],
            {*ALL, "two"} - {"/"},
        ),
        (["--site", "example.com"], ALL),
        (["--site", "zwei.example.com"], {"two"}),
        (["--everything", "--yes"], {*ALL, "two"}),
    ],
)
def test_what_is_dropped(cache: Stage, words: list[str], dropped: set[str]) -> None:
    assert purge(cache, *words) == 0

    assert gone(cache) == dropped


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["http://other.example.com/"], "other.example.com is no host of this stack"),
        (["/news"], "of which site? Write --site HOST"),
        (["news"], "no address"),
        (["ftp://www.example.com/"], "no address"),
        (["http://[www.example.com/"], "no address"),
        (["http://www.example.com/" + "x" * 9000], "longer than"),
        (["http://www.example.com/news", "nonsense"], "no address"),
        (["--everything"], "nobody is there to ask"),
        (["--everything", "/news"], "say what to drop"),
        ([], "say what to drop"),
    ],
)
def test_what_is_refused_drops_nothing(
    cache: Stage, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert purge(cache, *words) in {1, 2}

    assert said in capsys.readouterr().err
    assert gone(cache) == set()


@pytest.mark.parametrize(
    "evil",
    [
        '/x" || obj.status != 0',
        "/x*&&obj.status!=0",
        "/x* || obj.http.X-PS-Owner ~ .",
        '/x*" "obj.status" "!=" "0',
        "/x*\nban obj.status != 0\n",
        "/x*\\",
        "/x*|/news",
        "/x*)|(.*",
        "/x*[",
        "/\xe4*\x00",
        "/x* << END",
    ],
)
def test_no_address_is_read_as_more_than_an_address(cache: Stage, evil: str) -> None:
    assert purge(cache, "--site", "www.example.com", evil) in {0, 1}

    # Only the folder that would hold the first of them, the front page, may go.
    assert gone(cache) <= {"/"}


def test_the_letters_of_an_address_are_found(cache: Stage) -> None:
    paths = ("/a%20b", "/%C3%A4", "/a(1),b@c$", "/x[1]")
    for path in paths * 2:
        cache.cache(path)
    assert (
        purge(cache, "--site", "www.example.com", "/a b", "/ä", "/a(1),b@c$*", "/x[1]*")
        == 0
    )

    assert {path: cache.cache(path).result for path in paths} == dict.fromkeys(
        paths, "MISS"
    )


def test_a_varnish_that_is_away_is_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with Stage(load_balancer="none", clients=1) as one:
        for words in (["http://www.example.com/"], ["--site", "www.example.com"]):
            assert purge(one, *words) == 1
            assert "See bin/stack status" in capsys.readouterr().err
