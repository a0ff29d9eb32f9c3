"""Render every file of a complete stack."""

from __future__ import annotations

from collections.abc import Iterator

from collective.recipe.productionstack.daemons import registry
from collective.recipe.productionstack.model.stack import Stack
from collective.recipe.productionstack.tree import render
from collective.recipe.productionstack.tree.trees import File
from collective.recipe.productionstack.tree.trees import Tree


def tree_of(stack: Stack) -> Tree:
    """Render every file of a complete stack.

    Raises render.TemplateError when a template is broken.
    """
    return Tree((*_rendered(stack), File("stack.json", stack.to_json())))


def _rendered(stack: Stack) -> Iterator[File]:
    for service in registry.SERVICES:
        if not stack.writes(service.NAME):
            continue
        for path, template, values in service.files(stack):
            text = render.render(
                template, {"stack": stack, **values}, stack.folders.templates
            )
            yield File(path, text)
