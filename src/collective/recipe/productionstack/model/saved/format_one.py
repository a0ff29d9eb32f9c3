"""``stack.json`` as the first release wrote it: everything flat.

A stack that was started with it runs on until ``reload``, and has to be read.
"""

from __future__ import annotations

from typing import Any

GROUPS = {
    "chain": (
        *("web_server", "proxy_cache", "load_balancer"),
        *("http", "https", "cache", "purge", "balancer", "stats"),
    ),
    "zope": ("clients", "debug_client", "balancing"),
    "data": ("storage", "backups", "keeping"),
    "caching": ("purge_by",),
    "host": ("workers", "versions"),
    "announced": ("programs", "logs", "jobs", "checks"),
}


def grouped(flat: dict[str, Any]) -> dict[str, Any]:
    """Return the values of format 1 as format 2 has them.

    Raises KeyError where one is missing.
    """
    values = dict(flat)
    for group, names in GROUPS.items():
        values[group] = {name: values.pop(name) for name in names}
    values["maintenance"] = {
        "page": values.pop("maintenance_page"),
        "allow": values.pop("maintenance_allow"),
    }
    templates = values.pop("user_templates")
    values["folders"] = {**values["folders"], "templates": templates}
    return values
