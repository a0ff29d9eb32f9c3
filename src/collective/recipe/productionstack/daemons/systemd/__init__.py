"""systemd: a unit in the user's own manager."""
