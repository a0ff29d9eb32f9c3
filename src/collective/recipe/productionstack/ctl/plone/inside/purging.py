"""Say which PURGE requests Plone would send for the front page of each site."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from .site import at
from .site import registry

PURGE = "plone.cachepurging.interfaces.ICachePurgingSettings"


def work(root: Any, wanted: dict[str, Any]) -> dict[str, Any]:
    """Ask Plone's own code for every site; ``fronts`` are paths and their address."""
    if find_spec("plone.cachepurging") is None:
        return {"trouble": "no package"}
    sites = {path: at(root, path, wanted, _look) for path in wanted["fronts"]}
    return {"sites": sites}


def _look(site: Any, wanted: dict[str, Any]) -> dict[str, Any]:
    from plone.cachepurging.utils import getPathsToPurge

    path = "/".join(site.getPhysicalPath())
    records = registry()
    fronts = wanted["fronts"][path]
    return {
        "enabled": bool(records.get(f"{PURGE}.enabled")),
        "proxies": list(records.get(f"{PURGE}.cachingProxies") or ()),
        "paths": {
            f"{scheme}/{host}/{port}{folder}": list(
                getPathsToPurge(site, _request(site, scheme, host, port, folder))
            )
            for scheme, host, port, folder in fronts
        },
    }


def _request(site: Any, scheme: str, host: str, port: str, folder: str) -> Any:
    """Return a request as an editor's that has come through the virtual host."""
    from Testing.makerequest import makerequest
    from zope.globalrequest import setRequest

    request = makerequest(site).REQUEST
    request.setServerURL(scheme, host, port)
    # As Zope's virtual host monster writes them, of a site in a folder three.
    parts = (request["SERVER_URL"], *filter(None, [folder.strip("/")]), "")
    request.set("VIRTUAL_URL_PARTS", parts)
    request.set("VIRTUAL_URL", "/".join(parts))
    request.set("VirtualRootPhysicalPath", site.getPhysicalPath())
    setRequest(request)
    return request
