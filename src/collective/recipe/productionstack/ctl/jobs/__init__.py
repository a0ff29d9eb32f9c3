"""What every job on a database has: its turn, its verdict, how it ended."""
