"""One folder per daemon: ``config`` is what we write, ``control`` how we talk to it."""
