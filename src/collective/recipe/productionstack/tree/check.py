"""Ask the daemons whether they accept a tree, on a copy that touches nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from collective.recipe.productionstack.machine import run
from collective.recipe.productionstack.machine import scratch as scratches
from collective.recipe.productionstack.machine.net import openssl
from collective.recipe.productionstack.machine.net import tls
from collective.recipe.productionstack.machine.run import Result
from collective.recipe.productionstack.model.announced import Check
from collective.recipe.productionstack.model.site import CHAIN_FILE
from collective.recipe.productionstack.model.site import KEY_FILE
from collective.recipe.productionstack.model.stack import Stack
from collective.recipe.productionstack.tree import trees

ORIGIN = re.compile(r"(?<!for )\[[^\]]+\] [a-z][a-z-]*")
LINE_NUMBER = re.compile(
    r"([\w./-]+\.(?:conf|cfg|vcl))\D{1,12}(\d+)|'?[Ll]ine (\d+)(?: of ([\w./-]+))?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one daemon says: ``ok``, ``missing``, ``old`` or ``refused``."""

    service: str
    state: str
    text: str = ""

    @property
    def ok(self) -> bool:
        """Whether the daemon is there and accepts the files."""
        return self.state == "ok"


def verdicts(stack: Stack, folder: Path) -> Iterator[Verdict]:
    """Yield every daemon's verdict on the tree in a folder; all are asked at once."""
    with ThreadPoolExecutor() as pool:
        yield from pool.map(partial(_verdict, folder=folder), stack.announced.checks)


def daemons(stack: Stack) -> dict[str, str]:
    """Return the identity of each daemon that is there, without running any."""
    found = {check.daemon: run.find(check.daemon) for check in stack.announced.checks}
    return {name: run.identity(path) for name, path in sorted(found.items()) if path}


def _verdict(check: Check, folder: Path) -> Verdict:
    program = run.find(check.daemon)
    if program is None:
        return _missing(check)
    old = _too_old(check, program)
    if old:
        return Verdict(service=check.service, state="old", text=old)
    if check.made_later and run.find(openssl.PROGRAM) is None:
        hint = openssl.PACKAGE_HINT
        return Verdict(service=check.service, state="missing", text=hint)
    return _ask(check, program, folder)


def _missing(check: Check) -> Verdict:
    package = check.package or check.daemon
    hint = f"{check.daemon} is not installed; on Debian: apt-get install {package}"
    return Verdict(service=check.service, state="missing", text=hint)


def _too_old(check: Check, program: str) -> str:
    version = version_of(program, check.version_argument)
    if version >= check.minimum:
        return ""
    said, wanted = (".".join(map(str, numbers)) for numbers in (version, check.minimum))
    return f"{program} is version {said or 'unknown'}, at least {wanted} is needed"


def _ask(check: Check, program: str, folder: Path) -> Verdict:
    with scratches.folder() as scratch:
        copied = scratch / "tree"
        (scratch / "var").mkdir()
        (scratch / "log").mkdir()
        places = {"{tree}": str(copied), "{scratch}": str(scratch)}
        trees.copy(
            folder / check.service,
            copied / check.service,
            [
                *((old, _fill(new, places)) for old, new in check.replace),
                *_stand_ins(check, scratch),
            ],
        )
        command = (program, *(_fill(word, places) for word in check.command[1:]))
        result = run.run(command, timeout=60, cwd=scratch)
        complaint = _complaint(check, result)
        if not complaint:
            return Verdict(service=check.service, state="ok")
        # The tree that is asked is often not the live one, and soon gone.
        text = complaint.replace(f"{copied}/", "")
        for old, new in check.replace:
            text = text.replace(_fill(new, places), old)
        text += _origin(complaint, copied, check.service)
        text += "".join(f"\n{what}" for word, what in check.remedies if word in text)
        return Verdict(service=check.service, state="refused", text=text)


def _stand_ins(check: Check, scratch: Path) -> Iterator[tuple[str, str]]:
    """Yield what stands for certificates that `up` makes, or that have to be got."""
    absent = [pair for pair in check.made_later if tls.unusable(*pair)]
    if absent:
        openssl.self_signed(scratch, ("localhost",), CHAIN_FILE, KEY_FILE)
    for chain, key in absent:
        yield chain, str(scratch / CHAIN_FILE)
        yield key, str(scratch / KEY_FILE)


def _complaint(check: Check, result: Result) -> str:
    """Return what the daemon objects to, or nothing."""
    lines = [
        line
        for line in result.text.splitlines()
        if line.strip() and not any(word in line for word in check.harmless)
    ]
    if result.ok and check.complains:
        lines = [line for line in lines if re.search(check.complains, line)]
    elif result.ok:
        lines = []
    if not result.ok and not lines:
        lines = [f"{check.daemon} ended with status {result.status}"]
    return "\n".join(lines[-12:])


def _origin(complaint: str, folder: Path, service: str) -> str:
    """Name the option behind the line that the daemon complains about."""
    for found in LINE_NUMBER.finditer(complaint):
        name = Path(found[1] or found[4] or "").name
        number = int(found[2] or found[3])
        for path in sorted((folder / service).rglob(name or "*")):
            lines = (
                path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
            )
            for line in reversed(lines[max(0, number - 12) : number]):
                if origin := ORIGIN.search(line):
                    return f"\nThat line comes from {origin[0]}."
    return ""


def _fill(text: str, places: dict[str, str]) -> str:
    for place, value in places.items():
        text = text.replace(place, value)
    return text


def missing(stack: Stack) -> Iterator[Verdict]:
    """Yield a verdict for each daemon that is not there, without running any."""
    for check in stack.announced.checks:
        if run.find(check.daemon) is None:
            yield _missing(check)


def versions(
    versioned: Mapping[str, tuple[str, str]], known: Mapping[str, Any]
) -> dict[str, tuple[int, ...]]:
    """Return the versions of daemons, asked with the argument that is given for each.

    ``known`` holds ``daemons`` (identities) and ``versions`` of an earlier run; a
    daemon whose file is the same since then is not asked again.
    """
    found = {}
    for service, (daemon, argument) in versioned.items():
        program = run.find(daemon)
        if program is None:
            continue
        same = known.get("daemons", {}).get(daemon) == run.identity(program)
        if same and service in known.get("versions", {}):
            found[service] = tuple(known["versions"][service])
        else:
            found[service] = version_of(program, argument)
    return found


def version_of(program: str, argument: str) -> tuple[int, ...]:
    """Return what a daemon says of its version, empty when it cannot be read."""
    said = re.search(r"\d+(?:\.\d+)+", run.run((program, argument), timeout=10).text)
    return tuple(int(number) for number in said[0].split(".")) if said else ()
