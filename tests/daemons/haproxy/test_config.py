"""HAProxy's file."""

from __future__ import annotations

import dataclasses
import re

from collective.recipe.productionstack.model.address import Address
from collective.recipe.productionstack.model.stack import Stack
from collective.recipe.productionstack.plan import announcing
from collective.recipe.productionstack.plan import rendering
from tests.support import samples


def text_of(stack: Stack) -> str:
    """Return the rendered file."""
    return rendering.tree_of(announcing.complete(stack)).text_of("haproxy/haproxy.cfg")


def test_servers_are_the_clients() -> None:
    """Servers are named like the parts, and the debug client is none of them."""
    servers = re.findall(
        r"(?m)^ +server (\S+) ([\d.:]+) .*maxconn (\d+)", text_of(samples.STACK)
    )
    assert servers == [
        ("instance1", "127.0.0.1:8081", "2"),
        ("instance2", "127.0.0.1:8082", "2"),
    ]


def test_zeo_is_asked_too() -> None:
    """A client without its database is not healthy."""
    assert 'connect addr "unix@/s/zeoserver.sock"' in text_of(samples.STACK)


def test_zeo_that_logs_every_connection_is_not_asked() -> None:
    """Three lines a second in ZEO's log are worse than the check is good."""
    loud = dataclasses.replace(samples.STORAGE, quiet_log=False)
    text = text_of(samples.changed(samples.STACK, storage=loud))
    assert "zeoserver.sock" not in text


def test_zeo_on_every_interface_is_asked_on_loopback() -> None:
    """A wildcard is nothing to connect to."""
    public = dataclasses.replace(samples.STORAGE, address=Address("0.0.0.0", 8100))
    text = text_of(samples.changed(samples.STACK, storage=public))
    assert "connect addr 127.0.0.1 port 8100" in text


def test_no_user_no_chroot() -> None:
    """It runs as the user of the buildout; such lines would make it fail."""
    assert not re.search(r"(?m)^ +(user|group|chroot|daemon)\b", text_of(samples.STACK))


def test_lines_name_their_option() -> None:
    """A line that an option made says which."""
    assert "bind 127.0.0.1:8004 # [stack] balancer-address" in text_of(samples.STACK)
