"""Purge the cache, and prove that purging works."""
