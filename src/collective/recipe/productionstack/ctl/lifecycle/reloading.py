"""``reload`` and ``rollback``: another configuration without dropping a request."""

from __future__ import annotations

import time
from collections.abc import Iterable
from collections.abc import Sequence
from pathlib import Path

from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.ctl.lifecycle import intruders
from collective.recipe.productionstack.ctl.lifecycle import restarting
from collective.recipe.productionstack.ctl.lifecycle import signalling
from collective.recipe.productionstack.ctl.lifecycle import start_record
from collective.recipe.productionstack.ctl.lifecycle import survey
from collective.recipe.productionstack.ctl.lifecycle.starting import Starter
from collective.recipe.productionstack.ctl.lifecycle.survey import Survey
from collective.recipe.productionstack.ctl.screen import Steps
from collective.recipe.productionstack.daemons import certificates
from collective.recipe.productionstack.daemons import health
from collective.recipe.productionstack.daemons import pairs
from collective.recipe.productionstack.daemons.supervisor import control as supervisor
from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.machine import waiting
from collective.recipe.productionstack.model.announced import RESTART
from collective.recipe.productionstack.model.announced import Program
from collective.recipe.productionstack.model.stack import Stack
from collective.recipe.productionstack.tree import check
from collective.recipe.productionstack.tree import diff
from collective.recipe.productionstack.tree.check import Verdict

RESTART_SECONDS = 30.0
SHOWN_SECONDS = 10.0


def reload(control: Control) -> int:
    """Apply the generated tree; return 1 while something needs a restart."""
    stack = control.generated()
    if stack.alone:
        return _reload_alone(control, stack)
    old = control.newest()
    seen = survey.take(old)
    _refuse_stopped(control, seen)
    intruders.refuse_taken(control, old, stack, seen)
    pairs.make_missing(stack)
    before = control.trees.applied()
    renewed = certificates.behind(stack)
    if renewed or before != control.trees.current():
        _refuse_faults(control, stack)
    control.trees.apply()
    _start_inner(control, stack, seen, before)
    ordered = stack.announced.programs
    if len(stack.frontends) < len(old.frontends):
        # Nobody is to be sent to what the tiers behind know no more.
        ordered = ordered[::-1]
    done = _take_in(control, stack, seen, before, ordered, renewed=bool(renewed))
    changes = supervisor.adopt(survey.connect(stack))
    return _conclude(control, stack, seen, done, changes.removed)


def _start_inner(
    control: Control, stack: Stack, seen: Survey, before: Path | None
) -> None:
    """Let what makes pages, or stands before that, run before visitors are sent there.

    A balancer that leaves serves on: both may listen (SO_REUSEPORT).
    """
    every = stack.announced.programs
    new = [one for one in every if _is_inner(stack, one) and not seen.pid(one.name)]
    if not new:
        return
    running = survey.connect(stack)
    supervisor.adopt(running)
    deadline = time.monotonic() + RESTART_SECONDS
    try:
        with control.screen.steps() as steps:
            Starter(control, stack, running, steps, deadline).start(new)
    except ControlError as error:
        raise _gone_back(control, stack, (), before, error) from error


def _is_inner(stack: Stack, program: Program) -> bool:
    """Whether visitors are sent there by what stands before it."""
    return program.is_frontend or program.kind in stack.chain.inner


def take_certificates(control: Control) -> list[str]:
    """Let the web server take in certificates that were renewed, and nothing else.

    Return their files. Raises ControlError where it refuses: it serves on with the
    old ones.
    """
    stack = control.newest()
    renewed = certificates.behind(stack)
    folder = control.trees.applied()
    if not renewed or folder is None:
        return []
    if shown := refused_as_it_runs(control, stack):
        message = (
            f"what was renewed is refused; the old certificate serves on.\n{shown}"
        )
        raise ControlError(f"{message}\nMend that, then try again.")
    for program in stack.announced.programs:
        if program.kind == stack.chain.web_server:
            signalling.reload(stack, program)
    _see_certificates(stack)
    return renewed


def refused_as_it_runs(control: Control, stack: Stack) -> str:
    """Return what daemons have against the applied configuration, else nothing."""
    folder = control.trees.applied()
    verdicts = check.verdicts(stack, folder) if folder else ()
    return "\n".join(
        f"{one.service}: {one.text}" for one in verdicts if one.state == "refused"
    )


def _see_certificates(stack: Stack) -> None:
    """See that visitors get what was renewed; old workers may answer for a moment."""
    if not waiting.until(lambda: not certificates.behind(stack), SHOWN_SECONDS):
        message = (
            f"visitors still get another certificate than {certificates.behind(stack)} "
            "after a reload. A template of yours may name another file."
        )
        raise ControlError(message)


def _refuse_stopped(control: Control, seen: Survey) -> None:
    if not seen.answers or seen.is_empty:
        message = (
            "nothing runs under supervisord, so there is nothing to reload. "
            f"Run {control.script} up, which starts with the generated configuration."
        )
        raise ControlError(message)


def _refuse_faults(control: Control, stack: Stack) -> None:
    verdicts = [one for one in refusals(control, stack) if one.state != "missing"]
    if verdicts:
        shown = "\n".join(f"{one.service}: {one.text}" for one in verdicts)
        message = (
            f"the configuration is refused; nothing was changed.\n{shown}\n"
            "Mend that in buildout.cfg, run bin/buildout, then "
            f"{control.script} reload again."
        )
        raise ControlError(message)


def _take_in(  # noqa: PLR0913 (what, seen how, before what, and in which order)
    control: Control,
    stack: Stack,
    seen: Survey,
    before: Path | None,
    ordered: Sequence[Program],
    *,
    renewed: bool,
) -> list[str]:
    """Let each running daemon read its files again; all go back if one refuses."""
    known = start_record.load(stack)
    done: list[Program] = []
    with control.screen.steps() as steps:
        for program in ordered:
            old = renewed and program.kind == stack.chain.web_server
            if old or _is_behind(stack, program, seen, known):
                try:
                    _reload_one(control, stack, program, steps)
                except ControlError as error:
                    raise _gone_back(
                        control, stack, [*done, program], before, error
                    ) from error
                done.append(program)
    for program in done:
        start_record.refresh(stack, program)
    if renewed:
        _see_certificates(stack)
        control.screen.say("reload: visitors get the renewed certificate")
    return [program.name for program in done]


def _is_behind(
    stack: Stack, program: Program, seen: Survey, known: dict[str, object]
) -> bool:
    """Whether a reload brings a running program nearer to the applied tree."""
    info = seen.infos.get(program.name)
    if not program.reload or info is None or not info.is_up:
        return False
    entry = known.get(program.name)
    if not isinstance(entry, dict):
        return True
    now = start_record.look(stack, program, Path(stack.folders.applied).resolve())
    return bool(now["tree"] != entry.get("tree"))


def _reload_one(control: Control, stack: Stack, program: Program, steps: Steps) -> None:
    if program.reload == RESTART:
        restarting.restart(control, stack, program, steps, RESTART_SECONDS)
        return
    steps.begin(program.name, "reloading")
    signalling.reload(stack, program)
    steps.done(program.name, "reloaded")


def _gone_back(
    control: Control,
    stack: Stack,
    told: Iterable[Program],
    before: Path | None,
    error: ControlError,
) -> ControlError:
    """Apply the old tree again; return what to tell the user."""
    if before is None or before == control.trees.current():
        return error
    control.trees.apply(before)
    for program in (one for one in told if one.reload != RESTART):
        try:
            signalling.reload(stack, program)
        except ControlError as trouble:
            control.screen.warn(f"{program.name}: {trouble}")
    return ControlError(
        f"{error}\nThe old configuration is applied again and serves on. Mend the "
        f"cause, run bin/buildout, then {control.script} reload again."
    )


def _conclude(
    control: Control,
    stack: Stack,
    seen: Survey,
    done: list[str],
    removed: Iterable[str],
) -> int:
    script = control.script
    left = [
        f"{name} must be restarted ({', '.join(one.reasons)}): "
        f"{start_record.how_to_restart(control, stack, name)}"
        for name, one in sorted(start_record.stale(stack, survey.take(stack)).items())
    ]
    left += [
        f"{program.name} is new: {script} up starts it"
        for program in stack.announced.programs
        if not (program.standby or _is_inner(stack, program) or seen.pid(program.name))
    ]
    left += [
        f"{name} is no longer part of the stack but runs: {script} up ends it"
        for name in removed
        if seen.pid(name)
    ]
    control.screen.tell(
        f"reload: {', '.join(done)} took the new configuration in"
        if done
        else "reload: no running daemon had anything to take in"
    )
    for line in left:
        control.screen.fail(line)
    return 1 if left else 0


def _reload_alone(control: Control, stack: Stack) -> int:
    """Reload the one daemon whose configuration this part writes."""
    before = control.trees.applied()
    names = sorted(diff.changed(before, control.trees.current()))
    _refuse_faults(control, stack)
    control.trees.apply()
    shown = ", ".join(names) or "nothing changed"
    control.screen.tell(f"reload: applied ({shown})")
    for program in stack.announced.programs:
        if health.probe(program.health, 1) != health.OK:
            command = " ".join(program.command)
            control.screen.tell(f"{program.name} does not run; start it: {command}")
            continue
        try:
            signalling.reload(stack, program)
        except ControlError as error:
            raise _gone_back(control, stack, [program], before, error) from error
    return 0


def refusals(control: Control, stack: Stack) -> list[Verdict]:
    """Return the verdicts that stand against a reload."""
    return [one for one in check.verdicts(stack, generated_tree(control)) if not one.ok]


def generated_tree(control: Control) -> Path:
    """Return the folder of the generated tree."""
    folder = control.trees.current()
    assert folder is not None  # noqa: S101 (generated() has looked)
    return folder
