"""The control script ``bin/stack``: what runs in production."""
