"""The generated files as one tree: rendered, checked, compared, exchanged."""
