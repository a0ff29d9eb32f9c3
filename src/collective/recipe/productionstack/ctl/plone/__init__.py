"""Ask Plone itself; ``inside`` is what runs there."""
