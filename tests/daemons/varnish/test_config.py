"""Varnish's files and command."""

from __future__ import annotations

from collective.recipe.productionstack.daemons.varnish import config as varnish
from collective.recipe.productionstack.model.stack import Stack
from collective.recipe.productionstack.plan import announcing
from collective.recipe.productionstack.plan import rendering
from tests.support import samples


def command(stack: Stack) -> tuple[str, ...]:
    """Return how varnishd is started."""
    return varnish.programs(stack)[0].command


def listeners(stack: Stack) -> list[str]:
    """Return the names of what varnishd listens on."""
    words = command(stack)
    return [
        words[number + 1].partition("=")[0]
        for number, word in enumerate(words)
        if word == "-a"
    ]


def test_listeners_are_named() -> None:
    """The VCL tells its listeners apart by their names."""
    assert listeners(samples.STACK) == ["nginx", "cache", "purge"]
    alone = samples.changed(samples.STACK, web_server="none")
    assert listeners(alone) == ["cache", "purge"]


def test_nothing_but_loopback() -> None:
    """The management port is never seen by other machines."""
    words = command(samples.STACK)
    assert words[words.index("-T") + 1].startswith("127.0.0.1:")


def test_health_needs_no_backend() -> None:
    """The purge listener answers a GET by itself: it is up before the clients are."""
    health = varnish.programs(samples.STACK)[0].health
    assert (health.address, health.status) == (samples.STACK.chain.purge, 405)


def test_backend_is_the_next_tier() -> None:
    """Varnish asks HAProxy, or the clients where there is none."""
    text = rendering.tree_of(announcing.complete(samples.STACK)).text_of(
        "varnish/default.vcl"
    )
    assert '.port = "8004"' in text
    without = samples.changed(samples.STACK, load_balancer="none")
    text = rendering.tree_of(announcing.complete(without)).text_of(
        "varnish/default.vcl"
    )
    assert '.port = "8081"' in text
    assert '.port = "8082"' in text
    assert "8004" not in text


def test_starts_from_the_applied_tree() -> None:
    """What buildout generates is not what runs until it is applied."""
    assert "/b/var/stack/applied/varnish" in " ".join(command(samples.STACK))
