"""Create the Plone site that a stack serves.

Makes each site of the part's `sites` that is not in the database yet, through the
debug client: Classic UI, English, a front page. One that is there is left alone.
Language and content can be changed in Plone later, the path and the distribution
cannot.

\b
Example: bin/stack create-site
         bin/stack create-site --title "Town of Example" --language de
         bin/stack create-site --id /Plone --distribution volto
"""

from __future__ import annotations

import json
from typing import Any

import click

from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.ctl.plone import ask
from collective.recipe.productionstack.errors import ControlError
from collective.recipe.productionstack.errors import printable
from collective.recipe.productionstack.model.site import Site
from collective.recipe.productionstack.model.site import readable
from collective.recipe.productionstack.model.stack import Stack

GOOD = ("created", "there")


@click.command("create-site", help=__doc__)
@click.option("--id", "path", metavar="PATH", help="The one site to create, /Plone.")
@click.option("--title", help="Shown on each page; by itself the host's name.")
@click.option("--language", default="en", show_default=True, help="As in de or pt-br.")
@click.option(
    "--distribution",
    default="classic",
    show_default=True,
    help="What it is made from: classic, or volto where Volto shows it.",
)
@click.option("--no-content", is_flag=True, help="Make no example pages.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@click.pass_obj
def command(control: Control, /, **asked: Any) -> int:
    with control.lock():
        # A site may be made before it is served.
        stack = control.generated()
        sites = _chosen(stack, asked["path"])
        client = ask.client(control, stack)
        wanted = _wanted(sites, asked)
        if asked["as_json"]:
            found = ask.ask(stack, client, "creating", wanted)
        else:
            with control.screen.steps() as steps:
                steps.begin(client.name, "asking Plone")
                found = ask.ask(stack, client, "creating", wanted)
                steps.done(client.name, "asked Plone")
    if found["trouble"]:
        raise ControlError(_refused(found["trouble"], asked))
    states: dict[str, str] = found["sites"]
    if asked["as_json"]:
        control.screen.say(json.dumps({"sites": states}))
    else:
        _say(control, stack, sites, states)
    return 0 if set(states.values()) <= set(GOOD) else 1


def _chosen(stack: Stack, path: str | None) -> list[Site]:
    """Return the sites to look at; ControlError for a path that none of them has."""
    sites = ask.sites(stack)
    if path is None:
        return sites
    wanted = f"/{path.strip('/')}"
    found = [site for site in sites if site.path == wanted]
    if not found:
        known = ", ".join(site.path for site in sites) or "none"
        message = (
            f"--id {path}: [{stack.name}] serves no such site (it serves {known}). "
            f"Add HOST {wanted} to its sites, and run bin/buildout."
        )
        raise ControlError(message)
    return found


def _wanted(sites: list[Site], asked: dict[str, Any]) -> dict[str, Any]:
    return {
        "paths": [site.path for site in sites],
        "titles": {site.path: asked["title"] or readable(site.host) for site in sites},
        "language": asked["language"].lower(),
        "distribution": asked["distribution"],
        "content": not asked["no_content"],
    }


def _refused(trouble: str, asked: dict[str, Any]) -> str:
    if trouble == "language":
        return f"--language {asked['language']}: Plone has no such language, as de is."
    known = trouble.partition(" ")[2].replace(" ", ", ")
    return (
        f"--distribution {asked['distribution']}: Plone has {known} here. Others come "
        "with eggs of the clients."
    )


def _say(
    control: Control, stack: Stack, sites: list[Site], states: dict[str, str]
) -> None:
    for site in sites:
        state = states[site.path]
        name = printable(f"{site.shown} ({site.path})")
        if state == "created":
            control.screen.say(f"{name}: created")
        elif state == "there":
            control.screen.say(f"{name}: is there already")
        elif state == "free":
            control.screen.say(f"{name}: not created, because of the other")
        else:
            control.screen.fail(f"Error: {name}: {_other(site, state)}")
    if stack.chain.has_cache and "created" in states.values():
        control.screen.say(f"next: {control.script} plone-caching")


def _other(site: Site, state: str) -> str:
    if state == "no folder":
        above = site.path.rpartition("/")[0]
        return f"there is no folder {above} in the database. Make that first."
    return (
        "something is there that is no Plone site. Nothing was created. Name "
        "another path in sites, or move that away in Zope."
    )
