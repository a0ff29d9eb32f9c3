"""``stack.json``: what was written down, read again."""
