"""Several ZEO servers, and several stacks, in one buildout."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from collective.recipe.productionstack.ctl.backups import restoring
from collective.recipe.productionstack.ctl.backups.report import VerifySettings
from collective.recipe.productionstack.daemons import registry
from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.model.address import Address
from collective.recipe.productionstack.model.storage import Storage
from collective.recipe.productionstack.plan import advice
from collective.recipe.productionstack.plan import stacks
from collective.recipe.productionstack.plan.facts import Facts
from collective.recipe.productionstack.plan.stacks import Part
from tests.support import samples


def storage(name: str) -> Storage:
    base = samples.STACK.data.storage
    assert base is not None
    return dataclasses.replace(
        base,
        name=name,
        address=Address(path=f"/s/{name}.sock"),
        data_file=f"/b/var/filestorage/{name}.fs",
        blob_dir=f"/b/var/blobs-{name}",
        pack_script=f"/b/bin/zeopack-{name}",
    )


def test_a_stack_does_not_run_the_database_of_another() -> None:
    clients = {one.name: one for one in (samples.client(1), samples.client(2))}
    facts = Facts(
        directory="/b",
        bin="/b/bin",
        clients=clients,
        storages={name: storage(name) for name in ("zeoa", "zeob")},
    )
    parts = [
        Part(
            name=name,
            entry=registry.WHOLE,
            section={
                "sites": f"{name}.example.com /{name}",
                "clients": client,
                "zeoserver": server,
                "port-base": base,
            },
        )
        for name, client, server, base in (
            ("a", "instance1", "zeoa", "9000"),
            ("b", "instance2", "zeob", "9100"),
        )
    ]
    built, problems = stacks.stacks(parts, facts)
    assert problems == []
    for name, ours, theirs in (("a", "zeoa", "zeob"), ("b", "zeob", "zeoa")):
        names = {one.name for one in built[name][0].announced.programs}
        assert ours in names
        assert theirs not in names


def test_a_restore_goes_on_without_a_database_beside_but_never_without_any() -> None:
    main, beside = samples.BACKUP, storage("media")
    other = dataclasses.replace(main, name="backup-media", data_file=beside.data_file)
    stack = samples.changed(others=(beside,), backups=(other,))
    with pytest.raises(ControlError, match="no backup of that time at all"):
        restoring.choose(stack, VerifySettings())
    both = samples.changed(others=(beside,), backups=(other, main))
    with pytest.raises(ControlError, match=r"\[backup\] has no backup yet"):
        restoring.choose(both, VerifySettings())


def test_an_own_way_to_cache_is_not_answered_before(tmp_path: Path) -> None:
    facts = Facts(
        directory=str(tmp_path),
        bin=f"{tmp_path}/bin",
        clients={"instance1": samples.client(1)},
        storages={"zeoserver": storage("zeoserver")},
    )
    section = {"sites": "www.example.com /Plone", "clients": "instance1"}

    def kept(**more: str) -> tuple[str, str]:
        part = Part(name="stack", entry=registry.WHOLE, section={**section, **more})
        built, problems = stacks.stacks([part], facts)
        assert problems == []
        stack, _ = built["stack"]
        asked = section | dict.fromkeys(more, "")
        said = advice.warnings(stack, given=lambda _, option: option in asked)
        return stack.front.micro_cache, "".join(said)

    (tmp_path / "templates/nginx").mkdir(parents=True)
    (tmp_path / "templates/nginx/maps.conf.j2").touch()
    assert kept()[0] == "on"
    (tmp_path / "templates/varnish").mkdir()
    (tmp_path / "templates/varnish/default.vcl.j2").touch()
    off, said = kept()
    assert off == "off"
    assert "micro-cache: off" in said
    on, said = kept(**{"micro-cache": "on"})
    assert on == "on"
    assert "micro-cache" not in said
