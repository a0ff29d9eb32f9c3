"""Create the Plone site of the demo once: bin/instance run dev/create_site.py [ID].

Does nothing where the site is there already.
"""

import logging
import sys
from typing import Any

import plone.distribution.api.site as sites
import transaction
from Products.CMFPlone.Portal import PloneSite
from zope.component.hooks import setSite

DISTRIBUTION = "classic"
TITLE = "Productionstack demo"
TEXT = """\
<p>This page came out of ZEO and a Zope client, through HAProxy, Varnish and nginx.
All of them run as one ordinary user, and one part in <code>buildout.cfg</code> made
their configuration.</p>
"""


def create(root: Any, site_id: str) -> bool:
    """Create the site and commit; say whether it was missing."""
    if site_id in root:
        if not isinstance(root[site_id], PloneSite):
            sys.exit(f"/{site_id} is there already, but it is no Plone site.")
        return False
    answers = {
        "site_id": site_id,
        "title": TITLE,
        "description": "nginx, Varnish, HAProxy, Zope and ZEO as one ordinary user",
        "default_language": "en",
        "portal_timezone": "UTC",
        "setup_content": True,
    }
    site = sites.create(root, DISTRIBUTION, answers)
    setSite(site)
    write_front_page(site)
    transaction.commit()
    return True


def write_front_page(site: Any) -> None:
    """Give the site's own page its title and text; everybody may see it."""
    from plone.app.textfield.value import RichTextValue

    site.title = TITLE
    site.text = RichTextValue(TEXT, "text/html", "text/x-html-safe")
    site.reindexObject()


def main() -> None:
    """Create the site that the command line names, else Plone."""
    logging.disable(logging.WARNING)  # Plone's own set-up warns of what is harmless
    arguments = sys.argv[3:]  # the interpreter, -c and this script come first
    site_id = arguments[0] if arguments else "Plone"
    root = globals()["app"]  # what `bin/instance run` provides
    made = create(root, site_id)
    print(f"/{site_id}: {'created' if made else 'is there already'}.")


main()
