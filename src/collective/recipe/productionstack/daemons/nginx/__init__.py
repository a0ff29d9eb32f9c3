"""nginx: web server."""
