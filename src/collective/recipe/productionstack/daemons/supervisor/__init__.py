"""supervisor: keeps the programs running."""
