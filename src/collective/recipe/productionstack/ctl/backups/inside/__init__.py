"""What the database's own Python runs: no name of ours, and nothing of the site."""
