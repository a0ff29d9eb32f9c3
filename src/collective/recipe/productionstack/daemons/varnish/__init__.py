"""Varnish: cache."""
