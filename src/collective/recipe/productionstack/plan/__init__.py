"""From options and other recipes' parts to the stack and its files; pure."""
