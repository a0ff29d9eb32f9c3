"""What lies there: the files of a backup, and what was written down about them."""
