"""Apache: another web server in front."""
