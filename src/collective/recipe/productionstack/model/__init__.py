"""The stack as frozen values."""
