"""Let everybody use the REST API, as in a site with a Volto front end.

Run by ``bin/instance run`` with the ids of the sites.
"""

from __future__ import annotations

import sys
from typing import Any


def main(root: Any) -> None:
    """Change the permission in each site."""
    import transaction

    for name in sys.argv[1:]:
        if name in root.objectIds():
            root[name].manage_permission(
                "plone.restapi: Use REST API", ["Anonymous"], acquire=1
            )
    transaction.commit()


if "app" in globals():
    main(globals()["app"])
