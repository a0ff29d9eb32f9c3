"""Connections: who listens, HTTP, certificates."""
