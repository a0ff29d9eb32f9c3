"""A complete production stack for Plone from one buildout part."""
