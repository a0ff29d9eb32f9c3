"""Volto: makes the pages of a site, in processes of Node."""
