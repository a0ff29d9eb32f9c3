"""Copies of backups elsewhere: where they go, and what is sent there."""
