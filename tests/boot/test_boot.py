"""Coming up, going down and living on under a systemd that is process 1."""

from __future__ import annotations

from pathlib import Path

import pytest

from collective.recipe.productionstack.machine import waiting
from tests.boot.machine import Machine

OUTER = ["nginx", "varnish", "haproxy"]
CLIENTS = {"one", "two"}
UNIT = "your systemd unit stack-"
AT_LOGOUT = "without lingering systemd stops the site when you log out; root runs once"
OUTSIDE = "what runs now was not started by the unit"


def went_down_in_order(machine: Machine, before: int = 0) -> bool:
    """Whether what was stopped last, but for the first so many, was so in order."""
    stopped = machine.stopped()[before:]
    return (stopped[:3], {*stopped[3:5]}, stopped[5:]) == (OUTER, CLIENTS, ["zeo"])


def install(machine: Machine) -> str:
    said = machine.bin("boot install --systemd")
    assert said.ok, said.text
    assert UNIT in said.output
    return said.text


def up(machine: Machine) -> str:
    said = machine.bin("up")
    assert said.ok, said.text
    return said.text


def is_the_units(machine: Machine) -> bool:
    """Whether the unit looks after supervisord, once it has started all."""
    return waiting.until(
        lambda: machine.unit("MainPID") == str(machine.supervisord()), 20
    )


def kill(machine: Machine, pid: int) -> None:
    assert pid
    assert machine.as_root("kill", "-KILL", str(pid)).ok


def kill_supervisord(machine: Machine) -> None:
    """Kill it and wait for its successor; cron looks once a minute."""
    killed = machine.supervisord()
    kill(machine, killed)
    assert waiting.until(lambda: machine.supervisord() not in {0, killed}, 90)


def pids(machine: Machine) -> dict[str, int]:
    return {one["name"]: one["pid"] for one in machine.state()["programs"]}


def stays_down(machine: Machine, seconds: float = 15) -> bool:
    return not waiting.until(machine.supervisord, seconds, 1)


def test_from_a_login_through_reboots(machine: Machine) -> None:
    """Started by hand it lives in the unit, goes down in order and comes up again."""
    assert AT_LOGOUT not in install(machine)
    text = up(machine)
    assert "nginx" in text
    assert "answers" in text  # what `up` does is seen as ever
    assert is_the_units(machine)
    assert machine.reboot() < 60
    assert went_down_in_order(machine)
    machine.wait_well()
    assert is_the_units(machine)
    # And again, what the unit has started by itself.
    assert machine.bin("restart").ok
    assert machine.bin("reload").ok
    before = len(machine.stopped())
    machine.reboot()
    assert went_down_in_order(machine, before)
    machine.wait_well()


def test_installed_while_it_runs(machine: Machine) -> None:
    up(machine)
    assert OUTSIDE in install(machine)
    assert OUTSIDE in machine.bin("status").output
    assert any(OUTSIDE in text for text in machine.state()["boot"])
    # The unit lets it be, whoever starts it.
    before = machine.supervisord()
    machine.login("systemctl --user start 'stack-*.service'")
    assert machine.unit("ActiveState") != "active"
    assert machine.supervisord() == before
    assert machine.bin("down").ok
    up(machine)
    assert OUTSIDE not in machine.bin("status").output
    assert "boot" not in machine.state()
    assert is_the_units(machine)


def test_without_lingering_it_ends_with_the_login_and_says_so(machine: Machine) -> None:
    # What decides on this for oneself is not everywhere.
    machine.as_root("systemctl", "mask", "--now", "polkit.service")
    with machine.staying():
        assert AT_LOGOUT in install(machine)
        assert AT_LOGOUT in up(machine)
        assert AT_LOGOUT in machine.bin("status").output
        assert any(AT_LOGOUT in text for text in machine.state()["boot"])
        assert is_the_units(machine)
    assert waiting.until(lambda: not machine.supervisord(), 60)
    assert went_down_in_order(machine)
    # As it was told to do: from then on it stays.
    assert machine.as_root("loginctl", "enable-linger", "productionstack").ok
    machine.wait_well()
    assert AT_LOGOUT not in machine.bin("status").output


def test_a_killed_supervisord_comes_back_and_takes_over(machine: Machine) -> None:
    install(machine)
    up(machine)
    before = pids(machine)
    kill_supervisord(machine)
    machine.wait_well()
    after = pids(machine)
    assert all(after[name] != before[name] for name in ("zeo", "one", "nginx"))
    assert is_the_units(machine)
    # Again and again: nothing gives up.
    for _ in range(3):
        kill_supervisord(machine)
    machine.wait_well()


def test_one_killed_client_does_not_take_the_others(machine: Machine) -> None:
    install(machine)
    up(machine)
    assert machine.unit("OOMPolicy") == "continue"
    before = pids(machine)
    kill(machine, before["one"])
    assert waiting.until(lambda: pids(machine)["one"] not in {0, before["one"]}, 20)
    machine.wait_well()
    assert {**pids(machine), "one": 0} == {**before, "one": 0}


def test_what_was_taken_down_stays_down(machine: Machine) -> None:
    install(machine)
    up(machine)
    assert machine.bin("down").ok
    assert machine.unit("ActiveState") == "inactive"
    assert stays_down(machine)
    up(machine)
    # It hangs: `down` has to kill it, which is not to be mended by systemd.
    hangs = machine.supervisord()
    assert machine.as_root("kill", "-STOP", str(hangs)).ok
    said = machine.bin("down")
    assert said.ok, said.text
    assert "killing it" in said.text
    assert stays_down(machine)
    assert machine.unit("ActiveState") == "inactive"


def test_a_shutdown_is_in_time_for_what_hangs(machine: Machine) -> None:
    install(machine)
    up(machine)
    assert machine.unit("TimeoutStopUSec") == "1min 40s"
    # Each has half a minute, which is more than two together.
    frozen = [str(pids(machine)[name]) for name in (*OUTER, "zeo")]
    assert machine.as_root("kill", "-STOP", *frozen).ok
    assert machine.reboot() < 100
    assert went_down_in_order(machine)
    machine.wait_well()


def test_a_shutdown_waits_for_the_verb_of_a_login(machine: Machine) -> None:
    """It ends with that login, but what it was at is stopped in order all the same."""
    install(machine)
    up(machine)
    lock = machine.stack / "var/stack/control.lock"
    with machine.staying(f"exec flock {lock} sh -c 'echo here; exec sleep 1000'"):
        assert "another bin/stack is changing" in machine.bin("down").errors
        machine.power_off()
    assert went_down_in_order(machine)


def test_what_does_not_come_up_goes_down_in_order_all_the_same(
    machine: Machine,
) -> None:
    install(machine)
    var, broken = f"{machine.stack}/var/stack", machine.file("var/stack/two.broken")
    assert machine.login(f"mkdir -p {var} && touch {var}/two.broken").ok
    machine.reboot()
    assert waiting.until(lambda: machine.unit("ActiveState") == "active", 60)
    assert not machine.is_well()
    assert "this client is broken on purpose" in machine.as_root("journalctl").output
    machine.power_off()
    assert machine.stopped() == ["one", "zeo"]
    broken.unlink()
    # And what is just coming up: the client does not answer for long.
    broken.with_name("one.slow").write_text("600")
    machine.boot()
    assert machine.unit("ActiveState") == "activating"
    assert waiting.until(lambda: pids(machine)["one"], 20)
    machine.power_off()
    assert machine.stopped()[2:] == ["one", "zeo"]


def test_a_unit_removed_while_it_runs(machine: Machine) -> None:
    install(machine)
    up(machine)
    first = machine.supervisord()
    assert machine.bin("boot remove").ok
    assert machine.is_well()
    assert machine.supervisord() == first
    assert machine.bin("down").ok
    listed = machine.login("systemctl --user list-units --all --no-legend 'stack-*'")
    assert listed.output == ""
    up(machine)
    assert machine.is_well()


@pytest.mark.parametrize("words", ["boot remove", "boot install"])
def test_what_was_removed_is_not_loaded(machine: Machine, words: str) -> None:
    install(machine)
    assert machine.unit("LoadState") == "loaded"
    said = machine.bin(words)
    assert said.ok, said.text
    listed = machine.login("systemctl --user list-units --all --no-legend 'stack-*'")
    assert listed.output == ""
    assert machine.login("ls ~/.config/systemd/user/*/ | grep stack").output == ""
    machine.login("crontab -r")


def test_with_cron(machine: Machine) -> None:
    said = machine.bin("boot install")
    assert said.ok, said.text
    machine.reboot()
    machine.wait_well(90)
    kill_supervisord(machine)
    # By then all answers, and `up` is about to end.
    machine.wait_well(90)
    assert waiting.until(lambda: machine.bin("down").ok, 30)
    assert stays_down(machine, 70)
    assert not Path(machine.root / "var/mail/productionstack").exists()


def test_by_cron_or_su_too_it_goes_through_the_unit(machine: Machine) -> None:
    install(machine)
    said = machine.as_user(f"{machine.stack}/bin/stack", "up")
    assert said.ok, said.text
    assert is_the_units(machine)
