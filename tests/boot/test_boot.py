"""Coming up, going down and living on under a systemd that is process 1."""

from __future__ import annotations

from tests.boot.machine import Machine

INWARDS = ["nginx", "varnish", "haproxy"]


def test_a_stack_from_a_login_goes_down_in_order(machine: Machine) -> None:
    assert machine.login("loginctl enable-linger").ok
    said = machine.bin("boot install --systemd")
    assert said.ok, said.text
    said = machine.bin("up")
    assert said.ok, said.text
    seconds = machine.reboot()
    stopped = machine.stopped()
    assert stopped[:3] == INWARDS
    assert set(stopped[3:-1]) == {"one", "two"}
    assert stopped[-1] == "zeo"
    assert seconds < 60
    machine.wait_well()
