"""Program 1: what ``bin/buildout`` runs; all that knows zc.buildout."""
