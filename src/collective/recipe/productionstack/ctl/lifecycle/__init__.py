"""Start, stop, reload; what runs and what it was started with."""
