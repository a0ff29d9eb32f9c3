"""Certificates as ``status`` tells of them."""

from __future__ import annotations

from typing import Any

from collective.recipe.productionstack.ctl.control import Control
from collective.recipe.productionstack.daemons.certificates import Certificate

DAY = 86400


def line(control: Control, one: Certificate) -> str:
    """Say how long a certificate lasts, and whether visitors get it."""
    name = f"certificate {one.hosts[0]}"
    if one.trouble:
        return f"{name}: UNUSABLE: {one.path}: {one.trouble}"
    days, rest = f"{one.left / DAY:.1f} d", f"{one.rest:.0%} of its lifetime"
    text = f"{name}: {days} left, {rest}"
    if one.left < 0:
        text = f"{name}: ENDED {-one.left / DAY:.1f} d ago"
    elif not one.ok:
        text = f"{name}: ENDS SOON: {days} left, {rest}: renew {one.path}"
    text += _not_trusted(control, one)
    if one.loaded is False:
        text += f"; another lies in {one.path}: {control.script} reload"
    return text


def _not_trusted(control: Control, one: Certificate) -> str:
    """Say why visitors are warned of one that is not over."""
    get = f": {control.script} certificate obtain {one.hosts[0]}"
    if one.is_stand_in:
        word = "SELF-SIGNED" if one.public else "self-signed"
        return f", {word} until one is obtained{get}"
    if one.lacks:
        return f", NOT FOR {', '.join(one.lacks)}{get}"
    return ", self-signed" if one.self_signed else ""


def values(one: Certificate) -> dict[str, Any]:
    """Return what a machine reads of one; times in seconds."""
    return {
        "file": one.path,
        "hosts": list(one.hosts),
        "ends": int(one.ends),
        "left": int(one.left) if one.ends else None,
        "rest": round(one.rest, 3),
        "loaded": one.loaded,
        "self_signed": one.self_signed,
        "ok": one.ok,
        **({"trouble": one.trouble} if one.trouble else {}),
    }
